//! Budgets: what somebody may spend, ask or use within a window of time.
//!
//! A limit belongs to a scope (a key, a user, a team, a model, the organisation), counts one unit, and begins anew with each
//! window. What of a limit is gone stands in one item of the table for each window (`crate::store::BudgetState`), of which
//! `available + Σ holds + spent = limit` always holds.

mod definition;
mod window;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::money::Picodollars;
use crate::usage::{Tokens, Usage};

pub use definition::{BudgetId, BudgetSet, BudgetSetError, DEFAULT_ALERTS, DEFAULT_ID, Limit, ORGANISATION_ID};
pub use window::{Window, WindowStart};

/// A number of whatever a limit counts; at most the 38 digits that a number of DynamoDB holds. As text and JSON it is a string
/// of decimal digits, since JSON numbers past 2⁵³ are not safe everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u128);

/// Text that is no [`Amount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a whole number of at most 38 digits")]
pub struct BadAmount;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// 38 nines.
    pub const MAX: Self = Self(Picodollars::MAX.as_u128());

    /// So many.
    pub const fn new(count: u64) -> Self {
        Self(count as u128)
    }

    /// The number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The sum, held at [`Self::MAX`].
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(Self::MAX.0))
    }

    /// The difference, held at nothing.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// As money, of a limit that counts picodollars.
    pub fn as_money(self) -> Picodollars {
        Picodollars::try_from(self.0).unwrap_or(Picodollars::MAX)
    }
}

impl From<Picodollars> for Amount {
    fn from(money: Picodollars) -> Self {
        Self(money.as_u128())
    }
}

impl From<Tokens> for Amount {
    fn from(tokens: Tokens) -> Self {
        Self::new(tokens.as_u64())
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl FromStr for Amount {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        text.parse::<Picodollars>().map(Into::into).map_err(|_| BadAmount)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Calls.
    Requests,
    /// Tokens of prompt and answer together, cached ones included.
    Tokens,
    /// Money: 10⁻¹² dollars.
    Picodollars,
}

impl Unit {
    /// Every unit, in the order in which a call holds them: what is cheapest to be refused by comes first.
    pub const ALL: [Self; 3] = [Self::Requests, Self::Tokens, Self::Picodollars];

    /// The name in keys and paths.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Picodollars => "picodollars",
        }
    }
}

impl FromStr for Unit {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|it| it.label() == name).ok_or(UnknownName)
    }
}

/// Whose budget it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// An API key's, by its id.
    Key,
    /// A person's or service account's, by its subject.
    User,
    /// A team's, by its name.
    Team,
    /// A model's, by its Bedrock id without profile.
    Model,
    /// Everybody's together.
    Organisation,
}

impl ScopeKind {
    /// Every scope, the narrowest first: the order in which a call holds them, so that whoever has used up an own budget never
    /// touches one that others share.
    pub const ALL: [Self; 5] = [Self::Key, Self::User, Self::Team, Self::Model, Self::Organisation];

    /// The name in keys and paths.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::User => "user",
            Self::Team => "team",
            Self::Model => "model",
            Self::Organisation => "organisation",
        }
    }
}

impl FromStr for ScopeKind {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|it| it.label() == name).ok_or(UnknownName)
    }
}

/// A name that means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownName;

/// What a call takes of its budgets, by unit: at the most when it is held, and really when it is settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Calls: 1, or 0 for one that was never made.
    pub requests: u64,
    /// Tokens of prompt and answer.
    pub tokens: Tokens,
    /// Money.
    pub cost: Picodollars,
}

impl Charge {
    /// Of a call that was made.
    pub fn of(usage: &Usage, cost: Picodollars) -> Self {
        Self {
            requests: 1,
            tokens: usage.prompt_tokens().saturating_add(usage.output_tokens),
            cost,
        }
    }

    /// What it takes of a limit that counts `unit`.
    pub fn amount(&self, unit: Unit) -> Amount {
        match unit {
            Unit::Requests => Amount::new(self.requests),
            Unit::Tokens => self.tokens.into(),
            Unit::Picodollars => self.cost.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_digits_as_text_and_bounded_to_38_of_them() {
        let largest = "9".repeat(38);
        assert_eq!(largest.parse(), Ok(Amount::MAX));
        assert_eq!(serde_json::to_string(&Amount::MAX).unwrap(), format!("\"{largest}\""));
        for bad in ["", "-1", "1.0", "1e3", " 1", &"9".repeat(39)] {
            assert_eq!(bad.parse::<Amount>(), Err(BadAmount), "{bad:?}");
        }
    }

    #[test]
    fn a_name_stands_for_one_scope_and_one_unit() {
        for scope in ScopeKind::ALL {
            assert_eq!(scope.label().parse(), Ok(scope));
        }
        for unit in Unit::ALL {
            assert_eq!(unit.label().parse(), Ok(unit));
        }
        assert_eq!("KEY".parse::<ScopeKind>(), Err(UnknownName));
    }
}
