//! Windows of time, in UTC.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::UnknownName;

/// How long a limit counts before it begins anew, always in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// From second 0.
    Minute,
    /// From midnight.
    Day,
    /// From Monday (ISO 8601).
    Week,
    /// From the first.
    Month,
    /// Once and for all.
    Total,
}

/// When a window began, as keys and answers tell it: `2026-11-25T13:05`, `2026-11-25`, `2026-11-23`, `2026-11` or `all`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WindowStart(String);

impl WindowStart {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WindowStart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Window {
    /// Every window, the shortest first.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Day, Self::Week, Self::Month, Self::Total];

    /// The name in keys and paths.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// When the window that holds `at` began.
    pub fn start(self, at: Timestamp) -> WindowStart {
        let start = self.began(at);
        WindowStart(match self {
            Self::Minute => start.strftime("%Y-%m-%dT%H:%M").to_string(),
            Self::Day | Self::Week => start.strftime("%Y-%m-%d").to_string(),
            Self::Month => start.strftime("%Y-%m").to_string(),
            Self::Total => "all".to_owned(),
        })
    }

    /// When the window that holds `at` ends; never for [`Window::Total`].
    pub fn end(self, at: Timestamp) -> Option<Timestamp> {
        let length: Span = match self {
            Self::Minute => 1.minute(),
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
            Self::Total => return None,
        };
        let end = self.began(at).checked_add(length).unwrap_or(DateTime::MAX);
        TimeZone::UTC.to_timestamp(end).ok()
    }

    fn began(self, at: Timestamp) -> DateTime {
        let now = TimeZone::UTC.to_datetime(at);
        let date = now.date();
        match self {
            Self::Minute => date.at(now.hour(), now.minute(), 0, 0),
            Self::Day => date.at(0, 0, 0, 0),
            Self::Week => {
                let days = i64::from(date.weekday().to_monday_zero_offset());
                date.saturating_sub(days.days()).at(0, 0, 0, 0)
            }
            Self::Month => date.first_of_month().at(0, 0, 0, 0),
            Self::Total => DateTime::MIN,
        }
    }
}

impl FromStr for Window {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|it| it.label() == name).ok_or(UnknownName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_holds_its_first_moment_and_not_its_last() {
        for window in [Window::Minute, Window::Day, Window::Week, Window::Month] {
            let moment = at("2024-02-29T23:59:59.999Z");
            let end = window.end(moment).unwrap();
            assert_ne!(window.start(moment), window.start(end), "{window:?}");
            let last = Timestamp::from_millisecond(end.as_millisecond() - 1).unwrap();
            assert_eq!(window.start(moment), window.start(last), "{window:?}");
        }
    }

    #[test]
    fn windows_begin_where_calendars_say() {
        let moment = at("2026-11-25T13:05:59Z");
        let starts = Window::ALL.map(|window| window.start(moment).to_string());
        assert_eq!(
            starts,
            ["2026-11-25T13:05", "2026-11-25", "2026-11-23", "2026-11", "all"]
        );
        assert_eq!(Window::Week.start(at("2027-01-01T00:00:00Z")).as_str(), "2026-12-28");
        assert_eq!(Window::Month.end(moment), Some(at("2026-12-01T00:00:00Z")));
        assert_eq!(Window::Total.end(moment), None);
    }
}
