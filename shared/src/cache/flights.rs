//! Lookups that are under way. Whoever asks for the same waits for the same, and drives it on: it hangs on no single caller, and ends when
//! all have gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::Name;
use super::memory::Held;
use crate::error::Error;

type Landing = Result<Arc<Held>, Arc<Error>>;
type Flight = Shared<BoxFuture<'static, Landing>>;

/// So many are known before those that are over are cleared away.
const CLEAR_AT: usize = 64;

#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Name, WeakShared<BoxFuture<'static, Landing>>>>);

impl Flights {
    /// The lookup of this name that is under way, or this one.
    pub(super) fn join(
        &self,
        name: &Name,
        begin: impl FnOnce() -> BoxFuture<'static, Result<Arc<Held>, Error>>,
    ) -> Flight {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let going = flights.get(name).and_then(WeakShared::upgrade);
        // One that has landed tells of a moment that is over.
        if let Some(flight) = going.filter(|flight| flight.peek().is_none()) {
            return flight;
        }
        if flights.len() >= CLEAR_AT {
            flights.retain(|_, flight| flight.upgrade().is_some());
        }
        let flight = begin().map(|landed| landed.map_err(Arc::new)).boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(name.clone(), weak);
        }
        flight
    }
}

/// The same error for one more caller.
pub(super) fn again(error: &Error) -> Error {
    let mut same = Error::new(error.kind, error.message.clone());
    same.retry_after_seconds = error.retry_after_seconds;
    same.source = Some(format!("{error:?}").into());
    same
}
