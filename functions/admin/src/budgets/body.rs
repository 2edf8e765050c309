//! Limits as they come in and go out.

use gateway::budget::{Amount, BudgetSet, DEFAULT_ALERTS, Limit, ScopeKind, Unit, Window};
use gateway::error::Error;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::dollars;

/// The body of a `PUT`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLimits {
    limits: Vec<NewLimit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLimit {
    unit: Unit,
    window: Window,
    #[serde(default)]
    limit: Option<Count>,
    #[serde(default)]
    limit_dollars: Option<String>,
    #[serde(default)]
    limit_picodollars: Option<Count>,
    #[serde(default)]
    alerts: Option<Vec<u8>>,
}

/// A whole number, as one or as its digits.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Digits(Amount),
}

impl From<Count> for Amount {
    fn from(count: Count) -> Self {
        match count {
            Count::Number(number) => Self::new(number),
            Count::Digits(amount) => amount,
        }
    }
}

impl NewLimits {
    pub(super) fn limits(self) -> Result<Vec<Limit>, Error> {
        self.limits.into_iter().map(NewLimit::checked).collect()
    }
}

impl NewLimit {
    fn checked(self) -> Result<Limit, Error> {
        Ok(Limit {
            unit: self.unit,
            window: self.window,
            limit: amount(self.unit, self.limit, self.limit_dollars, self.limit_picodollars)?,
            alerts: self.alerts.unwrap_or_else(|| DEFAULT_ALERTS.to_vec()),
        })
    }
}

fn amount(
    unit: Unit,
    count: Option<Count>,
    dollars: Option<String>,
    picodollars: Option<Count>,
) -> Result<Amount, Error> {
    match (unit, count, dollars, picodollars) {
        (Unit::Picodollars, None, Some(text), None) => dollars::parse(&text).map(Into::into).ok_or_else(|| {
            Error::invalid("`limit_dollars` must be dollars as decimal text, as \"50.00\", with at most 12 decimals.")
        }),
        (Unit::Picodollars, None, None, Some(count)) => Ok(count.into()),
        (Unit::Picodollars, ..) => Err(Error::invalid(
            "A limit of picodollars must have one of `limit_dollars` and `limit_picodollars`.",
        )),
        (_, Some(count), None, None) => Ok(count.into()),
        _ => Err(Error::invalid(
            "A limit of requests or tokens must have `limit`, and no other.",
        )),
    }
}

/// The limits of one scope and id, as they are told.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    scope: ScopeKind,
    id: &'a str,
    revision: u64,
    updated_at: Timestamp,
    limits: Vec<ShownLimit<'a>>,
}

/// Of money, both what it is in dollars and what it is exactly; of other units the number. All of them as text.
#[derive(Serialize)]
struct ShownLimit<'a> {
    unit: Unit,
    window: Window,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_picodollars: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_dollars: Option<String>,
    alerts: &'a [u8],
}

impl<'a> Shown<'a> {
    pub(super) fn of(set: &'a BudgetSet) -> Self {
        Self {
            scope: set.scope,
            id: &set.id,
            revision: set.revision,
            updated_at: set.updated_at,
            limits: set.limits.iter().map(ShownLimit::of).collect(),
        }
    }
}

impl<'a> ShownLimit<'a> {
    fn of(limit: &'a Limit) -> Self {
        let is_money = limit.unit == Unit::Picodollars;
        Self {
            unit: limit.unit,
            window: limit.window,
            limit: (!is_money).then_some(limit.limit),
            limit_picodollars: is_money.then_some(limit.limit),
            limit_dollars: is_money.then(|| limit.limit.as_money().to_string()),
            alerts: &limit.alerts,
        }
    }
}
