//! Migrations: what an operator asks for, and what a run of the schedule goes on with.

use gateway::error::Error;
use gateway::migration::{Limit, Looked, Migration, Migrator, Outcome, Report, Wish, Worked};
use gateway::shutdown;
use gateway::store::Way;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{State, Time};

/// With less than this left of a function's time a migration stops: a write and the giving back of the lease take less.
const MARGIN: SignedDuration = SignedDuration::from_secs(15);
/// So long after the death of whoever works another takes over.
const DEFAULT_LEASE_SECONDS: u32 = 30;
/// What a table on demand serves beside its other load without being felt.
const DEFAULT_RATE: u32 = 500;
const DEFAULT_SEGMENTS: u16 = 8;
/// Longer than an environment knows the ledger for, and than a write takes.
const DEFAULT_SETTLE_SECONDS: u32 = 30;

/// `{"command": "migrate", "action": …}` and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    action: Action,
    /// Which migration.
    #[serde(default)]
    id: Option<String>,
    /// Who asks.
    #[serde(default)]
    by: Option<String>,
    /// Whether only to tell what would be changed.
    #[serde(default)]
    dry_run: bool,
    /// Capacity units a second.
    #[serde(default)]
    rate: Option<u32>,
    #[serde(default)]
    segments: Option<u16>,
    #[serde(default)]
    settle_seconds: Option<u32>,
    #[serde(default)]
    lease_seconds: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Status,
    Up,
    Down,
    Continue,
    Verify,
    Contract,
    Schema,
}

impl Asked {
    fn rate(&self) -> u32 {
        self.rate.unwrap_or(DEFAULT_RATE)
    }

    fn wish(&self) -> Wish {
        Wish {
            id: self.id.clone(),
            by: self.by.clone().unwrap_or_else(|| "operator".to_owned()),
            segments: self.segments.unwrap_or(DEFAULT_SEGMENTS),
            rate: self.rate(),
            settle: SignedDuration::from_secs(self.settle_seconds.unwrap_or(DEFAULT_SETTLE_SECONDS).into()),
        }
    }

    fn limit(&self, time: Time<'_>) -> Limit {
        limit(time, self.lease_seconds.unwrap_or(DEFAULT_LEASE_SECONDS))
    }
}

fn limit(time: Time<'_>, lease_seconds: u32) -> Limit {
    Limit {
        until: until(time),
        lease: SignedDuration::from_secs(lease_seconds.max(1).into()),
    }
}

fn until(time: Time<'_>) -> Option<Timestamp> {
    time.deadline.map(|at| at - MARGIN)
}

/// Does what is asked for, as far as there is time, and tells how far it is.
pub(crate) async fn handle(state: &State, asked: &Asked, time: Time<'_>) -> Result<Value, Error> {
    let migrator = migrator(state, time);
    match asked.action {
        Action::Status => told(&json!({ "outcome": "done", "migrations": migrator.status().await? })),
        Action::Schema => {
            let faults = state.store.schema_faults().await?;
            told(&json!({ "outcome": "done", "schema": faults }))
        }
        Action::Verify => {
            let id = migration(state, asked, Way::Down)?.id;
            looked(&migrator.verify(id, asked.rate(), until(time)).await?)
        }
        Action::Contract => {
            let id = migration(state, asked, Way::Up)?.id;
            told(&migrator.contract(id, &asked.wish(), until(time)).await?)
        }
        Action::Up => go(&migrator, Way::Up, asked, time).await,
        Action::Down => go(&migrator, Way::Down, asked, time).await,
        Action::Continue => advanced(&migrator, asked, time).await,
    }
}

/// Goes on with a migration that is under way, as the schedule does. Whether anything was.
pub(crate) async fn go_on(state: &State, time: Time<'_>) -> Result<bool, Error> {
    let limit = limit(time, DEFAULT_LEASE_SECONDS);
    let worked = Box::pin(migrator(state, time).advance(limit, shutdown::begun())).await?;
    Ok(worked != Worked::Idle)
}

fn migrator<'a>(state: &'a State, time: Time<'a>) -> Migrator<'a> {
    Migrator {
        store: &state.store,
        clock: time.clock,
        migrations: &state.migrations,
    }
}

async fn go(migrator: &Migrator<'_>, way: Way, asked: &Asked, time: Time<'_>) -> Result<Value, Error> {
    if asked.dry_run {
        let migration = named(migrator.migrations, asked, way)?;
        return looked(&migrator.look(migration, way, asked.rate(), until(time)).await?);
    }
    let report = migrator.start(way, &asked.wish()).await?;
    match report.outcome {
        Outcome::Continues => advanced(migrator, asked, time).await,
        _ => told(&report),
    }
}

async fn advanced(migrator: &Migrator<'_>, asked: &Asked, time: Time<'_>) -> Result<Value, Error> {
    let outcome = match Box::pin(migrator.advance(asked.limit(time), shutdown::begun())).await? {
        Worked::Idle => Outcome::Done,
        Worked::Came(outcome) => outcome,
    };
    let migrations = migrator.status().await?;
    told(&Report { outcome, migrations })
}

/// The migration that is named; else the first, or the last.
fn migration<'a>(state: &'a State, asked: &Asked, way: Way) -> Result<&'a Migration, Error> {
    named(&state.migrations, asked, way)
}

fn named<'a>(all: &'a [Migration], asked: &Asked, way: Way) -> Result<&'a Migration, Error> {
    let found = match (&asked.id, way) {
        (Some(id), _) => all.iter().find(|migration| migration.id == id),
        (None, Way::Up) => all.first(),
        (None, Way::Down) => all.last(),
    };
    found.ok_or_else(|| Error::not_found("migration"))
}

fn looked(looked: &Looked) -> Result<Value, Error> {
    let outcome = if looked.complete { "done" } else { "continues" };
    told(&json!({ "outcome": outcome, "looked": looked, "clean": looked.is_clean() }))
}

fn told(report: &impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(report).map_err(Error::internal)
}
