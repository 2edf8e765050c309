//! Counters that last: what the environments of the functions have counted, added up in the table.
//!
//! An environment gathers what its own metric lines say and adds it to an item of its function at the end of an answer, at most once in
//! so many seconds. A write is one transaction with a token of its own, so the repetition of one whose answer was lost adds nothing.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::tally::{Tally, is_kept};
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::random;
use crate::store::{COUNTER_SHARDS, CounterBatch, Store};

static COUNTERS: OnceLock<Counters> = OnceLock::new();

/// DynamoDB knows a token for ten minutes (`TransactWriteItems`). What could not be written by then is given up, rather than counted
/// twice.
const REPEATED_SECONDS: f64 = 540.0;
/// What one environment has gathered.
struct Counters {
    store: Store,
    function: &'static str,
    shard: u32,
    every_seconds: u32,
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    tally: Tally,
    /// The batch whose write has failed, and since when it is tried.
    unwritten: Option<(CounterBatch, Stopwatch)>,
    written: Option<Stopwatch>,
}

/// Keeps the counters of this process in the table.
pub(super) fn keep(store: Store, function: &'static str, every_seconds: u32) -> Result<(), Error> {
    let [shard] = random::bytes::<1>()?;
    let counters = Counters {
        store,
        function,
        shard: u32::from(shard) % COUNTER_SHARDS,
        every_seconds,
        gathered: Mutex::default(),
    };
    // A process keeps its counters once.
    let _ = COUNTERS.set(counters);
    Ok(())
}

/// Gathers what metric lines say.
pub(super) fn gather(lines: &[u8]) {
    let Some(counters) = COUNTERS.get() else { return };
    let mut gathered = counters.gathered();
    for line in lines.split(|byte| *byte == b'\n') {
        if let Ok(line) = std::str::from_utf8(line) {
            gathered.tally.read(line, is_kept);
        }
    }
}

/// Writes what has gathered, if it is time, or `at_once`.
pub(super) async fn write(at_once: bool) {
    let Some(counters) = COUNTERS.get() else { return };
    let Some(batch) = counters.due(at_once) else { return };
    let outcome = counters.store.add_to_counters(&batch.0).await;
    let result = if outcome.is_ok() { "success" } else { "failure" };
    metrics::counter!("counter_writes_total", "result" => result).increment(1);
    if let Err(error) = outcome {
        counters.put_back(batch, &error);
    }
}

impl Counters {
    fn gathered(&self) -> std::sync::MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self, at_once: bool) -> Option<(CounterBatch, Stopwatch)> {
        let mut gathered = self.gathered();
        let every = f64::from(self.every_seconds);
        let waits = gathered.written.is_some_and(|it| it.elapsed_seconds() < every);
        if waits && !at_once {
            return None;
        }
        let batch = match gathered.unwritten.take() {
            Some(batch) => batch,
            None if gathered.tally.is_empty() => return None,
            None => {
                // Without a token nothing is taken: what has gathered waits for the next time.
                let token = match random::identifier("m") {
                    Ok(token) => token,
                    Err(error) => {
                        tracing::error!(error = ?error, "the counters cannot be written");
                        return None;
                    }
                };
                let tally = std::mem::take(&mut gathered.tally);
                (
                    CounterBatch::new(token, self.function, self.shard, &tally),
                    Stopwatch::start(),
                )
            }
        };
        gathered.written = Some(Stopwatch::start());
        Some(batch)
    }

    fn put_back(&self, batch: (CounterBatch, Stopwatch), error: &Error) {
        if batch.1.elapsed_seconds() < REPEATED_SECONDS {
            self.gathered().unwritten = Some(batch);
        } else {
            tracing::error!(error = ?error, "counters could not be written, and are given up");
        }
    }
}
