//! Service accounts: programs that get access tokens with a client id and a secret.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuditEntry, Cursor, List, Page, Store, condition_failed, item, key, unavailable};
use crate::certificate::CertificateLogin;
use crate::error::Error;
use crate::lookups;
use crate::model::AllowedModels;
use crate::principal::Team;
use crate::random;
use crate::role::{Role, known_roles, scopes_of};
use crate::scope::Scopes;
use crate::secret::{Secret, SecretDigest};
use crate::secret_hash::SecretHash;

/// Version 1 had one secret, by its SHA-256 (`digest`, `hint`); such items are read, and written anew when their secret is shown.
const VERSION: u32 = 2;

/// So many secrets of a service account may be alive at once: the new one, and the old one until it ends.
pub const LIVE_SECRETS: usize = 2;

/// Whether a service account may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientStatus {
    /// It gets tokens, and they count.
    #[default]
    Active,
    /// It gets none, and those that are out do not count, until it is active again.
    Suspended,
}

/// What is stored of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StoredHash {
    /// Its memory-hard hash.
    Hard(SecretHash),
    /// Its SHA-256, of an item of version 1. It is replaced when the secret is shown.
    Sha256(SecretDigest),
}

/// A secret of a service account, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// Its name in lists.
    pub secret_id: String,
    /// Its hash.
    pub hash: StoredHash,
    /// Its last characters.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
}

impl ClientSecret {
    /// What is stored of a new secret.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] without randomness or memory.
    pub async fn new(secret: &Secret, created_at: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            secret_id: random::identifier("secret")?,
            hash: StoredHash::Hard(SecretHash::of(secret).await?),
            hint: secret.hint(),
            created_at,
            ends_at: None,
        })
    }

    /// Whether it counts at `now`.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| end > now)
    }
}

/// A service account as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceClient {
    /// Its public name.
    pub client_id: String,
    /// What people call it.
    pub name: String,
    /// The team on whose account its calls are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Team>,
    /// What its tokens may allow, besides what its roles give.
    pub scopes: Scopes,
    /// What it is. A name that is not known grants nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "known_roles")]
    pub roles: Vec<Role>,
    /// The models that its tokens and keys may call; every one if there is no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<AllowedModels>,
    /// Whether it may be used.
    #[serde(default)]
    pub status: ClientStatus,
    /// Its secrets, oldest first.
    #[serde(default)]
    pub secrets: Vec<ClientSecret>,
    /// By which certificate it authenticates, if it does: then by that alone, and its secrets open nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateLogin>,
    /// Whether its tokens are bound to the certificate of the connection on which they are asked for. Where nothing is said they are if
    /// it authenticates by certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binds_tokens: Option<bool>,
    /// The SHA-256 of the one secret of an item of version 1. Once read it is among the secrets.
    #[serde(default, skip_serializing)]
    digest: Option<SecretDigest>,
    /// The last characters of that secret.
    #[serde(default, skip_serializing)]
    hint: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When it was ended, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Counts its changes: each is made on the condition that it is the next one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u64,
}

// `skip_serializing_if` hands a reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(revision: &u64) -> bool {
    *revision == 0
}

impl ServiceClient {
    /// A service account that does not exist yet.
    pub fn new(client_id: String, name: String, scopes: Scopes, secret: ClientSecret, created_at: Timestamp) -> Self {
        let mut client = Self::without_secret(client_id, name, scopes, created_at);
        client.secrets.push(secret);
        client
    }

    /// The same without a secret.
    pub fn without_secret(client_id: String, name: String, scopes: Scopes, created_at: Timestamp) -> Self {
        Self {
            client_id,
            name,
            team: None,
            scopes,
            roles: Vec::new(),
            models: None,
            status: ClientStatus::Active,
            secrets: Vec::new(),
            certificate: None,
            binds_tokens: None,
            digest: None,
            hint: None,
            created_at,
            ends_at: None,
            revoked_at: None,
            revision: 0,
        }
    }

    /// The same service account on a team's account.
    #[must_use]
    pub fn of_team(mut self, team: Option<Team>) -> Self {
        self.team = team;
        self
    }

    /// The same service account for these models.
    #[must_use]
    pub fn for_models(mut self, models: Option<AllowedModels>) -> Self {
        self.models = models;
        self
    }

    /// The same service account, which ends by itself.
    #[must_use]
    pub fn until(mut self, ends_at: Option<Timestamp>) -> Self {
        self.ends_at = ends_at;
        self
    }

    /// The same service account with these roles.
    #[must_use]
    pub fn with_roles(mut self, roles: Vec<Role>) -> Self {
        self.roles = roles;
        self
    }

    /// What its tokens may allow at the most.
    pub fn allowed(&self) -> Scopes {
        self.scopes.union(&scopes_of(&self.roles))
    }

