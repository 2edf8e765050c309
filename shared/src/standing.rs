//! Whether an access token still stands that is good by itself: it was not revoked, and the service account that it was given to
//! may be used; and what that account may do, and a team may call, now. What was found out is kept for [`LAG_SECONDS`], so a revocation, or
//! another list of models, counts everywhere after so long at the latest.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::clock::Clock;
use crate::error::Error;
use crate::jwt::Claims;
use crate::model::AllowedModels;
use crate::principal::{PrincipalKind, Subject, Team};
use crate::scope::Scopes;
use crate::store::Store;

/// A revoked token, or one of a suspended service account, is refused everywhere after so many seconds at the latest.
pub const LAG_SECONDS: i64 = 30;
/// So many tokens, and so many teams, are remembered before all are forgotten.
const REMEMBERED: usize = 10_000;

/// What is known of a token that stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What its service account may do now, whatever the token says. `None`: a person's token.
    pub scopes: Option<Scopes>,
    /// The models that its service account may call; every one if there is no list.
    pub models: Option<AllowedModels>,
}

/// Knows which tokens stand, and what teams may call, for [`LAG_SECONDS`].
#[derive(Debug)]
pub struct Standings {
    store: Store,
    clock: Clock,
    tokens: Kept<String, Option<Standing>>,
    teams: Kept<Team, Option<AllowedModels>>,
}

impl Standings {
    /// Knows nothing yet.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            tokens: Kept::new(),
            teams: Kept::new(),
        }
    }

    /// How the token of these claims stands, if it does. The claims must have been verified.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: without an answer nobody is let in.
    pub async fn of(&self, claims: &Claims) -> Result<Option<Standing>, Error> {
        let now = self.clock.now();
        if let Some(standing) = self.tokens.find(&claims.jti, now) {
            return Ok(standing);
        }
        let standing = standing(&self.store, claims, now).await?;
        self.tokens.keep(claims.jti.clone(), standing.clone(), now);
        Ok(standing)
    }

    /// The models that may be called on a team's account; every one if it has no list.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: without an answer nobody is let in.
    pub async fn models_of_team(&self, team: &Team) -> Result<Option<AllowedModels>, Error> {
        let now = self.clock.now();
        if let Some(models) = self.teams.find(team, now) {
            return Ok(models);
        }
        let models = self.store.team(team).await?.and_then(|team| team.models);
        self.teams.keep(team.clone(), models.clone(), now);
        Ok(models)
    }
}

/// What was read, and when.
#[derive(Debug)]
struct Kept<K, V>(Mutex<HashMap<K, (Timestamp, V)>>);

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// What was read less than [`LAG_SECONDS`] ago. A clock that was set back makes nothing fresh.
    fn find(&self, key: &K, now: Timestamp) -> Option<V> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, value) = known.get(key)?;
        let fresh = (0..LAG_SECONDS).contains(&(now.as_second() - read_at.as_second()));
        fresh.then(|| value.clone())
    }

    fn keep(&self, key: K, value: V, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, (now, value));
    }
}

/// How the token of these claims stands by the table, if it does.
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
            Ok(client.map(|client| Standing {
                scopes: Some(client.allowed()),
                models: client.models,
            }))
        }
        PrincipalKind::User => Ok((!store.is_denied(&claims.jti).await?).then(Standing::default)),
    }
}
