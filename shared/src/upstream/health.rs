//! Which targets rest because they were throttled or failed.
//!
//! A rest is as long as Bedrock said, or grows from failure to failure. When it is over the target is half open: one call is let
//! through to see, and the others go elsewhere until that one has been answered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How long the call that is let through may take until another one is.
const TRIAL: SignedDuration = SignedDuration::from_secs(30);

/// How long targets rest.
#[derive(Clone, Copy, Debug)]
pub struct Rests {
    /// After the first failure.
    pub first: SignedDuration,
    /// However often it has failed, and whatever Bedrock said.
    pub longest: SignedDuration,
}

/// Whether a target may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It may.
    Well,
    /// It may be asked by one call, to see whether it is well again.
    HalfOpen,
    /// It rests until then.
    Resting(Timestamp),
}

/// How the targets are, by their place in the configuration.
#[derive(Debug)]
pub struct Health {
    rests: Rests,
    targets: Mutex<Vec<Condition>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    /// Failures in a row.
    failures: u32,
    rests_until: Option<Timestamp>,
    /// Since when a call is under way that is to see.
    tried_at: Option<Timestamp>,
}

impl Health {
    /// So many targets, all well.
    pub fn new(targets: usize, rests: Rests) -> Self {
        Self {
            rests,
            targets: Mutex::new(vec![Condition::default(); targets]),
        }
    }

    /// How a target is.
    pub fn standing(&self, target: usize, now: Timestamp) -> Standing {
        self.lock()
            .get(target)
            .map_or(Standing::Well, |condition| condition.standing(now))
    }

    /// A call is about to go to a target: if that is half open, it is the one that is to see.
    pub fn asked(&self, target: usize, now: Timestamp) {
        if let Some(condition) = self.lock().get_mut(target)
            && condition.standing(now) == Standing::HalfOpen
        {
            condition.tried_at = Some(now);
        }
    }

    /// A target has answered.
    pub fn well(&self, target: usize) {
        if let Some(condition) = self.lock().get_mut(target) {
            *condition = Condition::default();
        }
    }

    /// A target was throttled or failed. Gives the end of its rest.
    pub fn failed(&self, target: usize, now: Timestamp, told_seconds: Option<u32>) -> Timestamp {
        let mut targets = self.lock();
        let Some(condition) = targets.get_mut(target) else {
            return now;
        };
        let grown = self.rests.first * 2_i32.saturating_pow(condition.failures.min(12));
        let told = told_seconds.map(|seconds| SignedDuration::from_secs(seconds.into()));
        let until = now + told.unwrap_or(grown).min(self.rests.longest);
        *condition = Condition {
            failures: condition.failures.saturating_add(1),
            rests_until: Some(until),
            tried_at: None,
        };
        until
    }

    /// Another environment has put a target to rest. Gives whether that was news.
    pub fn told(&self, target: usize, until: Timestamp, now: Timestamp) -> bool {
        let until = until.min(now + self.rests.longest);
        let mut targets = self.lock();
        let Some(condition) = targets.get_mut(target) else {
            return false;
        };
        let is_news = until > now && condition.rests_until.is_none_or(|known| known < until);
        if is_news {
            condition.rests_until = Some(until);
            condition.tried_at = None;
        }
        is_news
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Condition>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition {
    fn standing(&self, now: Timestamp) -> Standing {
        match (self.rests_until, self.tried_at) {
            (None, _) => Standing::Well,
            (Some(until), _) if now < until => Standing::Resting(until),
            (Some(_), Some(tried)) if now.duration_since(tried).abs() < TRIAL => Standing::Resting(tried + TRIAL),
            (Some(_), _) => Standing::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000 + second).unwrap()
    }

    fn health() -> Health {
        let seconds = SignedDuration::from_secs;
        Health::new(
            1,
            Rests {
                first: seconds(2),
                longest: seconds(60),
            },
        )
    }

    #[test]
    fn a_rest_grows_from_failure_to_failure_up_to_a_bound() {
        let health = health();
        let ends: Vec<_> = (0..8)
            .map(|_| health.failed(0, at(0), None).as_second() - 1_000)
            .collect();
        assert_eq!(ends, [2, 4, 8, 16, 32, 60, 60, 60]);
        health.well(0);
        assert_eq!(health.failed(0, at(0), None), at(2), "who has answered begins anew");
    }

    #[test]
    fn a_rest_is_as_long_as_bedrock_said_but_not_longer_than_the_bound() {
        let health = health();
        assert_eq!(health.failed(0, at(0), Some(7)), at(7));
        assert_eq!(health.standing(0, at(6)), Standing::Resting(at(7)));
        assert_eq!(health.failed(0, at(0), Some(4_000)), at(60));
    }

    #[test]
    fn after_its_rest_a_target_is_tried_by_one_call_alone() {
        let health = health();
        health.failed(0, at(0), Some(5));
        assert_eq!(health.standing(0, at(5)), Standing::HalfOpen);
        health.asked(0, at(5));
        assert!(matches!(health.standing(0, at(6)), Standing::Resting(_)));
        health.well(0);
        assert_eq!(health.standing(0, at(6)), Standing::Well);
        health.failed(0, at(10), Some(5));
        health.asked(0, at(15));
        assert_eq!(
            health.standing(0, at(45)),
            Standing::HalfOpen,
            "who was to see has not come back"
        );
    }

    #[test]
    fn what_another_environment_tells_is_news_once() {
        let health = health();
        assert!(health.told(0, at(30), at(0)));
        assert!(!health.told(0, at(30), at(1)));
        assert!(!health.told(0, at(20), at(25)), "it is over");
        assert_eq!(health.standing(0, at(29)), Standing::Resting(at(30)));
    }
}
