//! The sweep: what calls leave behind is brought to its end here, off every request's path.
//!
//! It settles calls whose function died, puts rows into the rollups exactly once, raises alerts of budgets, and carries changed
//! limits to the windows that run. It sees to the signing keys, and to files and uploads that have ended, and goes on with migrations. Asked
//! to, it recomputes what a time cost from its rows alone, and migrates. Everything it does may be done twice, cut off anywhere, and done
//! by two at once.

mod alerts;
mod budgets;
mod event;
mod files;
mod finish;
mod keys;
mod logs;
mod lost;
mod migrate;
mod pass;
mod recompute;
mod repair;
mod report;

use gateway::alerts::Alerts;
use gateway::aws::{Aws, AwsError};
use gateway::clock::Clock;
use gateway::config::{Variables, tree};
use gateway::error::Error;
use gateway::migration::{self, Migration};
use gateway::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use event::Command;
use files::Files;
use keys::Keys;
use logs::Logs;

/// So long past its deadline a call's function is surely dead, whatever the clocks say.
const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// With less than this left nothing new is begun: the longest that one step takes while the table is slow.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// What the sweep works with.
pub struct State {
    store: Store,
    alerts: Alerts,
    keys: Keys,
    files: Files,
    logs: Logs,
    migrations: Vec<Migration>,
    /// How long after a call's deadline its record may still come into the invocation log.
    log_grace: SignedDuration,
    retention_days: u32,
    clock: Clock,
}

impl State {
    /// Reads the configuration and builds the clients. Nothing goes out before the first event.
    ///
    /// # Errors
    /// [`AwsError`], naming what is wrong.
    pub fn new(aws: &Aws, variables: &Variables, clock: Clock) -> Result<Self, AwsError> {
        let seconds = tree::INVOCATION_LOG_GRACE_SECONDS.get(variables)?;
        Ok(Self {
            store: Store::new(aws.dynamodb(), variables.table()?),
            alerts: Alerts::new(aws, variables)?,
            keys: Keys::new(aws, variables)?,
            files: Files::new(aws, variables, &clock)?,
            logs: Logs::read(aws, variables)?,
            migrations: migration::all(),
            log_grace: SignedDuration::from_secs(seconds.into()),
            retention_days: tree::USAGE_RETENTION_DAYS.get(variables)?,
            clock,
        })
    }

    /// Does what an event asks for, and tells what was done. A run that ends before `deadline` has not done everything is no
    /// failure: the next one goes on.
    ///
    /// # Errors
    /// [`gateway::error::Kind::InvalidRequest`] for an event that asks for nothing known, [`gateway::error::Kind::Unavailable`] when
    /// the table fails.
    pub async fn handle(&self, event: &Value, deadline: Option<Timestamp>) -> Result<Value, Error> {
        let time = Time {
            clock: &self.clock,
            deadline: deadline.filter(|at| *at > self.clock.now()),
        };
        match Command::read(event)? {
            Command::Sweep { now } => {
                let now = now.unwrap_or_else(|| self.clock.now());
                let report = Box::pin(pass::run(self, now, time)).await?;
                serde_json::to_value(report).map_err(Error::internal)
            }
            Command::Migrate(asked) => Box::pin(migrate::handle(self, &asked, time)).await,
            Command::Recompute { days } => {
                let report = Box::pin(recompute::run(&self.store, &days, time)).await?;
                serde_json::to_value(report).map_err(Error::internal)
            }
        }
    }
}

/// How much time there is.
#[derive(Clone, Copy)]
struct Time<'a> {
    clock: &'a Clock,
    /// When the function is killed, if it is known.
    deadline: Option<Timestamp>,
}

impl Time<'_> {
    /// Whether there is enough for one more step.
    fn is_left(self) -> bool {
        self.deadline.is_none_or(|at| self.clock.now() + MARGIN < at)
    }
}

/// Lambda's deadline, in milliseconds since the Unix epoch.
pub fn deadline(millis: u64) -> Option<Timestamp> {
    i64::try_from(millis)
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
}
