//! Looking at every item without changing any: what a migration would do, and whether what it did is still so.

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;

use super::advance::{MOST_FAULTS, PAGE, SEGMENTS_AT_ONCE, count};
use super::pace::Pace;
use super::{Migration, Migrator};
use crate::error::Error;
use crate::store::{Counts, Phase, Segment, Way};

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Looked {
    /// Of which migration.
    pub id: &'static str,
    /// In the form that this leads to all is to be.
    pub way: Way,
    /// What was counted. `missed` are those that would be converted.
    pub counts: Counts,
    /// The first things that are wrong.
    pub faults: Vec<String>,
    /// Whether there was time for all.
    pub complete: bool,
}

impl Looked {
    /// Whether all was looked at and all is in the wanted form.
    pub fn is_clean(&self) -> bool {
        self.complete && self.counts.missed == 0 && self.counts.wrong == 0 && self.faults.is_empty()
    }
}

impl Migrator<'_> {
    /// What going `way` would change, until there is no time left. Nothing is written.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn look(
        &self,
        migration: &Migration,
        way: Way,
        rate: u32,
        until: Option<Timestamp>,
    ) -> Result<Looked, Error> {
        let (pace, segments) = (Pace::new(rate), 8);
        let all = (0..segments).map(|number| self.look_at((migration, way), (number, segments), &pace, until));
        let all: Vec<Segment> = futures_util::stream::iter(all)
            .buffer_unordered(SEGMENTS_AT_ONCE)
            .try_collect()
            .await?;
        let mut looked = Looked {
            id: migration.id,
            way,
            counts: Counts::default(),
            faults: Vec::new(),
            complete: all.iter().all(|segment| segment.done),
        };
        for segment in all {
            looked.counts.add(&segment.counts);
            looked.faults.extend(segment.faults);
        }
        looked.faults.truncate(MOST_FAULTS);
        Ok(looked)
    }

    async fn look_at(
        &self,
        (migration, way): (&Migration, Way),
        which: (u16, u16),
        pace: &Pace,
        until: Option<Timestamp>,
    ) -> Result<Segment, Error> {
        let mut segment = Segment::default();
        while !segment.done && until.is_none_or(|until| self.clock.now() < until) {
            let place = segment.place.as_ref();
            let page = self.store.scan_items(&migration.conversion, which, place, PAGE).await?;
            for item in &page.items {
                count(&mut segment, item, &migration.conversion.judge(way, item));
            }
            segment.place = page.next;
            segment.done = segment.place.is_none();
            pace.take(page.units).await;
        }
        Ok(segment)
    }

    /// Verifies a migration as far as it has come: every item is in the form of its phase, and each that was converted is what it was
    /// converted to. Where converted items are gone, the ledger's counts say so.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]; [`crate::error::Kind::NotFound`] where there is no such migration.
    pub async fn verify(&self, id: &str, rate: u32, until: Option<Timestamp>) -> Result<Looked, Error> {
        let migration = self.named(id).ok_or_else(|| Error::not_found("migration"))?;
        let ledgers = self.store.migrations().await?;
        let ledger = ledgers.into_iter().find(|ledger| ledger.id == id).unwrap_or_default();
        let way = if ledger.phase.writes_new() { Way::Up } else { Way::Down };
        let mut looked = self.look(migration, way, rate, until).await?;
        let counted = ledger.verified.filter(|_| ledger.phase == Phase::Raised);
        if let Some(before) = counted.filter(|_| looked.complete) {
            let gone = before.converted.saturating_sub(looked.counts.converted);
            if gone > 0 {
                looked.faults.push(format!(
                    "{gone} converted items are gone (ended, deleted or overwritten)"
                ));
            } else if before.converted == looked.counts.converted && before.checksum != looked.counts.checksum {
                looked.faults.push(super::advance::OTHERS.to_owned());
            }
        }
        Ok(looked)
    }
}
