//! Time is handed in, so that tests can hold it still.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::Timestamp;

/// Tells the time: the system's, or one that a test sets, in its own process or in another.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until a test moves it: milliseconds since the Unix epoch.
    Held(Arc<AtomicI64>),
    /// A clock that is asked each time: how a test sets the time of another process.
    Asked(fn() -> Timestamp),
}

impl Clock {
    /// A clock that shows `now` until [`Clock::advance_seconds`] moves it.
    pub fn held_at(now: Timestamp) -> Self {
        Self::Held(Arc::new(AtomicI64::new(now.as_millisecond())))
    }

    /// The time now, to the millisecond.
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
            Self::System => truncated_to_milliseconds(Timestamp::now()),
            Self::Held(millis) => Timestamp::from_millisecond(millis.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX),
            Self::Asked(told) => truncated_to_milliseconds(told()),
        }
    }

    /// The time now in whole seconds since the Unix epoch, as JWT's `NumericDate` (RFC 7519, section 2) and DynamoDB's
    /// time to live count it.
    pub fn now_seconds(&self) -> i64 {
        self.now().as_second()
    }

    /// Moves a held clock; any other stays as it is.
    pub fn advance_seconds(&self, seconds: i64) {
        if let Self::Held(millis) = self {
            millis.fetch_add(seconds * 1000, Ordering::SeqCst);
        }
    }
}

fn truncated_to_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// RFC 3339 in UTC with exactly three decimals, so that text order is time order.
pub fn rfc3339_millis(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Measures a duration on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Whole milliseconds since the start.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Seconds since the start, as metrics count them.
    pub fn elapsed_seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_order_is_time_order() {
        let early = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        let late = Timestamp::from_millisecond(1_700_000_000_010).unwrap();
        assert_eq!(rfc3339_millis(early), "2023-11-14T22:13:20.000Z");
        assert!(rfc3339_millis(early) < rfc3339_millis(late));
    }

    #[test]
    fn a_held_clock_moves_only_when_told() {
        let clock = Clock::held_at(Timestamp::from_second(100).unwrap());
        assert_eq!(clock.now_seconds(), 100);
        clock.advance_seconds(5);
        assert_eq!(clock.now_seconds(), 105);
    }
}
