//! API keys: found by the digest of the key, listed by owner, limited in number for each owner.
//!
//! A key is two items that change in one transaction: one by digest, which the authorizer reads, and one in its owner's
//! list, beside a count that bounds the list.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuditEntry, Cursor, List, Page, Store, condition_failed, item, key, unavailable};
use crate::error::Error;
use crate::lookups;
use crate::model::AllowedModels;
use crate::principal::{Subject, Team};
use crate::scope::Scopes;
use crate::secret::SecretDigest;

/// The form of the items below.
const VERSION: u32 = 1;

/// An API key as it is stored: never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its name in lists and rows.
    pub key_id: String,
    /// Whose it is.
    pub owner: Subject,
    /// What its owner calls it.
    pub name: String,
    /// The team on whose account its calls are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Team>,
    /// What it allows.
    pub scopes: Scopes,
    /// The models that it may call; every one if there is no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<AllowedModels>,
    /// The SHA-256 of the key.
    pub digest: SecretDigest,
    /// The last characters of the key.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// What becomes of an attempt to make a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCreation {
    /// It is there.
    Created,
    /// Its owner has as many as an owner may have.
    LimitReached,
}

impl ApiKey {
    /// A key that does not exist yet.
    pub fn new(
        key_id: String,
        owner: Subject,
        name: String,
        scopes: Scopes,
        secret: &crate::secret::Secret,
        created_at: Timestamp,
        ends_at: Option<Timestamp>,
    ) -> Self {
        let (digest, hint) = (secret.digest(), secret.hint());
        Self {
            key_id,
            owner,
            name,
            team: None,
            scopes,
            models: None,
            digest,
            hint,
            created_at,
            ends_at,
            revoked_at: None,
        }
    }

    /// The same key on a team's account.
    #[must_use]
    pub fn of_team(mut self, team: Option<Team>) -> Self {
        self.team = team;
        self
    }

    /// The same key for these models.
    #[must_use]
    pub fn for_models(mut self, models: Option<AllowedModels>) -> Self {
        self.models = models;
        self
    }

    /// Whether it counts at `now`.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.ends_at.is_none_or(|end| end > now)
    }
}

impl Store {
    /// Makes a key, unless its owner has `limit` that are not revoked; `audit` tells of it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn create_api_key(&self, api_key: &ApiKey, limit: u32, audit: &AuditEntry) -> Result<KeyCreation, Error> {
        let count = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key::owners_key_count(&api_key.owner).into_item()))
            .update_expression("ADD live :one")
            .condition_expression("attribute_not_exists(live) OR live < :limit")
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .expression_attribute_values(":limit", AttributeValue::N(limit.to_string()))
            .build()
            .map_err(Error::internal)?;
        let write = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(count).build())
            .transact_items(self.put_new(item(key::api_key(&api_key.digest), VERSION, api_key)?)?)
            .transact_items(self.put_new(item(
                key::owners_api_key(&api_key.owner, &api_key.key_id),
                VERSION,
                api_key,
            )?)?)
            .transact_items(self.audit_write(audit)?)
            // A repetition after a lost answer must not count twice: DynamoDB knows the transaction by this token.
            .client_request_token(client_token(&api_key.key_id));
        let write = async {
            match write.send().await {
                Ok(_) => Ok(KeyCreation::Created),
                Err(error) if condition_failed(&error, 0) => Ok(KeyCreation::LimitReached),
                Err(error) => Err(unavailable(error)),
            }
        };
        self.changing(&[lookups::of_key(&api_key.digest)], Box::pin(write))
            .await
    }

    /// The key with this digest.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn api_key(&self, digest: &SecretDigest) -> Result<Option<ApiKey>, Error> {
        self.read(key::api_key(digest)).await
    }

    /// A key of this owner's.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn api_key_of(&self, owner: &Subject, key_id: &str) -> Result<Option<ApiKey>, Error> {
        self.read(key::owners_api_key(owner, key_id)).await
    }

    /// The keys of an owner, the revoked ones too.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn api_keys_of(
        &self,
        owner: &Subject,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<ApiKey>, Error> {
        let partition = key::owner(owner);
        self.list(List {
            partition,
            prefix: Some(key::KEY_PREFIX),
            newest_first: false,
            limit,
            after,
        })
        .await
    }

    /// Ends a key of this owner's; `audit` tells of it. `false`: the owner has no such key. A key that was revoked before stays
    /// as it was, and nothing is told.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn revoke_api_key(
        &self,
        owner: &Subject,
        key_id: &str,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        let Some(api_key) = self.api_key_of(owner, key_id).await? else {
            return Ok(false);
        };
        if api_key.revoked_at.is_some() {
            // Whoever revoked it may have died before the cache was told.
            let told = async { Ok(true) };
            return self.changing(&[lookups::of_key(&api_key.digest)], Box::pin(told)).await;
        }
        let count = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key::owners_key_count(owner).into_item()))
            .update_expression("ADD live :minus_one")
            .expression_attribute_values(":minus_one", AttributeValue::N("-1".into()))
            .build()
            .map_err(Error::internal)?;
        let write = self
            .client
            .transact_write_items()
            .transact_items(self.mark_revoked(key::api_key(&api_key.digest), now)?)
            .transact_items(self.mark_revoked(key::owners_api_key(owner, key_id), now)?)
            .transact_items(TransactWriteItem::builder().update(count).build())
            .transact_items(self.audit_write(audit)?)
            .client_request_token(&audit.audit_id);
        let write = async {
            match write.send().await {
                Ok(_) => Ok(true),
                // Somebody else revoked it between the reading and the writing.
                Err(error) if condition_failed(&error, 0) => Ok(true),
                Err(error) => Err(unavailable(error)),
            }
        };
        self.changing(&[lookups::of_key(&api_key.digest)], Box::pin(write))
            .await
    }

    fn mark_revoked(&self, key: key::Key, now: Timestamp) -> Result<TransactWriteItem, Error> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key.into_item()))
            .update_expression("SET revoked_at = :now")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(revoked_at)")
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .build()
            .map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// At most 36 characters (DynamoDB API, `ClientRequestToken`).
fn client_token(id: &str) -> String {
    id.chars().take(36).collect()
}
