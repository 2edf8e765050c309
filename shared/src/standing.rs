//! Whether an access token still stands that is good by itself: it was not revoked, and the service account that it was given to
//! may be used; and which models that account may call now. What was found out is kept for [`LAG_SECONDS`], so a revocation, or
//! another list of models, counts everywhere after so long at the latest.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::clock::Clock;
use crate::error::Error;
use crate::jwt::Claims;
use crate::model::AllowedModels;
use crate::principal::{PrincipalKind, Subject};
use crate::store::Store;

/// A revoked token, or one of a suspended service account, is refused everywhere after so many seconds at the latest.
pub const LAG_SECONDS: i64 = 30;
/// So many tokens are remembered before all are forgotten.
const REMEMBERED: usize = 10_000;

/// What is known of a token that stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The models that its service account may call; every one if there is no list.
    pub models: Option<AllowedModels>,
}

/// Knows which tokens stand, for [`LAG_SECONDS`].
#[derive(Debug)]
pub struct Standings {
    store: Store,
    clock: Clock,
    known: Mutex<HashMap<String, (Timestamp, Option<Standing>)>>,
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

    /// How the token of these claims stands, if it does. The claims must have been verified.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: without an answer nobody is let in.
    pub async fn of(&self, claims: &Claims) -> Result<Option<Standing>, Error> {
        let now = self.clock.now();
        if let Some(standing) = self.remembered(&claims.jti, now) {
            return Ok(standing);
        }
        let standing = standing(&self.store, claims, now).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(claims.jti.clone(), (now, standing.clone()));
        Ok(standing)
    }

    /// A clock that was set back makes nothing fresh.
    fn remembered(&self, jti: &str, now: Timestamp) -> Option<Option<Standing>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, standing) = known.get(jti)?;
        let fresh = (0..LAG_SECONDS).contains(&(now.as_second() - read_at.as_second()));
        fresh.then(|| standing.clone())
    }
}

/// The same, asked of the table.
///
/// # Errors
/// [`crate::error::Kind::Unavailable`]
pub async fn standing(store: &Store, claims: &Claims, now: Timestamp) -> Result<Option<Standing>, Error> {
    let Ok(subject) = claims.sub.parse::<Subject>() else {
        return Ok(None);
    };
    match subject.kind() {
        PrincipalKind::Client => {
            let (denied, client) = store.denied_and_client(&claims.jti, &claims.client_id).await?;
            let client = client.filter(|client| !denied && client.is_alive(now));
            Ok(client.map(|client| Standing { models: client.models }))
        }
        PrincipalKind::User => Ok((!store.is_denied(&claims.jti).await?).then(Standing::default)),
    }
}
