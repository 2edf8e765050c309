//! Service accounts: programs that get access tokens with a client id and a secret.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuditEntry, Cursor, List, Page, Store, condition_failed, item, key, unavailable};
use crate::error::Error;
use crate::principal::Team;
use crate::scope::Scopes;
use crate::secret::{Secret, SecretDigest};

const VERSION: u32 = 1;

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
    /// What its tokens may allow at the most.
    pub scopes: Scopes,
    /// The SHA-256 of its secret.
    pub digest: SecretDigest,
    /// The last characters of its secret.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was ended, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl ServiceClient {
    /// A service account that does not exist yet.
    pub fn new(client_id: String, name: String, scopes: Scopes, secret: &Secret, created_at: Timestamp) -> Self {
        let (digest, hint) = (secret.digest(), secret.hint());
        Self {
            client_id,
            name,
            team: None,
            scopes,
            digest,
            hint,
            created_at,
            revoked_at: None,
        }
    }

    /// The same service account on a team's account.
    #[must_use]
    pub fn of_team(mut self, team: Option<Team>) -> Self {
        self.team = team;
        self
    }
}

impl Store {
    /// Makes a service account; `audit` tells of it. `false`: its id is taken.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn create_client(&self, client: &ServiceClient, audit: &AuditEntry) -> Result<bool, Error> {
        let put = self.put_new(item(key::client(&client.client_id), VERSION, client)?)?;
        self.change_client(put, audit).await
    }

    /// Makes a change of one item together with its audit entry. `false`: the item's condition does not hold.
    async fn change_client(&self, change: TransactWriteItem, audit: &AuditEntry) -> Result<bool, Error> {
        let outcome = self
            .client
            .transact_write_items()
            .transact_items(change)
            .transact_items(self.audit_write(audit)?)
            .client_request_token(&audit.audit_id)
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error, 0) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The service account with this id.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn client(&self, client_id: &str) -> Result<Option<ServiceClient>, Error> {
        self.read(key::client(client_id)).await
    }

    /// All service accounts, the ended ones too.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn clients(&self, limit: usize, after: Option<&Cursor>) -> Result<Page<ServiceClient>, Error> {
        let partition = key::CLIENTS.to_owned();
        self.list(List {
            partition,
            prefix: None,
            newest_first: false,
            limit,
            after,
        })
        .await
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
            .update_expression("SET revoked_at = :now")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(revoked_at)")
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .build()
            .map_err(Error::internal)?;
        let change = TransactWriteItem::builder().update(update).build();
        Ok(self.change_client(change, audit).await? || self.client(client_id).await?.is_some())
    }
}
