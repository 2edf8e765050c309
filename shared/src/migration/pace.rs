//! No more capacity a second than was said.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Stopwatch;

/// What has been taken since it began, and what may be.
#[derive(Debug)]
pub(super) struct Pace {
    units_a_second: f64,
    began: Stopwatch,
    taken: Mutex<f64>,
}

impl Pace {
    pub(super) fn new(units_a_second: u32) -> Self {
        Self {
            units_a_second: f64::from(units_a_second.max(1)),
            began: Stopwatch::start(),
            taken: Mutex::new(0.0),
        }
    }

    /// Notes what was taken, and returns when it is within what may be.
    pub(super) async fn take(&self, units: f64) {
        let wait = self.wait(units);
        if wait > 0.0 {
            tokio::time::sleep(Duration::from_secs_f64(wait)).await;
        }
    }

    /// So many seconds it is ahead.
    fn wait(&self, units: f64) -> f64 {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken += units;
        (*taken / self.units_a_second - self.began.elapsed_seconds()).clamp(0.0, 3_600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_ahead_of_its_time_is_waited_for() {
        let pace = Pace::new(10);
        let wait = pace.wait(20.0) + pace.wait(5.0);
        // Two seconds, and then two and a half, but for what has passed meanwhile.
        assert!((3.5..=4.5).contains(&wait), "{wait}");
        assert!(Pace::new(1_000_000).wait(1.0) < 0.001);
    }
}
