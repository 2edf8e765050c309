//! The work of a migration that is under way: pass after pass over the table, a page after the other in every segment.
//!
//! A page is converted, and then the place behind it is written down with what was counted until there. Whoever is cut off between the
//! two leaves a page that is gone through again, where all that is converted already counts as such. So it may be cut off anywhere, and
//! is, when its time is up, when somebody asks for the lease, or when the function ends.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};

use super::pace::Pace;
use super::{Migration, Migrator, Outcome};
use crate::error::Error;
use crate::random;
use crate::store::{Converted, Counts, Item, Lease, LeaseClaim, Ledger, Pass, PassKind, Phase, ScanPage, Segment, Way};

/// So many items of a segment are read at once.
pub(super) const PAGE: u16 = 250;
/// So many segments are worked on at once.
pub(super) const SEGMENTS_AT_ONCE: usize = 4;
/// So many items of a page are written at once.
const WRITES_AT_ONCE: usize = 8;
/// So much of what is wrong is told.
pub(super) const MOST_FAULTS: usize = 20;
/// As many were converted and are there, but others.
pub(super) const OTHERS: &str = "the converted items that are there are not those that were converted";

/// How long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Until when.
    pub until: Option<Timestamp>,
    /// So long after the death of whoever works, another may. It is renewed three times as often.
    pub lease: SignedDuration,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Worked {
    /// Nothing was under way.
    Idle,
    /// It came to this.
    Came(Outcome),
}

/// What a run has in its hands.
struct Work<'a> {
    migration: &'a Migration,
    way: Way,
    lease: &'a Lease,
    pace: &'a Pace,
}

/// Why a run stopped before the end.
enum Cut {
    TimeIsUp,
    LeaseIsWanted,
}

