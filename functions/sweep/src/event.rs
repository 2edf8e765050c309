//! What the sweep is invoked with: an event of its schedule, or an operator's command.

use gateway::error::Error;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

use crate::migrate;

/// The most days that one command recomputes.
const MOST_DAYS: usize = 366;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// To sweep, as of the event's time if it has one.
    Sweep { now: Option<Timestamp> },
    /// To recompute these days.
    Recompute { days: Vec<Date> },
    /// To migrate.
    Migrate(migrate::Asked),
}

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
enum Asked {
    Recompute { from: Date, to: Date },
    Migrate(migrate::Asked),
}

impl Command {
    /// Reads `{"command":"recompute","from":"2026-11-01","to":"2026-11-30"}`, `{"command":"migrate","action":"up"}`, or anything without a command: EventBridge's
    /// scheduled event has the time that it stands for in `time`.
    pub(crate) fn read(event: &Value) -> Result<Self, Error> {
        if event.get("command").is_none() {
            let time = event.get("time").and_then(Value::as_str);
            let now = time.map(str::parse).transpose();
            return now
                .map(|now| Self::Sweep { now })
                .map_err(|_| Error::invalid("`time` is no time."));
        }
        let asked = Asked::deserialize(event).map_err(|error| Error::invalid(error.to_string()))?;
        let (from, to) = match asked {
            Asked::Recompute { from, to } => (from, to),
            Asked::Migrate(asked) => return Ok(Self::Migrate(asked)),
        };
        let days: Vec<_> = from
            .series(jiff::Span::new().days(1))
            .take_while(|day| *day <= to)
            .take(MOST_DAYS + 1)
            .collect();
        if days.is_empty() || days.len() > MOST_DAYS {
            return Err(Error::invalid("From `from` to `to` must be from 1 to 366 days."));
        }
        Ok(Self::Recompute { days })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scheduled_event_sweeps_as_of_its_time_and_any_other_as_of_now() {
        let read = |event: Value| Command::read(&event).unwrap();
        let at = Some("2026-11-25T13:00:00Z".parse().unwrap());
        assert_eq!(
            read(json!({"source": "aws.events", "time": "2026-11-25T13:00:00Z"})),
            Command::Sweep { now: at }
        );
        assert_eq!(read(json!({})), Command::Sweep { now: None });
        assert!(Command::read(&json!({"time": "yesterday"})).is_err());
    }

    #[test]
    fn a_command_names_whole_days_and_not_too_many() {
        let read = |from: &str, to: &str| Command::read(&json!({"command": "recompute", "from": from, "to": to}));
        let Ok(Command::Recompute { days }) = read("2026-11-01", "2026-11-30") else {
            panic!("it is not read");
        };
        assert_eq!((days.len(), days[29].to_string()), (30, "2026-11-30".to_owned()));
        for (from, to) in [
            ("2026-11-02", "2026-11-01"),
            ("2026-01-01", "2027-01-02"),
            ("2026-11-31", "2026-12-01"),
            ("", ""),
        ] {
            assert!(read(from, to).is_err(), "{from} {to}");
        }
        assert!(Command::read(&json!({"command": "drop"})).is_err());
        assert!(Command::read(&json!({"command": "recompute", "from": "2026-11-01"})).is_err());
    }
}
