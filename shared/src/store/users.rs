//! People. A person is known by (issuer, subject) of an identity provider, never by an e-mail address, which others may get later.
//!
//! A person is one item, and each identity another that points to it; both are made in one transaction, so that two first logins at
//! once make one person.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuditEntry, Cursor, List, Page, Store, condition_failed, item, key, unavailable};
use crate::error::Error;
use crate::principal::{Subject, Team};
use crate::role::{Role, scopes_of};
use crate::scope::Scopes;
use crate::secret::SecretDigest;

const VERSION: u32 = 1;

/// Whether a person may do anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// They may.
    Active,
    /// Nothing of theirs counts: no login, no token, no key.
    Suspended,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Their name in paths. Their subject is `user:` and this.
    pub user_id: String,
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where letters reach them. It identifies nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether their provider says that the address is theirs.
    pub email_verified: bool,
    /// The team on whose account they work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Team>,
    /// What they are. A name that is not known grants nothing.
    #[serde(deserialize_with = "known_roles")]
    pub roles: Vec<Role>,
    /// Whether they may do anything.
    pub status: UserStatus,
    /// When they were made.
    pub created_at: Timestamp,
    /// When they last signed in, if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<Timestamp>,
}

/// Who a person is at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider's issuer, character by character.
    pub issuer: String,
    /// The provider's name for the person.
    pub subject: String,
}

#[derive(Serialize, Deserialize)]
struct StoredIdentity {
    user_id: String,
    #[serde(flatten)]
    identity: Identity,
}

fn known_roles<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Role>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

impl Identity {
    /// Its length stands before the issuer, so that no two pairs are one text.
    fn digest(&self) -> SecretDigest {
        SecretDigest::of_text(&format!("{}:{}{}", self.issuer.len(), self.issuer, self.subject))
    }
}

impl User {
    /// Their subject.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] if their id is none.
    pub fn subject(&self) -> Result<Subject, Error> {
        format!("user:{}", self.user_id).parse().map_err(Error::internal)
    }

    /// What they may do: nothing while they are suspended.
    pub fn scopes(&self) -> Scopes {
        match self.status {
            UserStatus::Active => scopes_of(&self.roles),
            UserStatus::Suspended => Scopes::default(),
        }
    }
}

impl Store {
    /// Makes a person with their first identity. `false`: the identity, or the id, is somebody's already.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn create_user(&self, user: &User, identity: &Identity) -> Result<bool, Error> {
        let stored = StoredIdentity {
            user_id: user.user_id.clone(),
            identity: identity.clone(),
        };
        let outcome = self
            .client
            .transact_write_items()
            .transact_items(self.put_new(item(key::identity(&identity.digest()), VERSION, stored)?)?)
            .transact_items(self.put_new(item(key::user(&user.user_id), VERSION, user)?)?)
            .client_request_token(user.user_id.chars().take(36).collect::<String>())
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error, 0) || condition_failed(&error, 1) || super::was_conflict(&error) => {
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The person with this id.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn user(&self, user_id: &str) -> Result<Option<User>, Error> {
        self.read(key::user(user_id)).await
    }

    /// The person whom a provider knows as this.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn user_of_identity(&self, identity: &Identity) -> Result<Option<User>, Error> {
        let stored: Option<StoredIdentity> = self.read(key::identity(&identity.digest())).await?;
        match stored {
            // A digest that two pairs share does not exist; an item that was put there by another hand might.
            Some(stored) if stored.identity == *identity => self.user(&stored.user_id).await,
            _ => Ok(None),
        }
    }

    /// Writes down what a login told of a person. `false`: there is no such person, or they are suspended.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn record_login(&self, user: &User) -> Result<bool, Error> {
        let outcome = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(key::user(&user.user_id), VERSION, user)?))
            .condition_expression("attribute_exists(pk) AND #status = :active")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", AttributeValue::S("active".into()))
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// All people, in the order of their ids.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn users(&self, limit: usize, after: Option<&Cursor>) -> Result<Page<User>, Error> {
        self.list(List {
            partition: key::USERS.to_owned(),
            prefix: None,
            newest_first: false,
            limit,
            after,
        })
        .await
    }

    /// Suspends a person, or lets them in again; `audit` tells of it. `false`: there is no such person. One who was so before stays so,
    /// and nothing is told.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn set_user_status(&self, user_id: &str, status: UserStatus, audit: &AuditEntry) -> Result<bool, Error> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key::user(user_id).into_item()))
            .update_expression("SET #status = :status")
            .condition_expression("attribute_exists(pk) AND #status <> :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(
                ":status",
                serde_dynamo::to_attribute_value(status).map_err(Error::internal)?,
            )
            .build()
            .map_err(Error::internal)?;
        let outcome = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(update).build())
            .transact_items(self.audit_write(audit)?)
            .client_request_token(&audit.audit_id)
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error, 0) => Ok(self.user(user_id).await?.is_some()),
            Err(error) => Err(unavailable(error)),
        }
    }
}
