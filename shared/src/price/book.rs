//! The price book: what administrators set, over the list that is built in.
//!
//! Of the entries of a model in a tier the latest that has begun counts; where there is none, the built-in price. An
//! entry that says "no price" counts like any other: what it covers is refused.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Limits, PriceError, PriceList, PriceVersion, PricedModel, Rates, ServiceTier};

/// From when the built-in prices hold.
const SEED_FROM: Timestamp = Timestamp::UNIX_EPOCH;

/// What an administrator says of a model in a tier from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The model, with its profile prefix.
    pub model: PricedModel,
    /// The tier.
    pub tier: ServiceTier,
    /// From when it counts, this moment included.
    pub effective_from: Timestamp,
    /// What tokens cost; nothing if there is no price.
    pub rates: Option<Rates>,
    /// The revision of the book that brought it.
    pub revision: u64,
}

type Key<'a> = (&'a str, ServiceTier, Timestamp);

impl Entry {
    fn key(&self) -> Key<'_> {
        (self.model.as_str(), self.tier, self.effective_from)
    }
}

/// Where a price comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the list that is built in.
    Seed,
    /// From an administrator.
    Book,
}

impl Source {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Book => "book",
        }
    }
}

/// What a call costs, fixed when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// What tokens cost.
    pub rates: Rates,
    /// Who says so.
    pub version: PriceVersion,
    /// Since when it holds.
    pub effective_from: Timestamp,
}

/// A line of the whole book: its rates are read when they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The model, with its profile prefix.
    pub model: &'a str,
    /// The tier.
    pub tier: ServiceTier,
    /// From when it counts.
    pub effective_from: Timestamp,
    entry: Option<&'a Entry>,
}

impl<'a> Listed<'a> {
    /// Where it comes from.
    pub fn source(&self) -> Source {
        self.entry.map_or(Source::Seed, |_| Source::Book)
    }

    fn key(&self) -> Key<'a> {
        (self.model, self.tier, self.effective_from)
    }

    fn is_of_the_same(&self, other: &Self) -> bool {
        (self.model, self.tier) == (other.model, other.tier)
    }
}

/// How one set of entries differs from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Entries that are new.
    pub added: usize,
    /// Entries of which the rates are others.
    pub changed: usize,
    /// Entries that are gone.
    pub removed: usize,
    /// Entries that stay as they are.
    pub unchanged: usize,
}

impl Difference {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        (self.added, self.changed, self.removed) == (0, 0, 0)
    }
}

/// A revision of the price book over the built-in list. It never changes; a change makes entries for the next one.
#[derive(Clone, Debug)]
pub struct PriceBook {
    seed: Arc<PriceList>,
    /// 0 is the book that nobody has written into yet.
    revision: u64,
    /// By model, tier and time, no two alike.
    entries: Vec<Entry>,
}

impl PriceBook {
    /// The book of this revision.
    ///
    /// # Errors
    /// [`PriceError::Malformed`] if two entries are of the same model, tier and time.
    pub fn new(seed: Arc<PriceList>, revision: u64, mut entries: Vec<Entry>) -> Result<Self, PriceError> {
        entries.sort_by(|a, b| a.key().cmp(&b.key()));
        if entries.is_sorted_by(|a, b| a.key() < b.key()) {
            Ok(Self {
                seed,
                revision,
                entries,
            })
        } else {
            Err(PriceError::Malformed(format!("revision {revision} of the price book")))
        }
    }

    /// The book's revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What administrators have set, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The list underneath.
    pub fn seed(&self) -> &PriceList {
        &self.seed
    }

    /// What a call to `model` in `tier` costs that begins at `at`.
    ///
    /// # Errors
    /// [`PriceError::Missing`] if it has no price then: another tier's price is never taken for it.
    pub fn quote(&self, model: &str, tier: ServiceTier, at: Timestamp) -> Result<Quote, PriceError> {
        let begun = self.entries.partition_point(|entry| entry.key() <= (model, tier, at));
        let latest = begun.checked_sub(1).and_then(|index| self.entries.get(index));
        match latest.filter(|entry| entry.model.as_str() == model && entry.tier == tier) {
            Some(entry) => Ok(Quote {
                rates: entry.rates.ok_or_else(|| PriceError::Missing(model.to_owned()))?,
                version: PriceVersion::of_book(entry.revision),
                effective_from: entry.effective_from,
            }),
            None => Ok(Quote {
                rates: self.seed.tier_rates(model, tier)?,
                version: self.seed.version().clone(),
                effective_from: SEED_FROM,
            }),
        }
    }

