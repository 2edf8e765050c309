//! Spans of time in queries: `from` and `to`, each a moment (RFC 3339) or a day in UTC.

use gateway::error::Error;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// When a span begins: the moment, or the beginning of the day.
pub(crate) fn since(text: Option<&str>) -> Result<Option<Timestamp>, Error> {
    text.map(|text| moment(text, 0, "`from` must be a date or an RFC 3339 time."))
        .transpose()
}

/// When a span is over: the moment, which is not in it any more, or the end of the day, which still is.
pub(crate) fn until(text: Option<&str>) -> Result<Option<Timestamp>, Error> {
    text.map(|text| moment(text, 1, "`to` must be a date or an RFC 3339 time."))
        .transpose()
}

/// The end of the day, in UTC, that `now` is in.
pub(crate) fn end_of_day(now: Timestamp) -> Result<Timestamp, Error> {
    let day = TimeZone::UTC.to_datetime(now).date();
    let next = day.tomorrow().map_err(Error::internal)?;
    TimeZone::UTC.to_timestamp(next.at(0, 0, 0, 0)).map_err(Error::internal)
}

/// Passes if a span has a beginning before its end.
pub(crate) fn check(since: Option<Timestamp>, until: Option<Timestamp>) -> Result<(), Error> {
    match (since, until) {
        (Some(since), Some(until)) if since >= until => Err(Error::invalid("`from` must be before `to`.")),
        _ => Ok(()),
    }
}

/// Years from 2000 to 9998: outside of these a time's text does not sort as the time does, and nothing happened there.
fn moment(text: &str, days_more: i64, wrong: &'static str) -> Result<Timestamp, Error> {
    let wrong = || Error::invalid(wrong);
    let moment = if text.len() == "2026-11-25".len() {
        let day: Date = text.parse().map_err(|_| wrong())?;
        let day = day.checked_add(days_more.days()).map_err(|_| wrong())?;
        TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).map_err(|_| wrong())?
    } else {
        text.parse().map_err(|_| wrong())?
    };
    let years = 2000..=9998;
    years
        .contains(&TimeZone::UTC.to_datetime(moment).year())
        .then_some(moment)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_in_a_span_from_its_beginning_to_its_end() {
        let (from, to) = (since(Some("2024-02-29")).unwrap(), until(Some("2024-02-29")).unwrap());
        assert_eq!(from.unwrap().to_string(), "2024-02-29T00:00:00Z");
        assert_eq!(to.unwrap().to_string(), "2024-03-01T00:00:00Z");
        assert!(check(from, to).is_ok() && check(to, from).is_err() && check(from, from).is_err());
    }

    #[test]
    fn a_moment_is_rfc_3339_with_its_offset() {
        let moment = since(Some("2026-11-25T13:05:00+01:00")).unwrap().unwrap();
        assert_eq!(moment.to_string(), "2026-11-25T12:05:00Z");
    }

    ///
    #[test]
    fn what_is_no_time_of_ours_is_refused() {
        for bad in [
            "",
            "x",
            "2026-02-30",
            "2026-11-25T13:05",
            "2026-1-1",
            "1999-12-30",
            "9999-12-31",
            "-000001-01-01T00:00:00Z",
            "2026-11-25#x",
            "2026-11-25T00:00:00Z' OR '1",
            "20261125x1",
        ] {
            assert!(since(Some(bad)).is_err() && until(Some(bad)).is_err(), "{bad:?}");
        }
    }
}
