//! Whether an access token still stands that is good by itself: it was not revoked, and the service account that it was given to
//! may be used; and what that account may do, and a team may call, now. What was found out is kept for [`LAG_SECONDS`], so a revocation, or
//! another list of models, counts everywhere after so long at the latest.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::Error;
use crate::jwt::Claims;
use crate::lookups::{Lookups, STANDINGS};
use crate::model::AllowedModels;
use crate::principal::{PrincipalKind, Subject, Team};
use crate::scope::Scopes;
use crate::store::Store;

/// A revoked token, or one of a suspended service account, is refused everywhere after so many seconds at the latest.
pub const LAG_SECONDS: i64 = 30;
/// What is known of a token that stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What its service account may do now, whatever the token says. `None`: a person's token.
    pub scopes: Option<Scopes>,
    /// The models that its service account may call; every one if there is no list.
    pub models: Option<AllowedModels>,
}

/// Knows which tokens stand, and what teams may call, for [`LAG_SECONDS`] at the most.
#[derive(Debug)]
pub struct Standings {
    store: Store,
    clock: Clock,
    lookups: Lookups,
}

impl Standings {
    /// Knows nothing yet.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            lookups: Lookups::new(&store, &clock),
            store,
            clock,
        }
    }

    /// How the token of these claims stands, if it does. The claims must have been verified.
    ///
    /// Where a cache is configured, a token's denial and its account are entries of their own, since an account changes without its tokens.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: without an answer nobody is let in.
    pub async fn of(&self, claims: &Claims) -> Result<Option<Standing>, Error> {
        if self.lookups.cache().is_configured() {
            return self.by_parts(claims).await;
        }
        let (store, asked, now) = (self.store.clone(), claims.clone(), self.clock.now());
        let look = async move { standing(&store, &asked, now).await };
        Ok(self
            .lookups
            .cache()
            .get(&STANDINGS, &claims.jti, Box::pin(look))
            .await?
            .value)
    }

    async fn by_parts(&self, claims: &Claims) -> Result<Option<Standing>, Error> {
        let Ok(subject) = claims.sub.parse::<Subject>() else {
            return Ok(None);
        };
        let denied = self.lookups.is_denied(&claims.jti);
        if subject.kind() == PrincipalKind::User {
            return Ok((!denied.await?).then(Standing::default));
        }
        let (denied, account) = tokio::try_join!(denied, self.lookups.account(&claims.client_id))?;
        let living = account.filter(|account| !denied && account.is_alive(self.clock.now()));
        Ok(living.map(|account| Standing {
            scopes: Some(account.scopes),
            models: account.models,
        }))
    }

    /// The models that may be called on a team's account; every one if it has no list.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: without an answer nobody is let in.
    pub async fn models_of_team(&self, team: &Team) -> Result<Option<AllowedModels>, Error> {
        self.lookups.models_of_team(team).await
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
