//! What is told of migrations.

use jiff::Timestamp;
use serde::Serialize;

use super::{Migration, Migrator};
use crate::error::Error;
use crate::store::{Change, Counts, Ledger, Pass, Phase};

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// All that was asked for is done.
    Done,
    /// It goes on with the next run.
    Continues,
    /// Somebody else is at work, and was asked to give way.
    Busy {
        /// Who.
        holder: String,
        /// Until when at the most, if they are dead.
        until: Timestamp,
    },
    /// It is not to be done.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What is told of a command.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How far the migrations are now.
    pub migrations: Vec<Status>,
}

/// How far a migration is.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Its name.
    pub id: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// How far it is.
    pub phase: Phase,
    /// The pass that is under way.
    pub pass: Option<Pass>,
    /// Before this time it does not scan.
    pub scan_from: Option<Timestamp>,
    /// How many segments of that pass are at their end, and of how many.
    pub segments: Option<(u16, u16)>,
    /// What that pass, or the last one that converted, has counted.
    pub counts: Option<Counts>,
    /// What the verification has counted.
    pub verified: Option<Counts>,
    /// Converted items that are not there any more.
    pub gone: u64,
    /// The first things that are wrong.
    pub faults: Vec<String>,
    /// Who has changed what, and when.
    pub changes: Vec<Change>,
}

impl Status {
    /// Whether it is where it was to be, and nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.phase.way().is_none() && self.faults.is_empty()
    }
}

impl Migrator<'_> {
    /// How far the migrations are.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn status(&self) -> Result<Vec<Status>, Error> {
        let ledgers = self.store.migrations().await?;
        let mut all = Vec::with_capacity(self.migrations.len());
        for migration in self.migrations {
            let ledger = ledgers.iter().find(|ledger| ledger.id == migration.id);
            all.push(self.of(migration, ledger.cloned().unwrap_or_default()).await?);
        }
        Ok(all)
    }

    /// The same, with what came of a command.
    pub(super) async fn report(&self, outcome: Outcome) -> Result<Report, Error> {
        let migrations = self.status().await?;
        Ok(Report { outcome, migrations })
    }

    async fn of(&self, migration: &Migration, ledger: Ledger) -> Result<Status, Error> {
        let (mut counts, mut faults, mut done) = (Counts::default(), ledger.faults.clone(), 0);
        if ledger.pass.is_some() {
            for number in 0..ledger.segments {
                let segment = self.store.segment(&ledger, number).await?;
                counts.add(&segment.counts);
                faults.extend(segment.faults);
                done += u16::from(segment.done);
            }
        }
        Ok(Status {
            id: migration.id,
            about: migration.about,
            phase: ledger.phase,
            scan_from: ledger.pass.and(ledger.scan_from),
            segments: ledger.pass.map(|_| (done, ledger.segments)),
            counts: ledger.pass.map_or(ledger.counts, |_| Some(counts)),
            pass: ledger.pass,
            verified: ledger.verified,
            gone: ledger.gone,
            faults,
            changes: ledger.changes,
        })
    }
}
