//! Service accounts: programs that get access tokens with a client id and a secret.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cursor, List, Page, Store, item, key, unavailable};
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
    /// Makes a service account. `false`: its id is taken.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn create_client(&self, client: &ServiceClient) -> Result<bool, Error> {
        self.insert(item(key::client(&client.client_id), VERSION, client)?)
            .await
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

    /// Ends a service account. `false`: there is none with this id.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn revoke_client(&self, client_id: &str, now: Timestamp) -> Result<bool, Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::client(client_id).into_item()))
            .update_expression("SET revoked_at = if_not_exists(revoked_at, :now)")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }
}
