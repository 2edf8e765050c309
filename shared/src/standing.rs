//! Whether an access token still stands that is good by itself: it was not revoked, and the service account that it was given to
//! may be used. What was found out is kept for [`LAG_SECONDS`], so a revocation counts everywhere after so long at the latest.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::clock::Clock;
use crate::error::Error;
use crate::jwt::Claims;
use crate::principal::{PrincipalKind, Subject};
use crate::store::Store;

/// A revoked token, or one of a suspended service account, is refused everywhere after so many seconds at the latest.
pub const LAG_SECONDS: i64 = 30;
/// So many tokens are remembered before all are forgotten.
const REMEMBERED: usize = 10_000;

/// Knows which tokens stand, for [`LAG_SECONDS`].
#[derive(Debug)]
pub struct Standings {
    store: Store,
    clock: Clock,
    known: Mutex<HashMap<String, (Timestamp, bool)>>,
}

impl Standings {
    /// Knows nothing yet.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            known: Mutex::default(),
        }
    }

    /// Whether the token of these claims stands. The claims must have been verified.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: without an answer nobody is let in.
    pub async fn stands(&self, claims: &Claims) -> Result<bool, Error> {
        let now = self.clock.now();
        if let Some(stands) = self.remembered(&claims.jti, now) {
            return Ok(stands);
        }
        let stands = stands(&self.store, claims, now).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(claims.jti.clone(), (now, stands));
        Ok(stands)
    }

    /// A clock that was set back makes nothing fresh.
    fn remembered(&self, jti: &str, now: Timestamp) -> Option<bool> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, stands) = known.get(jti)?;
        let fresh = (0..LAG_SECONDS).contains(&(now.as_second() - read_at.as_second()));
        fresh.then_some(*stands)
    }
}

/// The same, asked of the table.
///
/// # Errors
/// [`crate::error::Kind::Unavailable`]
pub async fn stands(store: &Store, claims: &Claims, now: Timestamp) -> Result<bool, Error> {
    let Ok(subject) = claims.sub.parse::<Subject>() else {
        return Ok(false);
    };
    match subject.kind() {
        PrincipalKind::Client => {
            let (denied, client) = store.denied_and_client(&claims.jti, &claims.client_id).await?;
            Ok(!denied && client.is_some_and(|client| client.is_alive(now)))
        }
        PrincipalKind::User => Ok(!store.is_denied(&claims.jti).await?),
    }
}
