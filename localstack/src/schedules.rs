//! EventBridge, as far as a template's schedules need it: functions invoked every so often.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::gateway::Log;
use crate::lambda::Lambda;
use crate::template::{ACCOUNT_ID, REGION, Schedule, Scheduler};

/// Starts all schedules, each with its own period or, if given, with this one; zero seconds start none. The first
/// invocation comes when a period has passed.
pub(crate) fn start(
    schedules: &[Schedule],
    period_seconds: Option<u64>,
    lambda: &Lambda,
    log: &Log,
) -> Vec<JoinHandle<()>> {
    let started = |schedule: &Schedule| {
        let period = period(schedule, period_seconds)?;
        Some(tokio::spawn(run(schedule.clone(), period, lambda.clone(), log.clone())))
    };
    schedules.iter().filter_map(started).collect()
}

fn period(schedule: &Schedule, in_its_place: Option<u64>) -> Option<Duration> {
    let seconds = in_its_place.unwrap_or(schedule.period_seconds);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

async fn run(schedule: Schedule, period: Duration, lambda: Lambda, log: Log) {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // An invocation that takes longer than a period does not keep the next one waiting, here as on AWS.
    let mut invocations = JoinSet::new();
    loop {
        ticks.tick().await;
        while invocations.try_join_next().is_some() {}
        invocations.spawn(invoke(schedule.clone(), lambda.clone(), log.clone()));
    }
}

async fn invoke(schedule: Schedule, lambda: Lambda, log: Log) {
    let id = uuid::Uuid::new_v4().to_string();
    let event = match &schedule.input {
        Some(input) => input.clone(),
        None => event(&schedule, &id, Timestamp::now()).to_string(),
    };
    let problem = match lambda.invoke(&schedule.function, Bytes::from(event)).await {
        Ok(mut answer) => loop {
            match answer.body.next().await {
                Some(Ok(_)) => {}
                Some(Err(failure)) => break Some(failure.message()),
                None => break None,
            }
        },
        Err(failure) => Some(failure.message()),
    };
    log.scheduled(&id, &schedule.name, problem.as_deref());
}

/// The event as the two services make it where the schedule names no input. Scheduler's `detail` is text.
fn event(schedule: &Schedule, id: &str, now: Timestamp) -> Value {
    let (source, detail) = match schedule.scheduler {
        Scheduler::Rule => ("aws.events", json!({})),
        Scheduler::Scheduler => ("aws.scheduler", json!("{}")),
    };
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Scheduled Event",
        "source": source,
        "account": ACCOUNT_ID,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": REGION,
        "resources": [schedule.arn()],
        "detail": detail,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn schedule(scheduler: Scheduler) -> Schedule {
        Schedule {
            name: "tollgate-SweepFunctionRegularly".to_owned(),
            function: "sweep".to_owned(),
            period_seconds: 300,
            input: None,
            scheduler,
        }
    }

    #[test]
    fn a_period_given_takes_the_place_of_the_schedules_own_and_zero_is_never() {
        let schedule = schedule(Scheduler::Rule);
        assert_eq!(period(&schedule, None), Some(Duration::from_secs(300)));
        assert_eq!(period(&schedule, Some(2)), Some(Duration::from_secs(2)));
        assert_eq!(period(&schedule, Some(0)), None);
    }

    #[test]
    fn a_rules_event_and_a_schedulers_are_aws() {
        let now = "2026-11-25T13:00:00.9Z".parse().unwrap();
        let rule = json!({
            "version": "0", "id": "i", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "000000000000", "time": "2026-11-25T13:00:00Z", "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:000000000000:rule/tollgate-SweepFunctionRegularly"], "detail": {},
        });
        assert_eq!(event(&schedule(Scheduler::Rule), "i", now), rule);
        let other = event(&schedule(Scheduler::Scheduler), "i", now);
        assert_eq!(
            (&other["source"], &other["detail"]),
            (&json!("aws.scheduler"), &json!("{}"))
        );
        let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/tollgate-SweepFunctionRegularly";
        assert_eq!(other["resources"], json!([arn]));
    }
}
