//! The first credentials of a new stack, made as the admin function makes them.

use std::path::Path;

use gateway::clock::Clock;
use gateway::principal::Subject;
use gateway::random;
use gateway::scope::Scopes;
use gateway::secret::{Secret, SecretKind};
use gateway::store::{ApiKey, AuditEntry, KeyCreation, Store};
use serde::{Deserialize, Serialize};

use crate::aws::{Endpoints, sdk_config};
use crate::error::{Context, Error, Result};

/// More than enough for two.
const KEYS_PER_OWNER: u32 = 25;

/// API keys to begin with. They are kept beside the table, in the clear, so that a restart with the same data keeps them;
/// this is the laptop's stack, and its data holds nobody else's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Keys {
    /// A user's.
    pub api_key: String,
    /// An administrator's.
    pub admin_key: String,
}

/// Makes an API key of a user and one of an administrator in `table`, or takes those that `data` has from last time.
///
/// # Errors
/// When the table or the folder cannot be written.
pub async fn bootstrap(endpoints: &Endpoints, table: &str, data: &Path) -> Result<Keys> {
    let file = data.join("keys.json");
    if let Ok(text) = std::fs::read(&file) {
        return serde_json::from_slice(&text).doing(format!("reading {}", file.display()));
    }
    let https = endpoints.dynamodb.starts_with("https:");
    let config = aws_sdk_dynamodb::config::Builder::from(&sdk_config(https))
        .endpoint_url(&endpoints.dynamodb)
        .build();
    let store = Store::new(aws_sdk_dynamodb::Client::from_conf(config), table.to_owned());
    let keys = Keys {
        api_key: create(&store, "user:dev", Scopes::of_a_user()).await?,
        admin_key: create(&store, "user:admin", Scopes::of_an_admin()).await?,
    };
    let text = serde_json::to_vec(&keys).doing("writing the first keys")?;
    std::fs::write(&file, text).doing(format!("writing {}", file.display()))?;
    Ok(keys)
}

async fn create(store: &Store, owner: &str, scopes: Scopes) -> Result<String> {
    let secret = Secret::mint(SecretKind::ApiKey).doing("making a key")?;
    let owner: Subject = owner.parse().doing("naming the owner of a key")?;
    let (id, now) = (random::identifier("key").doing("naming a key")?, Clock::System.now());
    let key = ApiKey::new(id, owner, "first key".to_owned(), scopes, &secret, now, None);
    // As if its owner had made it: nobody else is there yet.
    let made = serde_json::json!({"owner": key.owner, "name": key.name, "scopes": key.scopes.names()});
    let (actor, target) = (key.owner.clone(), key.key_id.clone());
    let audit = AuditEntry::new(
        now,
        actor,
        "key.create",
        target,
        (None, Some(made)),
        "bootstrap".to_owned(),
    )
    .doing("telling the audit trail of a key")?;
    match store
        .create_api_key(&key, KEYS_PER_OWNER, &audit)
        .await
        .doing("storing a key")?
    {
        KeyCreation::Created => Ok(secret.expose().to_owned()),
        KeyCreation::LimitReached => Err(Error::new("the table holds too many keys of the first users already")),
    }
}
