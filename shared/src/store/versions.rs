//! In which form items are written whose form a migration changes: as the ledger of migrations says.
//!
//! Every environment knows it for [`LAG_SECONDS`], so a change counts everywhere that much later; a migration waits for longer before it
//! scans. What is written in the old form all the same is found by its verification, and converted in another pass.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::{Store, key};
use crate::clock::Stopwatch;
use crate::error::Error;

/// A change of the form is seen by every environment after so many seconds at the latest.
pub const LAG_SECONDS: u64 = 10;

/// The migration of usage rows from plain to compact.
pub const USAGE_ROWS_COMPACT: &str = "0001-usage-rows-compact";

/// What this process knows of the ledger. Nothing until it has asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Arc<Mutex<Option<(Stopwatch, bool)>>>);

/// What of a ledger's entry says how to write.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    writes_new: bool,
}

impl Known {
    fn fresh(&self) -> Option<bool> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .filter(|(asked, _)| asked.elapsed_ms() < LAG_SECONDS * 1_000)
            .map(|(_, new)| new)
    }

    fn last(&self) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.is_some_and(|(_, new)| new)
    }

    fn set(&self, asked: Stopwatch, new: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked, new));
    }
}

impl Store {
    /// Whether usage rows are written in the compact form. Where the ledger cannot be read, as it was known last: a row in the wrong
    /// form can be read all the same, and one that is not written is lost.
    pub(super) async fn writes_compact_usage(&self) -> bool {
        if let Some(new) = self.known.fresh() {
            return new;
        }
        // From before the reading: what is known is never thought younger than it is.
        let asked = Stopwatch::start();
        let read: Result<Option<Written>, Error> = self.read(key::migration(USAGE_ROWS_COMPACT)).await;
        match read {
            Ok(written) => {
                let new = written.is_some_and(|it| it.writes_new);
                self.known.set(asked, new);
                new
            }
            Err(error) => {
                tracing::warn!(error = ?error, "the ledger of migrations cannot be read");
                self.known.last()
            }
        }
    }
}
