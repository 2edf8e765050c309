//! Device grants (RFC 8628): a device waits with its device code, a person decides by way of the user code.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Item, Store, item, key, unavailable};
use crate::error::Error;
use crate::scope::Scopes;
use crate::secret::SecretDigest;

const VERSION: u32 = 1;

/// A device that asks too often waits so much longer, each time (RFC 8628, section 3.5).
const SLOWER_BY_SECONDS: i64 = 5;

/// What became of a device grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Nobody has decided.
    Pending,
    /// A person said yes.
    Approved,
    /// A person said no.
    Denied,
    /// The device has its tokens.
    Redeemed,
}

/// A device grant as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceGrant {
    /// The client that the device is.
    pub client_id: String,
    /// What it asks for.
    pub scopes: Scopes,
    /// What became of it.
    pub state: DeviceState,
    /// Who said yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// By which provider they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// How long the device is to wait between two questions.
    pub interval_seconds: i64,
    /// When it last asked, in seconds since the Unix epoch.
    pub polled_at: i64,
    /// When it no longer counts.
    pub ends_at: Timestamp,
    /// When DynamoDB may delete it, in seconds since the Unix epoch.
    pub expires_at: i64,
}

/// What a device's question found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll {
    /// The device asked in time; this is how things stand.
    Asked(DeviceGrant),
    /// It asked too early, and is to wait longer from now on.
    TooEarly,
    /// There is no such grant.
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Pointer {
    device: SecretDigest,
    expires_at: i64,
}

impl Store {
    /// Keeps a grant under its two codes. `false`: a code is taken.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn create_device(
        &self,
        device: &SecretDigest,
        user_code: &str,
        grant: &DeviceGrant,
    ) -> Result<bool, Error> {
        let pointer = Pointer {
            device: device.clone(),
            expires_at: grant.expires_at,
        };
        Ok(self
            .insert_once(item(key::user_code(user_code), VERSION, pointer)?)
            .await?
            && self.insert_once(item(key::device(device), VERSION, grant)?).await?)
    }

    /// The grant that a user code is of, and its name.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn device_of_user_code(&self, user_code: &str) -> Result<Option<(SecretDigest, DeviceGrant)>, Error> {
        let pointer: Option<Pointer> = self.read(key::user_code(user_code)).await?;
        let Some(pointer) = pointer else { return Ok(None) };
        let grant = self.read(key::device(&pointer.device)).await?;
        Ok(grant.map(|grant| (pointer.device, grant)))
    }

    /// Counts an attempt at a user code by `who` in the window that began at `window`; gives how many there were.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn count_attempt(&self, who: &SecretDigest, window: i64, expires_at: i64) -> Result<u64, Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::attempts(who.as_str(), window).into_item()))
            .update_expression("ADD attempts :one SET expires_at = :expires")
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .expression_attribute_values(":expires", AttributeValue::N(expires_at.to_string()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(unavailable)?;
        let attempts = answer.attributes.and_then(|item| item.get("attempts").cloned());
        let digits = attempts.and_then(|value| value.as_n().ok().cloned());
        digits
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| Error::internal("a count without a number"))
    }

    /// A person decides. `false`: it was decided before, or there is no such grant.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn decide_device(
        &self,
        device: &SecretDigest,
        decision: DeviceState,
        user_id: &str,
        provider: &str,
    ) -> Result<bool, Error> {
        let decision: AttributeValue = serde_dynamo::to_attribute_value(decision).map_err(Error::internal)?;
        let user = AttributeValue::S(user_id.to_owned());
        let update = self
            .change_device(device, "pending", decision.clone())
            .update_expression("SET #state = :next, user_id = :user, provider = :provider")
            .expression_attribute_values(":user", user.clone())
            .expression_attribute_values(":provider", AttributeValue::S(provider.to_owned()));
        made(update.send().await, |found| {
            found.get("state") == Some(&decision) && found.get("user_id") == Some(&user)
        })
    }

    /// Takes an approved grant for a session. `false`: it is not approved, or another session came of it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn redeem_device(&self, device: &SecretDigest, session_id: &str) -> Result<bool, Error> {
        let redeemed = AttributeValue::S("redeemed".into());
        let session_id = AttributeValue::S(session_id.to_owned());
        let update = self
            .change_device(device, "approved", redeemed)
            .update_expression("SET #state = :next, session_id = :session")
            .expression_attribute_values(":session", session_id.clone());
        made(update.send().await, |found| {
            found.get("session_id") == Some(&session_id)
        })
    }

    fn change_device(
        &self,
        device: &SecretDigest,
        from: &str,
        next: AttributeValue,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::device(device).into_item()))
            .condition_expression("#state = :from")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":from", AttributeValue::S(from.to_owned()))
            .expression_attribute_values(":next", next)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// A device asks. One that asks earlier than it was told to waits longer from then on.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn poll_device(&self, device: &SecretDigest, now_seconds: i64) -> Result<Poll, Error> {
        let grant: Option<DeviceGrant> = self.read(key::device(device)).await?;
        let Some(grant) = grant else { return Ok(Poll::Unknown) };
        let in_time = grant.polled_at + grant.interval_seconds <= now_seconds;
        let slower = if in_time { 0 } else { SLOWER_BY_SECONDS };
        let number = |number: i64| AttributeValue::N(number.to_string());
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::device(device).into_item()))
            .update_expression("SET polled_at = :now ADD interval_seconds :slower")
            // Of two questions at once one was too early.
            .condition_expression("polled_at = :before")
            .expression_attribute_values(":now", number(now_seconds))
            .expression_attribute_values(":slower", number(slower))
            .expression_attribute_values(":before", number(grant.polled_at))
            .send()
            .await;
        let was_alone = held(outcome)?;
        Ok(if in_time && was_alone {
            Poll::Asked(grant)
        } else {
            Poll::TooEarly
        })
    }
}

/// Whether a change was made. The repetition of a write whose answer was lost meets its own work, as `own` tells.
fn made<T, R>(outcome: Result<T, SdkError<UpdateItemError, R>>, own: impl FnOnce(&Item) -> bool) -> Result<bool, Error>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match outcome {
        Ok(_) => Ok(true),
        Err(SdkError::ServiceError(error)) => match error.into_err() {
            UpdateItemError::ConditionalCheckFailedException(refusal) => Ok(refusal.item.as_ref().is_some_and(own)),
            other => Err(Error::unavailable(other)),
        },
        Err(error) => Err(unavailable(error)),
    }
}

fn held<T, R>(outcome: Result<T, SdkError<UpdateItemError, R>>) -> Result<bool, Error>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
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
