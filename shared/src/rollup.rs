//! Rollups: sums of usage rows over a period of time, for whoever asks for more than single calls.
//!
//! A row counts in every [`Dimension`] that it has an id in, and in each of them in every [`Period`]. A sum of sums is the sum of
//! the rows, to the picodollar.

use std::borrow::Cow;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::budget::{Amount, ORGANISATION_ID, UnknownName, Window};
use crate::money::Picodollars;
use crate::principal::{Subject, Team};
use crate::usage::{Outcome, Usage};
use crate::wire::dialect::Dialect;

/// By what rows are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// All rows; the one id is [`ORGANISATION_ID`].
    Organisation,
    /// By the subject that called.
    User,
    /// By the team on whose account it did. Rows without one are in no such sum.
    Team,
    /// By the API key. Rows of calls without one are in no such sum.
    Key,
    /// By the model without profile.
    Model,
    /// By both: `<subject>|<model>`. Neither holds that character.
    UserModel,
    /// By the caller's dialect and how the call ended: `<dialect>|<outcome>`.
    Outcome,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Self; 7] = [
        Self::Organisation,
        Self::User,
        Self::Team,
        Self::Key,
        Self::Model,
        Self::UserModel,
        Self::Outcome,
    ];

    /// The name in keys and paths.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::User => "user",
            Self::Team => "team",
            Self::Key => "key",
            Self::Model => "model",
            Self::UserModel => "user_model",
            Self::Outcome => "outcome",
        }
    }
}

impl FromStr for Dimension {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|it| it.label() == name).ok_or(UnknownName)
    }
}

/// Over how long rows are summed up, always in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From minute 0.
    Hour,
    /// From midnight.
    Day,
    /// From Monday (ISO 8601).
    Week,
    /// From the first.
    Month,
}

impl Period {
    /// Every period, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The name in keys and paths.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// When the period that holds `at` began: `2026-11-25T13`, `2026-11-25`, `2026-11-23` (a Monday) or `2026-11`. The order of
    /// these texts is the order of time.
    pub fn start(self, at: Timestamp) -> String {
        match self {
            Self::Hour => self.began(at).strftime("%Y-%m-%dT%H").to_string(),
            Self::Day => Window::Day.start(at).to_string(),
            Self::Week => Window::Week.start(at).to_string(),
            Self::Month => Window::Month.start(at).to_string(),
        }
    }

    /// The bucket that the period's sums stand in together: the day of an hour, the month of a day, the year of a week's Monday,
    /// the year of a month.
    pub fn bucket(self, at: Timestamp) -> String {
        let began = self.began(at);
        match self {
            Self::Hour => began.strftime("%Y-%m-%d").to_string(),
            Self::Day => began.strftime("%Y-%m").to_string(),
            Self::Week | Self::Month => began.strftime("%Y").to_string(),
        }
    }

    /// When the period that holds `at` ends and the next one begins.
    pub fn end(self, at: Timestamp) -> Timestamp {
        let length: Span = match self {
            Self::Hour => 1.hour(),
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
        };
        let end = self.began(at).checked_add(length).unwrap_or(DateTime::MAX);
        TimeZone::UTC.to_timestamp(end).unwrap_or(Timestamp::MAX)
    }

    fn began(self, at: Timestamp) -> DateTime {
        let moment = TimeZone::UTC.to_datetime(at);
        let date = moment.date();
        match self {
            Self::Hour => date.at(moment.hour(), 0, 0, 0),
            Self::Day => date.at(0, 0, 0, 0),
            Self::Week => {
                let days = i64::from(date.weekday().to_monday_zero_offset());
                date.saturating_sub(days.days()).at(0, 0, 0, 0)
            }
            Self::Month => date.first_of_month().at(0, 0, 0, 0),
        }
    }
}

impl FromStr for Period {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|it| it.label() == name).ok_or(UnknownName)
    }
}

