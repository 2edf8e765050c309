//! What environments tell each other of targets that rest, by way of the table. Each environment makes one call at a time on Lambda,
//! and would else learn by a refused call of its own what the others know already.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Models;

/// How often the table is asked.
const ASKED_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// A shorter rest is over before the others would have heard of it.
const WORTH_TELLING: SignedDuration = SignedDuration::from_secs(2);

/// When the table was asked last.
#[derive(Debug, Default)]
pub(super) struct Rests(Mutex<Option<Timestamp>>);

impl Rests {
    /// Learns what others have told. With one target there is nothing to learn.
    pub(super) async fn learn(&self, models: &Models) {
        if models.upstream.targets.len() < 2 || !self.is_due(models.clock.now()) {
            return;
        }
        let told = match models.store.rests().await {
            Ok(told) => told,
            Err(error) => {
                tracing::warn!(error = ?error, "what rests cannot be read");
                return;
            }
        };
        let now = models.clock.now();
        for (name, until) in told {
            let target = models.upstream.targets.iter().position(|target| target.name == name);
            if let Some(target) = target {
                models.upstream.health.told(target, until, now);
            }
        }
    }

    /// Tells the others.
    pub(super) async fn tell(&self, models: &Models, target: usize, until: Timestamp) {
        let worth = until.duration_since(models.clock.now()) >= WORTH_TELLING;
        let Some(target) = models.upstream.targets.get(target) else {
            return;
        };
        tracing::warn!(upstream = target.name, until = %until, "a target of model calls rests");
        if models.upstream.targets.len() > 1
            && worth
            && let Err(error) = models.store.put_to_rest(&target.name, until).await
        {
            tracing::warn!(error = ?error, "other environments are not told that a target rests");
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let mut asked_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = asked_at.is_none_or(|at| now.duration_since(at).abs() >= ASKED_AFTER);
        if is_due {
            *asked_at = Some(now);
        }
        is_due
    }
}