    /// Whether its tokens are bound to a certificate (RFC 8705, section 3.4).
    pub fn binds_tokens(&self) -> bool {
        self.binds_tokens.unwrap_or(self.certificate.is_some())
    }

    /// Whether it may be used at `now`: it gets tokens, and its tokens count.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.status == ClientStatus::Active && self.ends_at.is_none_or(|end| end > now)
    }

    /// The form of today, whatever version was read.
    fn current(mut self) -> Self {
        if let (Some(digest), Some(hint)) = (self.digest.take(), self.hint.take()) {
            let first = ClientSecret {
                secret_id: "secret_first".to_owned(),
                hash: StoredHash::Sha256(digest),
                hint,
                created_at: self.created_at,
                ends_at: None,
            };
            self.secrets.insert(0, first);
        }
        self
    }

    /// Its secrets that count at `now`.
    pub fn live_secrets(&self, now: Timestamp) -> impl Iterator<Item = &ClientSecret> {
        self.secrets.iter().filter(move |it| it.is_alive(now))
    }
}

impl Store {
    /// Makes a service account; `audit` tells of it. `false`: its id is taken.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn create_client(&self, client: &ServiceClient, audit: &AuditEntry) -> Result<bool, Error> {
        let put = self.put_new(item(key::client(&client.client_id), VERSION, client)?)?;
        self.change_client_item(&client.client_id, put, audit).await
    }

    /// Writes a changed service account over the one that was read; `audit` tells of it. `false`: another change came before.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn change_client(&self, changed: ServiceClient, audit: &AuditEntry) -> Result<bool, Error> {
        let client_id = changed.client_id.clone();
        let put = self.next_revision(changed)?.build().map_err(Error::internal)?;
        self.change_client_item(&client_id, TransactWriteItem::builder().put(put).build(), audit)
            .await
    }

    /// Writes a service account whose secret is hashed anew. This is no administrator's change, so nothing is told of it.
    /// `false`: another change came before.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn rehash_client(&self, client: ServiceClient) -> Result<bool, Error> {
        let put = self.next_revision(client)?.build().map_err(Error::internal)?;
        let outcome = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_values(put.expression_attribute_values)
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The put of a service account on the condition that it is still at the revision that was read.
    fn next_revision(&self, mut client: ServiceClient) -> Result<aws_sdk_dynamodb::types::builders::PutBuilder, Error> {
        let read = client.revision;
        client.revision += 1;
        let put = Put::builder().table_name(&self.table).set_item(Some(item(
            key::client(&client.client_id),
            VERSION,
            client,
        )?));
        Ok(match read {
            0 => put.condition_expression("attribute_exists(pk) AND attribute_not_exists(revision)"),
            read => put
                .condition_expression("revision = :read")
                .expression_attribute_values(":read", AttributeValue::N(read.to_string())),
        })
    }

    /// Makes a change of one item together with its audit entry. `false`: the item's condition does not hold.
    async fn change_client_item(
        &self,
        client_id: &str,
        change: TransactWriteItem,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        let write = self
            .client
            .transact_write_items()
            .transact_items(change)
            .transact_items(self.audit_write(audit)?)
            .client_request_token(&audit.audit_id);
        let write = async {
            match write.send().await {
                Ok(_) => Ok(true),
                Err(error) if condition_failed(&error, 0) => Ok(false),
                Err(error) => Err(unavailable(error)),
            }
        };
        self.changing(&[lookups::ACCOUNTS.name(client_id)], Box::pin(write))
            .await
    }

    /// The service account with this id.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn client(&self, client_id: &str) -> Result<Option<ServiceClient>, Error> {
        let found: Option<ServiceClient> = self.read(key::client(client_id)).await?;
        Ok(found.map(ServiceClient::current))
    }

    /// All service accounts, the ended ones too.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn clients(&self, limit: usize, after: Option<&Cursor>) -> Result<Page<ServiceClient>, Error> {
        let partition = key::CLIENTS.to_owned();
        let list = List {
            partition,
            prefix: None,
            newest_first: false,
            limit,
            after,
        };
        let page: Page<ServiceClient> = self.list(list).await?;
        Ok(Page {
            items: page.items.into_iter().map(ServiceClient::current).collect(),
            next_cursor: page.next_cursor,
        })
    }

    /// Ends a service account; `audit` tells of it. `false`: there is none with this id. One that was ended before stays as it
    /// was, and nothing is told.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn revoke_client(&self, client_id: &str, now: Timestamp, audit: &AuditEntry) -> Result<bool, Error> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key::client(client_id).into_item()))
            .update_expression("SET revoked_at = :now ADD revision :one")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(revoked_at)")
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .build()
            .map_err(Error::internal)?;
        let change = TransactWriteItem::builder().update(update).build();
        Ok(self.change_client_item(client_id, change, audit).await? || self.client(client_id).await?.is_some())
    }
}