/// What of a usage row counts in sums.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// When the call began: what decides its periods.
    pub started_at: Timestamp,
    /// Who called.
    pub principal: &'a Subject,
    /// On whose account.
    pub team: Option<&'a Team>,
    /// By which API key.
    pub key_id: Option<&'a str>,
    /// Which model, without profile.
    pub base_model: &'a str,
    /// The caller's dialect.
    pub dialect: Dialect,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether its counts are an estimate.
    pub estimated: bool,
    /// Its tokens.
    pub usage: Usage,
    /// Its cost.
    pub cost: Picodollars,
}

impl<'a> Counted<'a> {
    /// The dimensions that it counts in, each with its id there.
    pub fn places(&self) -> impl Iterator<Item = (Dimension, Cow<'a, str>)> {
        let user = self.principal.as_str();
        let both = format!("{user}|{}", self.base_model);
        let outcome = format!("{}|{}", self.dialect.label(), self.outcome.label());
        let always = [
            (Dimension::Organisation, Cow::Borrowed(ORGANISATION_ID)),
            (Dimension::User, Cow::Borrowed(user)),
            (Dimension::Model, Cow::Borrowed(self.base_model)),
            (Dimension::UserModel, Cow::Owned(both)),
            (Dimension::Outcome, Cow::Owned(outcome)),
        ];
        let team = self.team.map(|team| (Dimension::Team, Cow::Borrowed(team.as_str())));
        let key = self.key_id.map(|key| (Dimension::Key, Cow::Borrowed(key)));
        always.into_iter().chain(team).chain(key)
    }
}

/// What calls came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// How many there were.
    pub calls: u64,
    /// How many of them ended otherwise than in success.
    pub errors: u64,
    /// How many of them hold estimates.
    pub estimated: u64,
    /// Their tokens.
    pub usage: Usage,
    /// Their cost in picodollars; digits as text, since a sum may be longer than JSON numbers are safe.
    pub cost: Amount,
}

impl Totals {
    /// Of one call.
    pub fn of(row: &Counted<'_>) -> Self {
        Self {
            calls: 1,
            errors: u64::from(row.outcome != Outcome::Success),
            estimated: u64::from(row.estimated),
            usage: row.usage,
            cost: row.cost.into(),
        }
    }

    /// Both together. A count is held at its type's end, which no sum of real calls comes near.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            errors: self.errors.saturating_add(other.errors),
            estimated: self.estimated.saturating_add(other.estimated),
            usage: self.usage.saturating_add(&other.usage),
            cost: self.cost.saturating_add(other.cost),
        }
    }
}

/// Whose sum it is, and over which period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RollupId {
    /// By what.
    pub dimension: Dimension,
    /// Whose, there.
    pub id: String,
    /// Over how long.
    pub period: Period,
    /// When that began ([`Period::start`]).
    pub start: String,
}

/// The sum of some rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollup {
    /// Of which.
    #[serde(flatten)]
    pub of: RollupId,
    /// What they came to.
    #[serde(flatten)]
    pub totals: Totals,
}

/// The sums of rows that are added one by one, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(std::collections::BTreeMap<RollupId, Totals>);

impl Sums {
    /// Adds a row to each sum of `periods` that it counts in.
    pub fn add(&mut self, row: &Counted<'_>, periods: &[Period]) {
        let one = Totals::of(row);
        let starts: Vec<_> = periods.iter().map(|it| (*it, it.start(row.started_at))).collect();
        for (dimension, id) in row.places() {
            for (period, start) in &starts {
                let of = RollupId {
                    dimension,
                    id: id.clone().into_owned(),
                    period: *period,
                    start: start.clone(),
                };
                let sum = self.0.entry(of).or_default();
                *sum = sum.plus(one);
            }
        }
    }

    /// Adds the sums of other rows.
    pub fn merge(&mut self, other: Self) {
        for (of, totals) in other.0 {
            let sum = self.0.entry(of).or_default();
            *sum = sum.plus(totals);
        }
    }

    /// The sum of one id.
    pub fn get(&self, of: &RollupId) -> Option<&Totals> {
        self.0.get(of)
    }

    /// How many sums there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&RollupId, &Totals)> {
        self.0.iter()
    }

    /// All of them, in order.
    pub fn into_rollups(self) -> impl Iterator<Item = Rollup> {
        self.0.into_iter().map(|(of, totals)| Rollup { of, totals })
    }
}

#[cfg(test)]
mod tests;
