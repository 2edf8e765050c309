//! Logins under way: the `state` that is out at a provider, and the consent page that is shown. Each is taken once: whoever deletes
//! the item has it, and nobody after them.
//!
//! What is secret of a login (its nonce and its verifier at the provider) is made of the browser's cookie, which is not stored.

use aws_sdk_dynamodb::types::ReturnValue;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Store, item, key, unavailable};
use crate::error::Error;
use crate::scope::Scopes;
use crate::secret::SecretDigest;

const VERSION: u32 = 1;

/// What a client asked for at the authorize step (RFC 6749, section 4.1.1, and RFC 7636, section 4.3), checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRequest {
    /// The client.
    pub client_id: String,
    /// Where the code goes: one of the client's own.
    pub redirect_uri: String,
    /// The client's own state, handed back as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The S256 challenge.
    pub challenge: String,
    /// What is asked for.
    pub scopes: Scopes,
}

/// What a login is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A code for a client.
    Code(CodeRequest),
    /// A device that waits.
    Device {
        /// Its device code's digest.
        device: SecretDigest,
        /// The client that it is.
        client_id: String,
        /// What it asks for.
        scopes: Scopes,
    },
}

impl Purpose {
    /// The client that it is for.
    pub fn client_id(&self) -> &str {
        match self {
            Self::Code(request) => &request.client_id,
            Self::Device { client_id, .. } => client_id,
        }
    }

    /// What is asked for.
    pub fn scopes(&self) -> &Scopes {
        match self {
            Self::Code(request) => &request.scopes,
            Self::Device { scopes, .. } => scopes,
        }
    }
}

/// A login that is out at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The provider that it is at.
    pub provider: String,
    /// The cookie of the browser that began it.
    pub browser: SecretDigest,
    /// Where the provider was told to send the browser.
    pub callback: String,
    /// What it is for.
    pub purpose: Purpose,
    /// When it no longer counts.
    pub ends_at: Timestamp,
    /// When DynamoDB may delete it, in seconds since the Unix epoch.
    pub expires_at: i64,
}

/// A consent page that is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The cookie of the browser that it is shown in.
    pub browser: SecretDigest,
    /// Who is asked.
    pub user_id: String,
    /// By which provider they came.
    pub provider: String,
    /// What for.
    pub purpose: Purpose,
    /// When it no longer counts.
    pub ends_at: Timestamp,
    /// When DynamoDB may delete it, in seconds since the Unix epoch.
    pub expires_at: i64,
}

impl Store {
    /// Keeps a login that goes out under `state`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn begin_login(&self, state: &SecretDigest, login: &Login) -> Result<bool, Error> {
        self.insert_once(item(key::login(state), VERSION, login)?).await
    }

    /// Takes the login of `state`: nobody gets it again, whatever becomes of it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn take_login(&self, state: &SecretDigest) -> Result<Option<Login>, Error> {
        self.take(key::login(state)).await
    }

    /// Keeps a consent page that is shown under `ticket`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn show_consent(&self, ticket: &SecretDigest, consent: &Consent) -> Result<bool, Error> {
        self.insert(item(key::consent(ticket), VERSION, consent)?).await
    }

    /// Takes the consent page of `ticket`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn take_consent(&self, ticket: &SecretDigest) -> Result<Option<Consent>, Error> {
        self.take(key::consent(ticket)).await
    }

    /// Deletes an item and gives what it was. A repetition after a lost answer finds nothing: then nobody has it.
    pub(super) async fn take<T: DeserializeOwned>(&self, key: key::Key) -> Result<Option<T>, Error> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key.into_item()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(unavailable)?;
        let taken = answer.attributes.filter(|item| !item.is_empty());
        taken
            .map(|item| serde_dynamo::from_item(item).map_err(Error::internal))
            .transpose()
    }
}
