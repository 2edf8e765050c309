//! The planner of tokens a minute. Bedrock takes a call's whole prompt and its `max_tokens` from the quota when it begins, and gives
//! back in the end what it did not use (Amazon Bedrock user guide, "How tokens are counted"), so a target may refuse calls though
//! few tokens were used. Where a target's quota is configured, a call takes its room in the table first, in the item of the target and
//! minute, which all environments share; it goes elsewhere where that is full.
//!
//! A Lambda environment makes one call at a time, so memory would tell it nothing of the others: one write a call is the price, for
//! targets with a quota alone. Minutes are those of the clock, which Bedrock's need not be. The plan is no promise: where the table
//! does not answer, the call goes out.

use jiff::{SignedDuration, Timestamp};

use super::Models;
use crate::store::{Room, Taking};
use crate::usage::Usage;

/// What a call has taken of a target in a minute.
#[derive(Clone, Debug)]
pub(super) struct Taken(Option<Part>);

#[derive(Clone, Debug)]
struct Part {
    target: usize,
    minute: Timestamp,
    tokens: u64,
}

impl Taken {
    /// Takes room for a call of so many tokens; none where the target has too little.
    pub(super) async fn of(models: &Models, target: usize, tokens: u64) -> Option<Self> {
        let Some(known) = models.upstream.targets.get(target).filter(|it| it.quota.is_limited()) else {
            return Some(Self(None));
        };
        let minute = minute_of(models.clock.now());
        let taking = Taking {
            target: &known.name,
            minute,
            tokens,
            most_tokens: known.quota.tokens,
            most_requests: known.quota.requests,
        };
        match models.store.take_room(&taking).await {
            Ok(Room::Taken) => Some(Self(Some(Part { target, minute, tokens }))),
            Ok(Room::Full) => {
                metrics::counter!("upstream_full_total").increment(1);
                None
            }
            Err(error) => {
                tracing::warn!(error = ?error, "the quota of a target cannot be planned");
                Some(Self(None))
            }
        }
    }

    /// The call was refused, and Bedrock has taken nothing.
    pub(super) async fn give_back(self, models: &Models) {
        if let Self(Some(part)) = self {
            part.change(models, 0, -1).await;
        }
    }

    /// The call has used this. What it did not use is free again, if its minute is not over.
    pub(super) async fn used(self, models: &Models, usage: &Usage) {
        let Self(Some(part)) = self else { return };
        if minute_of(models.clock.now()) != part.minute {
            return;
        }
        let burndown = models
            .upstream
            .targets
            .get(part.target)
            .map_or(1, |it| it.quota.burndown);
        let output = usage.output_tokens.as_u64().saturating_mul(burndown.into());
        let prompt = usage.prompt_tokens().as_u64();
        let used = prompt.saturating_sub(usage.cache_read_input_tokens.as_u64());
        part.change(models, used.saturating_add(output), 0).await;
    }
}

impl Part {
    async fn change(self, models: &Models, used: u64, requests: i64) {
        let Some(target) = models.upstream.targets.get(self.target) else {
            return;
        };
        let number = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        let tokens = number(used).saturating_sub(number(self.tokens));
        let changed = models.store.change_room(&target.name, self.minute, tokens, requests);
        if let Err(error) = changed.await {
            tracing::warn!(error = ?error, "the quota of a target cannot be planned");
        }
    }
}

fn minute_of(at: Timestamp) -> Timestamp {
    let second = at.as_second() - at.as_second().rem_euclid(60);
    Timestamp::from_second(second).unwrap_or(at)
}

/// When the next minute begins, in whole seconds, at least one.
pub(super) fn seconds_to_next_minute(now: Timestamp) -> u32 {
    let next = minute_of(now) + SignedDuration::from_secs(60);
    let millis = next.as_millisecond() - now.as_millisecond();
    u32::try_from((millis + 999) / 1_000).unwrap_or(60).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_the_clocks() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        assert_eq!(minute_of(at("2026-11-26T00:59:59.999Z")), at("2026-11-26T00:59:00Z"));
        for (now, seconds) in [("00:59:59.999Z", 1), ("00:59:00Z", 60), ("00:59:30.5Z", 30)] {
            assert_eq!(
                seconds_to_next_minute(at(&format!("2026-11-26T{now}"))),
                seconds,
                "{now}"
            );
        }
    }
}
