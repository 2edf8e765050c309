//! What calls cost, from the table's price book, kept in the environment.
//!
//! - A change of the book is seen [`CHECK_AFTER`] later at the most: until then an environment goes by what it read last.
//! - While the table cannot be read, the book that was read last counts for [`COUNTS_FOR`]; after that, and where none was
//!   ever read, calls are refused.
//! - Concurrent callers wait for one reading, and share what comes of it, an error too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::cache::Known;
use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::lookups::Lookups;
use crate::price::{PriceBook, PriceError, PriceList, Quote, ServiceTier};
use crate::store::Store;

/// How long a book counts before the table is asked for a newer one.
pub const CHECK_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// How long a book counts that could not be checked.
pub const COUNTS_FOR: SignedDuration = SignedDuration::from_mins(10);

/// How long after a reading that failed the next one is tried, if there is a book that still counts.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// The prices that count.
#[derive(Debug)]
pub struct Prices {
    store: Store,
    lookups: Lookups,
    seed: Arc<PriceList>,
    clock: Clock,
    /// So many readings have ended, whichever way.
    readings: AtomicU64,
    known: Mutex<Held>,
}

/// What the last readings said.
#[derive(Debug, Default)]
struct Held {
    book: Option<Arc<PriceBook>>,
    /// When the table said last that this is the book.
    checked_at: Timestamp,
    /// When it was asked last, if it did not answer.
    failed_at: Option<Timestamp>,
}

impl Prices {
    /// The prices of this table, over the list that is built in. Nothing is read before the first question.
    ///
    /// # Errors
    /// [`PriceError`] if the built-in list cannot be read.
    pub fn new(store: Store, clock: Clock) -> Result<Self, PriceError> {
        Ok(Self {
            lookups: Lookups::new(&store, &clock),
            store,
            seed: Arc::new(PriceList::embedded()?),
            clock,
            readings: AtomicU64::new(0),
            known: Mutex::default(),
        })
    }

    /// The list that is built in: which models there are, and what they take and give.
    pub fn seed(&self) -> &Arc<PriceList> {
        &self.seed
    }

    /// What a call to `model` in `tier` costs that begins at `at`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it has no price then; [`Kind::Unavailable`] if the book is not known, or not any more.
    pub async fn quote(&self, model: &str, tier: ServiceTier, at: Timestamp) -> Result<Quote, Error> {
        let book = self.book().await?;
        book.quote(model, tier, at).map_err(|error| refused(error, tier))
    }

    /// The price book that counts.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] if it is not known, or not any more.
    pub async fn book(&self) -> Result<Arc<PriceBook>, Error> {
        let seen = self.readings.load(Ordering::SeqCst);
        let mut known = self.known.lock().await;
        let waited = self.readings.load(Ordering::SeqCst) != seen;
        if !waited && known.is_due(self.clock.now()) {
            let answer = self.read(known.book.as_ref()).await;
            known.note(answer, self.clock.now());
            self.readings.fetch_add(1, Ordering::SeqCst);
        }
        known.counting(self.clock.now())
    }

    /// The book that the table has now. Only its head is read if it is the one that is known.
    /// What was remembered of its revision is as old as it is.
    async fn read(&self, known: Option<&Arc<PriceBook>>) -> Result<(Arc<PriceBook>, Timestamp), Error> {
        let Known {
            value: revision,
            read_at,
        } = self.lookups.price_revision().await?;
        let book = match known.filter(|book| book.revision() == revision) {
            Some(book) => book.clone(),
            None => Arc::new(read_book(&self.store, self.seed.clone(), revision).await?),
        };
        Ok((book, read_at))
    }
}

/// The price book as it is after every change that was answered before: for who changes it.
///
/// # Errors
/// [`Kind::Unavailable`]; [`Kind::Internal`] if it cannot be read.
pub async fn current_book(store: &Store, seed: Arc<PriceList>) -> Result<PriceBook, Error> {
    let revision = store.price_revision().await?;
    read_book(store, seed, revision).await
}

async fn read_book(store: &Store, seed: Arc<PriceList>, revision: u64) -> Result<PriceBook, Error> {
    let entries = store.price_entries(revision).await?;
    PriceBook::new(seed, revision, entries).map_err(Error::internal)
}

impl Held {
    fn is_due(&self, now: Timestamp) -> bool {
        match self.failed_at {
            Some(failed_at) if self.counts(now) => !is_within(failed_at, now, RETRY_AFTER),
            Some(_) => true,
            None => self.book.is_none() || !is_within(self.checked_at, now, CHECK_AFTER),
        }
    }

    fn note(&mut self, answer: Result<(Arc<PriceBook>, Timestamp), Error>, now: Timestamp) {
        match answer {
            Ok((book, checked_at)) => {
                *self = Self {
                    book: Some(book),
                    checked_at,
                    failed_at: None,
                }
            }
            Err(error) => {
                tracing::error!(error = ?error, "the price book cannot be read");
                self.failed_at = Some(now);
            }
        }
    }

    fn counts(&self, now: Timestamp) -> bool {
        self.book.is_some() && is_within(self.checked_at, now, COUNTS_FOR)
    }

    fn counting(&self, now: Timestamp) -> Result<Arc<PriceBook>, Error> {
        let book = self.book.as_ref().filter(|_| self.counts(now));
        book.cloned()
            .ok_or_else(|| Error::unavailable("the price book is not known, or not any more"))
    }
}

/// Whether less than `span` has gone since `then`. A clock that was set back tells nothing, so what was then is over.
fn is_within(then: Timestamp, now: Timestamp, span: SignedDuration) -> bool {
    let age = now.duration_since(then);
    !age.is_negative() && age < span
}

pub(crate) fn refused(error: PriceError, tier: ServiceTier) -> Error {
    match error {
        PriceError::Malformed(_) => Error::internal(error),
        PriceError::Missing(_) if tier == ServiceTier::Default => Error::new(
            Kind::NotFound,
            "model: it has no price, and what has no price is not served",
        ),
        PriceError::Missing(_) => Error::new(
            Kind::NotFound,
            format!("model: it has no price in the service tier `{tier}`, and what has no price is not served"),
        ),
    }
}