impl Migrator<'_> {
    /// Goes on with what is under way until it is done, `limit` is reached, or `stop` is ready.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] when the table fails for longer than a moment: the next run goes on.
    pub async fn advance(&self, limit: Limit, stop: impl Future<Output = ()>) -> Result<Worked, Error> {
        if self.under_way().await?.is_none() {
            return Ok(Worked::Idle);
        }
        let now = self.clock.now();
        let holder = random::identifier("migration")?;
        let lease = match self.store.take_lease(&holder, now, now + limit.lease).await? {
            LeaseClaim::Taken(lease) => lease,
            LeaseClaim::Busy { holder, until } => return Ok(Worked::Came(Outcome::Busy { holder, until })),
        };
        let outcome = tokio::select! {
            worked = self.work(&lease) => worked.map(|()| Outcome::Done),
            cut = self.keep(&lease, limit) => {
                self.tell_cut(&cut);
                Ok(Outcome::Continues)
            }
            () = stop => Ok(Outcome::Continues),
        };
        let given_back = self.store.give_lease_back(&lease).await;
        let outcome = outcome?;
        given_back?;
        Ok(Worked::Came(outcome))
    }

    fn tell_cut(&self, cut: &Cut) {
        match cut {
            Cut::TimeIsUp => tracing::info!("the time for a migration is up"),
            Cut::LeaseIsWanted => tracing::info!("a migration gives way"),
        }
    }

    /// What is under way.
    async fn under_way(&self) -> Result<Option<(&Migration, Ledger, Way)>, Error> {
        let ledgers = self.store.migrations().await?;
        let found = ledgers.into_iter().find_map(|ledger| {
            let way = ledger.phase.way()?;
            Some((self.named(&ledger.id)?, ledger, way))
        });
        Ok(found)
    }

    /// Keeps the lease; returns when that is no longer right.
    async fn keep(&self, lease: &Lease, limit: Limit) -> Cut {
        let mut held_until = self.clock.now() + limit.lease;
        loop {
            let pause = Duration::try_from(limit.lease / 3).unwrap_or_default();
            let left = limit.until.map(|until| until.duration_since(self.clock.now()));
            let left = left.map(|left| Duration::try_from(left).unwrap_or_default());
            tokio::time::sleep(left.map_or(pause, |left| left.min(pause))).await;
            let now = self.clock.now();
            if limit.until.is_some_and(|until| now >= until) {
                return Cut::TimeIsUp;
            }
            match self.store.keep_lease(lease, now + limit.lease).await {
                Ok(true) => held_until = now + limit.lease,
                // A table that is down for a moment may yet answer before the lease ends.
                Err(_) if now < held_until => {}
                Ok(false) | Err(_) => return Cut::LeaseIsWanted,
            }
        }
    }

    async fn work(&self, lease: &Lease) -> Result<(), Error> {
        // Once more, now that nobody else changes it.
        let Some((migration, mut ledger, way)) = self.under_way().await? else {
            return Ok(());
        };
        if ledger.checksum != migration.checksum()? {
            return Err(Error::internal("a migration under way is not the one that began"));
        }
        let settled = ledger.scan_from.map(|at| at.duration_since(self.clock.now()));
        if let Some(Ok(wait)) = settled.map(Duration::try_from) {
            tokio::time::sleep(wait).await;
        }
        let pace = Pace::new(ledger.rate);
        let work = Work {
            migration,
            way,
            lease,
            pace: &pace,
        };
        while let Some(pass) = ledger.pass {
            let (counts, faults) = self.pass(&work, &ledger, pass).await?;
            conclude(&mut ledger, way, pass, counts, faults);
            self.write(&mut ledger).await?;
            tracing::info!(id = ledger.id, pass = ?pass, counts = ?counts, phase = ?ledger.phase, "a pass of a migration ended");
        }
        Ok(())
    }

    async fn pass(&self, work: &Work<'_>, ledger: &Ledger, pass: Pass) -> Result<(Counts, Vec<String>), Error> {
        let segments = (0..ledger.segments).map(|number| self.segment(work, ledger, pass, number));
        let segments: Vec<Segment> = futures_util::stream::iter(segments)
            .buffer_unordered(SEGMENTS_AT_ONCE)
            .try_collect()
            .await?;
        let (mut counts, mut faults) = (Counts::default(), Vec::new());
        for segment in segments {
            counts.add(&segment.counts);
            faults.extend(segment.faults);
        }
        faults.truncate(MOST_FAULTS);
        Ok((counts, faults))
    }

    async fn segment(&self, work: &Work<'_>, ledger: &Ledger, pass: Pass, number: u16) -> Result<Segment, Error> {
        let overtaken = || Error::unavailable("another has taken this migration over");
        let mut segment = self.store.segment(ledger, number).await?;
        if segment.fence > work.lease.fence {
            return Err(overtaken());
        }
        segment.fence = work.lease.fence;
        while !segment.done {
            let (conversion, place) = (&work.migration.conversion, segment.place.as_ref());
            let which = (number, ledger.segments);
            let page = self.store.scan_items(conversion, which, place, PAGE).await?;
            work.pace.take(page.units).await;
            self.page(work, pass, &page.items, &mut segment).await?;
            segment.place = page.next;
            segment.done = segment.place.is_none();
            let now = self.clock.now();
            if !self.store.write_segment(ledger, number, &segment, now).await? {
                return Err(overtaken());
            }
        }
        Ok(segment)
    }

    async fn page(&self, work: &Work<'_>, pass: Pass, items: &[Item], segment: &mut Segment) -> Result<(), Error> {
        let (conversion, way) = (&work.migration.conversion, work.way);
        if pass.kind == PassKind::Verify {
            for item in items {
                count(segment, item, &conversion.judge(way, item));
            }
            return Ok(());
        }
        let convert = |item| async move {
            let (outcome, units) = self.store.convert(conversion, way, item).await?;
            if units > 0.0 {
                work.pace.take(units).await;
            }
            Ok::<_, Error>((item, outcome))
        };
        let converted: Vec<_> = futures_util::stream::iter(items.iter().map(convert))
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect()
            .await?;
        for (item, outcome) in &converted {
            count(segment, item, outcome);
        }
        metrics::counter!("migrated_items_total").increment(converted.len() as u64);
        Ok(())
    }
}

