//! What is looked up in the table on a request's way and may be remembered for a while ([`crate::cache`]): what each entry is called, what it
//! holds, and how long it counts at the most.
//!
//! An entry holds no more than its readers need: no address, no name of a person, no hash of a secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::budget::{Limit, ScopeKind};
use crate::cache::{Cache, Entries, Known, Name};
use crate::clock::Clock;
use crate::error::Error;
use crate::model::AllowedModels;
use crate::principal::Team;
use crate::scope::Scopes;
use crate::secret::SecretDigest;
use crate::standing::Standing;
use crate::store::{ApiKey, ClientStatus, ServiceClient, Store, User};

/// API keys, by their SHA-256; nothing for one that there is not.
pub static API_KEYS: Entries<Option<ApiKey>> = Entries::new("api_key", 1, 300);
/// People, by their id.
pub static PEOPLE: Entries<Option<Person>> = Entries::new("person", 1, 300);
/// Service accounts, by their id. What they may do counts for their tokens after 30 s at the latest.
pub static ACCOUNTS: Entries<Option<Account>> = Entries::new("account", 1, crate::standing::LAG_SECONDS);
/// Whether a token was revoked, by its `jti`.
pub static DENIED: Entries<bool> = Entries::new("denied_token", 1, crate::standing::LAG_SECONDS);
/// How a token stands, by its `jti`, where no cache is configured: its denial and its account in one question.
pub static STANDINGS: Entries<Option<Standing>> = Entries::always("standing", 1, crate::standing::LAG_SECONDS);
/// The models that a team may call, by its name.
pub static TEAMS: Entries<Option<AllowedModels>> = Entries::always("team_models", 1, crate::standing::LAG_SECONDS);
/// Limits, by scope and id.
pub static LIMITS: Entries<Vec<Limit>> = Entries::always("limits", 1, crate::limits::LAG_SECONDS);
/// Which revision of the price book counts.
pub static PRICE_REVISION: Entries<u64> = Entries::new("price_revision", 1, 60);
/// The id of the one entry of [`PRICE_REVISION`].
pub const PRICES: &str = "head";

/// What is asked of a person at each of their requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Whether anything of theirs counts.
    pub active: bool,
    /// What they may do.
    pub scopes: Scopes,
    /// The models that they may call; every one if there is no list.
    pub models: Option<AllowedModels>,
}

impl Person {
    fn of(user: &User) -> Self {
        Self {
            active: user.is_active(),
            scopes: user.scopes(),
            models: user.models.clone(),
        }
    }
}

/// What is asked of a service account at each of its requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Whether it was neither ended nor suspended.
    pub active: bool,
    /// When it ends by itself, if it does.
    pub ends_at: Option<Timestamp>,
    /// What its tokens may allow at the most.
    pub scopes: Scopes,
    /// The models that it may call; every one if there is no list.
    pub models: Option<AllowedModels>,
}

impl Account {
    fn of(client: &ServiceClient) -> Self {
        Self {
            active: client.revoked_at.is_none() && client.status == ClientStatus::Active,
            ends_at: client.ends_at,
            scopes: client.allowed(),
            models: client.models.clone(),
        }
    }

    /// Whether it may be used at `now`.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.active && self.ends_at.is_none_or(|end| end > now)
    }
}

/// The entry of an API key.
pub fn of_key(digest: &SecretDigest) -> Name {
    API_KEYS.name(digest.as_str())
}

/// The id of limits.
pub fn limits_id(scope: ScopeKind, id: &str) -> String {
    format!("{}:{id}", scope.label())
}

/// Asks for what may be remembered.
#[derive(Clone, Debug)]
pub struct Lookups {
    store: Store,
    cache: Cache,
}

impl Lookups {
    /// Those of this table, by its cache if it has one.
    pub fn new(store: &Store, clock: &Clock) -> Self {
        let cache = store.cache().cloned();
        Self {
            store: store.clone(),
            cache: cache.unwrap_or_else(|| Cache::of_this_environment(clock.clone())),
        }
    }

    /// What remembers.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The API key with this digest.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn api_key(&self, digest: &SecretDigest) -> Result<Option<ApiKey>, Error> {
        let (store, wanted) = (self.store.clone(), digest.clone());
        let look = async move { store.api_key(&wanted).await };
        Ok(self.cache.get(&API_KEYS, digest.as_str(), Box::pin(look)).await?.value)
    }

    /// The person with this id.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn person(&self, user_id: &str) -> Result<Option<Person>, Error> {
        let (store, wanted) = (self.store.clone(), user_id.to_owned());
        let look = async move { Ok(store.user(&wanted).await?.as_ref().map(Person::of)) };
        Ok(self.cache.get(&PEOPLE, user_id, Box::pin(look)).await?.value)
    }

    /// The service account with this id.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn account(&self, client_id: &str) -> Result<Option<Account>, Error> {
        let (store, wanted) = (self.store.clone(), client_id.to_owned());
        let look = async move { Ok(store.client(&wanted).await?.as_ref().map(Account::of)) };
        Ok(self.cache.get(&ACCOUNTS, client_id, Box::pin(look)).await?.value)
    }

    /// Whether the token with this `jti` was revoked.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn is_denied(&self, jti: &str) -> Result<bool, Error> {
        let (store, wanted) = (self.store.clone(), jti.to_owned());
        let look = async move { store.is_denied(&wanted).await };
        Ok(self.cache.get(&DENIED, jti, Box::pin(look)).await?.value)
    }

    /// The models that may be called on a team's account; every one if it has no list.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn models_of_team(&self, team: &Team) -> Result<Option<AllowedModels>, Error> {
        let (store, wanted) = (self.store.clone(), team.clone());
        let look = async move { Ok(store.team(&wanted).await?.and_then(|team| team.models)) };
        Ok(self.cache.get(&TEAMS, team.as_str(), Box::pin(look)).await?.value)
    }

    /// Which revision of the price book counts, and since when that is known.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn price_revision(&self) -> Result<Known<u64>, Error> {
        let store = self.store.clone();
        let look = async move { store.price_revision().await };
        self.cache.get(&PRICE_REVISION, PRICES, Box::pin(look)).await
    }
}
