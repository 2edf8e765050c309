//! Authorization codes: one use, and a second one is told apart from none, since it ends what came of the first (RFC 6749, section
//! 4.1.2).

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CodeRequest, Store, item, key, unavailable};
use crate::error::Error;
use crate::secret::SecretDigest;

const VERSION: u32 = 1;

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeState {
    /// Nothing yet.
    Live,
    /// A session came of it.
    Used,
    /// It was shown with something wrong, and is worth nothing now.
    Burnt,
}

/// A code as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationCode {
    /// What it was given for.
    pub request: CodeRequest,
    /// Who gave it.
    pub user_id: String,
    /// By which provider they came.
    pub provider: String,
    /// The browser in which it was given: its cookie's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<SecretDigest>,
    /// What became of it.
    pub state: CodeState,
    /// The session that came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// When it no longer counts: 60 s after it was made.
    pub ends_at: Timestamp,
    /// When DynamoDB may delete it, in seconds since the Unix epoch: so late that a second use is still known for one.
    pub expires_at: i64,
}

/// What becomes of an attempt to use a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// It was live, and is this session's.
    Redeemed,
    /// It was not live. The session that came of it, if one did.
    Spent(Option<String>),
}

impl Store {
    /// Keeps a code.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn create_code(&self, digest: &SecretDigest, code: &AuthorizationCode) -> Result<bool, Error> {
        self.insert(item(key::code(digest), VERSION, code)?).await
    }

    /// The code with this digest.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn code(&self, digest: &SecretDigest) -> Result<Option<AuthorizationCode>, Error> {
        self.read(key::code(digest)).await
    }

    /// Uses a code for a session. Of all who try, one succeeds.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn redeem_code(&self, digest: &SecretDigest, session_id: &str) -> Result<Redemption, Error> {
        let update = self.end_code(digest, CodeState::Used);
        let outcome = update
            .update_expression("SET #state = :next, session_id = :session")
            .expression_attribute_values(":session", AttributeValue::S(session_id.to_owned()))
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(Redemption::Redeemed),
            Err(error) => {
                let spent = session_of(error)?;
                // The repetition of a write whose answer was lost meets its own work.
                let is_ours = spent.as_deref() == Some(session_id);
                Ok(if is_ours {
                    Redemption::Redeemed
                } else {
                    Redemption::Spent(spent)
                })
            }
        }
    }

    /// Makes a live code worthless.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn burn_code(&self, digest: &SecretDigest) -> Result<(), Error> {
        let update = self.end_code(digest, CodeState::Burnt);
        match update.update_expression("SET #state = :next").send().await {
            Ok(_) => Ok(()),
            Err(error) => session_of(error).map(drop),
        }
    }

    fn end_code(
        &self,
        digest: &SecretDigest,
        next: CodeState,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        let next = if next == CodeState::Used { "used" } else { "burnt" };
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::code(digest).into_item()))
            .condition_expression("#state = :live")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":live", AttributeValue::S("live".into()))
            .expression_attribute_values(":next", AttributeValue::S(next.into()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// The session of a code that a condition refused. Any other failure stays one.
fn session_of<R>(error: SdkError<UpdateItemError, R>) -> Result<Option<String>, Error>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(failure) => match failure.into_err() {
            UpdateItemError::ConditionalCheckFailedException(refusal) => {
                let stored: Option<AuthorizationCode> = refusal
                    .item
                    .map(|item| serde_dynamo::from_item(item).map_err(Error::internal))
                    .transpose()?;
                Ok(stored.and_then(|code| code.session_id))
            }
            other => Err(Error::unavailable(other)),
        },
        other => Err(unavailable(other)),
    }
}
