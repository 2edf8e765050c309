//! What an operator asks for: up, down, contract.

use jiff::SignedDuration;

use super::{Migration, Migrator, Outcome, Report};
use crate::error::Error;
use crate::random;
use crate::store::{Change, Lease, LeaseClaim, Ledger, Pass, PassKind, Phase, Way};

/// For a command the lease is taken so long.
const MOMENT: SignedDuration = SignedDuration::from_secs(15);
/// So much of its history a migration keeps.
const MOST_CHANGES: usize = 100;

/// How it is to be done.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which one; without it the next one up, or the last one down.
    pub id: Option<String>,
    /// Who asks for it.
    pub by: String,
    /// In how many segments the table is scanned.
    pub segments: u16,
    /// The capacity units a second that it may take.
    pub rate: u32,
    /// How long it waits before it scans, so that every environment writes in the wanted form.
    pub settle: SignedDuration,
}

/// Why something is not to be done.
type Refusal = String;

impl Migrator<'_> {
    /// Sets a migration on its way, up or down: from now on items are written in the wanted form. One that is on its other way turns
    /// round. [`Migrator::advance`] does the rest.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn start(&self, way: Way, wish: &Wish) -> Result<Report, Error> {
        if way == Way::Up {
            let faults = self.store.schema_faults().await?;
            if !faults.is_empty() {
                // Nothing more is asked of such a table.
                return Ok(Report {
                    outcome: refused(format!("the table is not as it must be: {}", faults.join("; "))),
                    migrations: Vec::new(),
                });
            }
        }
        let lease = match self.lease().await? {
            Ok(lease) => lease,
            Err(busy) => return self.report(busy).await,
        };
        let outcome = self.set_out(way, wish).await;
        self.store.give_lease_back(&lease).await?;
        self.report(outcome?).await
    }

    async fn set_out(&self, way: Way, wish: &Wish) -> Result<Outcome, Error> {
        let ledgers = self.store.migrations().await?;
        let migration = match self.chosen(way, wish, &ledgers) {
            Ok(Some(migration)) => migration,
            Ok(None) => return Ok(Outcome::Done),
            Err(reason) => return Ok(refused(reason)),
        };
        let checksum = migration.checksum()?;
        let known = ledgers.into_iter().find(|ledger| ledger.id == migration.id);
        let mut ledger = known.unwrap_or_else(|| Ledger {
            id: migration.id.to_owned(),
            checksum: checksum.clone(),
            ..Ledger::default()
        });
        if ledger.checksum != checksum {
            return Ok(refused(format!(
                "{} is not the migration that the table knows by this name",
                ledger.id
            )));
        }
        if ledger.phase.way() == Some(way) {
            return Ok(Outcome::Continues);
        }
        let phase = match way {
            Way::Up => Phase::Rising,
            Way::Down => Phase::Falling,
        };
        self.begin(&mut ledger, phase, wish);
        self.write(&mut ledger).await?;
        Ok(Outcome::Continues)
    }

    fn begin(&self, ledger: &mut Ledger, phase: Phase, wish: &Wish) {
        let now = self.clock.now();
        ledger.run += 1;
        ledger.pass = Some(Pass {
            kind: PassKind::Convert,
            number: 1,
        });
        ledger.scan_from = Some(now + wish.settle);
        ledger.segments = wish.segments.clamp(1, 256);
        ledger.rate = wish.rate;
        ledger.counts = None;
        ledger.verified = None;
        ledger.gone = 0;
        ledger.faults.clear();
        self.note(ledger, phase, &wish.by);
    }

    fn note(&self, ledger: &mut Ledger, phase: Phase, by: &str) {
        ledger.phase = phase;
        ledger.changes.push(Change {
            at: self.clock.now(),
            by: by.to_owned(),
            phase,
        });
        let surplus = ledger.changes.len().saturating_sub(MOST_CHANGES);
        ledger.changes.drain(..surplus);
    }

    /// Which migration is meant; none where all are there already. They go up in their order, and down in the reverse.
    fn chosen(&self, way: Way, wish: &Wish, ledgers: &[Ledger]) -> Result<Option<&Migration>, Refusal> {
        let phase = |migration: &Migration| {
            let ledger = ledgers.iter().find(|ledger| ledger.id == migration.id);
            ledger.map_or(Phase::Pending, |ledger| ledger.phase)
        };
        let is_there = |migration: &Migration| match way {
            Way::Up => matches!(phase(migration), Phase::Raised | Phase::Contracted),
            Way::Down => matches!(phase(migration), Phase::Pending | Phase::Lowered | Phase::Contracted),
        };
        let mut order: Vec<&Migration> = self.migrations.iter().collect();
        if way == Way::Down {
            order.reverse();
        }
        let next = order.iter().find(|migration| !is_there(migration)).copied();
        if let Some(other) = order.iter().find(|it| phase(it).way().is_some())
            && next.is_none_or(|next| next.id != other.id)
        {
            return Err(format!("{} is under way", other.id));
        }
        let Some(id) = &wish.id else { return Ok(next) };
        let meant = order.into_iter().find(|migration| migration.id == id);
        let meant = meant.ok_or_else(|| format!("there is no migration {id}"))?;
        if way == Way::Down && phase(meant) == Phase::Contracted {
            return Err(format!("{id} is contracted: there is no way back"));
        }
        match next {
            _ if is_there(meant) => Ok(None),
            Some(next) if next.id != meant.id => Err(format!("{} comes first", next.id)),
            _ => Ok(Some(meant)),
        }
    }

    /// Closes a migration: nothing is in the old form any more, and nobody goes back. Every item is looked at before.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]; [`crate::error::Kind::NotFound`] where there is no such migration.
    pub async fn contract(&self, id: &str, wish: &Wish, until: Option<jiff::Timestamp>) -> Result<Report, Error> {
        let looked = self.verify(id, wish.rate, until).await?;
        let lease = match self.lease().await? {
            Ok(lease) => lease,
            Err(busy) => return self.report(busy).await,
        };
        let ledgers = self.store.migrations().await?;
        let ledger = ledgers.into_iter().find(|ledger| ledger.id == id).unwrap_or_default();
        let outcome = match ledger.phase {
            Phase::Contracted => Ok(Outcome::Done),
            Phase::Raised if looked.complete && looked.counts.missed == 0 && looked.counts.wrong == 0 => {
                let mut ledger = ledger;
                self.note(&mut ledger, Phase::Contracted, &wish.by);
                self.write(&mut ledger).await.map(|()| Outcome::Done)
            }
            Phase::Raised => Ok(refused(format!(
                "not every item is as it must be: {}",
                told(&looked.faults)
            ))),
            _ => Ok(refused(format!("{id} is not raised"))),
        };
        self.store.give_lease_back(&lease).await?;
        self.report(outcome?).await
    }

    /// The lease for a moment; or who has it, who is asked to give way.
    async fn lease(&self) -> Result<Result<Lease, Outcome>, Error> {
        let now = self.clock.now();
        let holder = random::identifier("migration")?;
        match self.store.take_lease(&holder, now, now + MOMENT).await? {
            LeaseClaim::Taken(lease) => Ok(Ok(lease)),
            LeaseClaim::Busy { holder, until } => {
                self.store.ask_for_lease().await?;
                Ok(Err(Outcome::Busy { holder, until }))
            }
        }
    }

    pub(super) async fn write(&self, ledger: &mut Ledger) -> Result<(), Error> {
        if self.store.write_migration(ledger).await? {
            return Ok(());
        }
        Err(Error::unavailable("the ledger of migrations was changed by another"))
    }
}

fn refused(reason: String) -> Outcome {
    Outcome::Refused { reason }
}

fn told(faults: &[String]) -> String {
    match faults {
        [] => "some are in the old form, or there was no time to look at all".to_owned(),
        faults => faults.join("; "),
    }
}