/// Counts what was seen of an item.
pub(super) fn count(segment: &mut Segment, item: &Item, outcome: &Converted) {
    let counts = &mut segment.counts;
    counts.items += u64::from(*outcome != Converted::Gone);
    match outcome {
        Converted::There(Some(mark)) => {
            counts.converted += 1;
            counts.checksum ^= mark;
        }
        Converted::There(None) => counts.native += 1,
        Converted::ToDo(..) => counts.missed += 1,
        Converted::Other => counts.other += 1,
        Converted::Gone => {}
        Converted::Wrong(reason) => {
            counts.wrong += 1;
            if segment.faults.len() < MOST_FAULTS {
                segment.faults.push(format!("{}: {reason}", ScanPage::named(item)));
            }
        }
    }
}

/// What follows a pass: one that converts is verified, and what the verification finds in the form that is to go is converted in
/// another pass. What is wrong cannot be mended here; it is told, and readers understand both forms.
fn conclude(ledger: &mut Ledger, way: Way, pass: Pass, counts: Counts, faults: Vec<String>) {
    let next = |kind| Pass {
        kind,
        number: pass.number + 1,
    };
    match pass.kind {
        PassKind::Convert => {
            ledger.counts = Some(counts);
            ledger.pass = Some(next(PassKind::Verify));
        }
        PassKind::Verify if counts.missed > 0 => ledger.pass = Some(next(PassKind::Convert)),
        PassKind::Verify => {
            let before = ledger.counts.unwrap_or_default();
            ledger.faults = faults;
            ledger.verified = Some(counts);
            ledger.gone = match way {
                Way::Up => before.converted.saturating_sub(counts.converted),
                Way::Down => 0,
            };
            if way == Way::Up && before.converted == counts.converted && before.checksum != counts.checksum {
                ledger.faults.push(OTHERS.to_owned());
            }
            ledger.pass = None;
            ledger.scan_from = None;
            ledger.phase = match way {
                Way::Up => Phase::Raised,
                Way::Down => Phase::Lowered,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(converted: u64, missed: u64, checksum: u64) -> Counts {
        Counts {
            items: converted + missed,
            converted,
            missed,
            checksum,
            ..Counts::default()
        }
    }

    fn after(first: Counts, verified: Counts) -> Ledger {
        let mut ledger = Ledger {
            phase: Phase::Rising,
            pass: Some(Pass {
                kind: PassKind::Convert,
                number: 1,
            }),
            ..Ledger::default()
        };
        for counts in [first, verified] {
            let pass = ledger.pass.unwrap();
            conclude(&mut ledger, Way::Up, pass, counts, Vec::new());
        }
        ledger
    }

    ///
    #[test]
    fn what_the_verification_finds_missed_is_converted_in_another_pass() {
        let ledger = after(counts(10, 0, 5), counts(10, 1, 5));
        let next = ledger.pass.unwrap();
        assert_eq!(
            (ledger.phase, next.kind, next.number),
            (Phase::Rising, PassKind::Convert, 3)
        );
    }

    ///
    #[test]
    fn counts_and_checksum_tell_what_is_gone_and_what_was_exchanged() {
        let sound = after(counts(10, 0, 5), counts(10, 0, 5));
        assert_eq!((sound.phase, sound.gone, sound.faults.len()), (Phase::Raised, 0, 0));
        let gone = after(counts(10, 0, 5), counts(8, 0, 4));
        assert_eq!((gone.phase, gone.gone, gone.faults.len()), (Phase::Raised, 2, 0));
        let exchanged = after(counts(10, 0, 5), counts(10, 0, 6));
        assert_eq!(exchanged.faults, [OTHERS]);
    }
}