    /// How much a model takes and gives, which the built-in list alone knows.
    pub fn limits(&self, model: &str) -> Option<Limits> {
        self.seed.limits(model)
    }

    /// The administrators' entry of exactly this model, tier and time.
    pub fn entry(&self, model: &PricedModel, tier: ServiceTier, effective_from: Timestamp) -> Option<&Entry> {
        let key = (model.as_str(), tier, effective_from);
        let found = self.entries.binary_search_by(|entry| entry.key().cmp(&key));
        found.ok().and_then(|index| self.entries.get(index))
    }

    /// All lines, built-in ones too, by model, tier and time. An entry from the beginning of time covers the built-in line
    /// of its model and tier. With `at`, only the lines that count then.
    pub fn listed(&self, at: Option<Timestamp>) -> Vec<Listed<'_>> {
        let seed = self.seed.keys().map(|(model, tier)| Listed {
            model,
            tier,
            effective_from: SEED_FROM,
            entry: None,
        });
        let book = self.entries.iter().map(|entry| Listed {
            model: entry.model.as_str(),
            tier: entry.tier,
            effective_from: entry.effective_from,
            entry: Some(entry),
        });
        // Stable: of two lines with one key the entry comes first, and stays.
        let mut lines: Vec<_> = book.chain(seed).collect();
        lines.sort_by_key(Listed::key);
        lines.dedup_by(|later, earlier| later.key() == earlier.key());
        if let Some(at) = at {
            lines.retain(|line| line.effective_from <= at);
            // From behind, so that the latest of its model and tier is the one that stays.
            lines.reverse();
            lines.dedup_by(|earlier, latest| earlier.is_of_the_same(latest));
            lines.reverse();
        }
        lines
    }

    /// The rates of a line; nothing if it says that there is no price.
    ///
    /// # Errors
    /// [`PriceError`] if the built-in list cannot be read.
    pub fn rates_of(&self, line: &Listed<'_>) -> Result<Option<Rates>, PriceError> {
        match line.entry {
            Some(entry) => Ok(entry.rates),
            None => self.seed.tier_rates(line.model, line.tier).map(Some),
        }
    }

    /// Who says what a line says.
    pub fn version_of(&self, line: &Listed<'_>) -> PriceVersion {
        line.entry.map_or_else(
            || self.seed.version().clone(),
            |entry| PriceVersion::of_book(entry.revision),
        )
    }

    /// What the next revision holds if it has these entries instead, and how that differs. An entry that is there already
    /// keeps the revision that brought it; `revision` of the given ones counts for nothing.
    pub fn replaced_by(&self, mut wanted: Vec<Entry>) -> (Vec<Entry>, Difference) {
        wanted.sort_by(|a, b| a.key().cmp(&b.key()));
        let mut difference = Difference::default();
        for entry in &mut wanted {
            entry.revision = self.revision + 1;
            match self.entry(&entry.model, entry.tier, entry.effective_from) {
                None => difference.added += 1,
                Some(old) if old.rates == entry.rates => {
                    difference.unchanged += 1;
                    entry.revision = old.revision;
                }
                Some(_) => difference.changed += 1,
            }
        }
        difference.removed = self.entries.len() - difference.changed - difference.unchanged;
        (wanted, difference)
    }

    /// What the next revision holds with this entry put.
    pub fn with(&self, entry: Entry) -> (Vec<Entry>, Difference) {
        let mut wanted = self.without(&entry.model, entry.tier, entry.effective_from);
        wanted.push(entry);
        self.replaced_by(wanted)
    }

    /// The entries but the one of this model, tier and time.
    pub fn without(&self, model: &PricedModel, tier: ServiceTier, effective_from: Timestamp) -> Vec<Entry> {
        let key = (model.as_str(), tier, effective_from);
        let others = self
            .entries
            .iter()
            .filter(|entry| entry.key().cmp(&key) != Ordering::Equal);
        others.cloned().collect()
    }
}

#[cfg(test)]
mod tests;
