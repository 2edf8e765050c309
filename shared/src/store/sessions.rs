//! Sessions: what a login gives a client, kept alive by refresh tokens of which only the newest counts.
//!
//! A session is one item, so that one conditional write rotates its token at whatever contention: it holds the digest of the token that
//! counts. Each token has an item besides that says which session it is of and never changes: that is how an old token, which ends its
//! session (RFC 9700, section 4.14.2), is told from one that never was.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cursor, List, Page, Store, item, key, unavailable};
use crate::error::Error;
use crate::principal::Subject;
use crate::scope::Scopes;
use crate::secret::SecretDigest;

const VERSION: u32 = 1;
/// So many sessions are read at once where all of somebody's are ended.
const ENDED_AT_ONCE: usize = 100;

/// Whether a session counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It does, until its end.
    Active,
    /// It does not, and never will again.
    Ended,
}

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name in lists and tokens.
    pub session_id: String,
    /// Whose it is.
    pub subject: Subject,
    /// The client that has its tokens.
    pub client_id: String,
    /// By which provider the person came.
    pub provider: String,
    /// What its tokens may allow at the most.
    pub scopes: Scopes,
    /// Whether it counts.
    pub state: SessionState,
    /// The digest of the one refresh token that counts.
    pub current: SecretDigest,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When its token was last rotated.
    pub last_used_at: Timestamp,
    /// When it ends, however often it is used.
    pub ends_at: Timestamp,
    /// When DynamoDB may delete it, in seconds since the Unix epoch.
    pub expires_at: i64,
}

impl Session {
    /// Whether it counts at `now`.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.state == SessionState::Active && self.ends_at > now
    }
}

/// What becomes of an attempt to rotate a session's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The new token counts.
    Rotated,
    /// The token that was shown is not the newest.
    Reused,
    /// The session is no longer there, or has ended.
    Ended,
}

#[derive(Serialize, Deserialize)]
struct Pointer {
    subject: Subject,
    session_id: String,
    expires_at: i64,
}

impl Store {
    /// Makes a session and its first token.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn create_session(&self, session: &Session) -> Result<bool, Error> {
        self.point_to(session, &session.current).await?;
        let key = key::session(&session.subject, &session.session_id);
        self.insert_once(item(key, VERSION, session)?).await
    }

    /// Writes which session a token is of. One that never comes to count says nothing to anybody.
    async fn point_to(&self, session: &Session, token: &SecretDigest) -> Result<(), Error> {
        let pointer = Pointer {
            subject: session.subject.clone(),
            session_id: session.session_id.clone(),
            expires_at: session.expires_at,
        };
        self.insert(item(key::refresh(token), VERSION, pointer)?)
            .await
            .map(drop)
    }

    /// A session of this subject's.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn session(&self, subject: &Subject, session_id: &str) -> Result<Option<Session>, Error> {
        self.read(key::session(subject, session_id)).await
    }

    /// The session that a refresh token, new or old, is of.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn session_of_token(&self, token: &SecretDigest) -> Result<Option<Session>, Error> {
        let pointer: Option<Pointer> = self.read(key::refresh(token)).await?;
        match pointer {
            Some(pointer) => self.session(&pointer.subject, &pointer.session_id).await,
            None => Ok(None),
        }
    }

    /// The sessions of a subject, the ended ones too.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn sessions_of(
        &self,
        subject: &Subject,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<Session>, Error> {
        self.list(List {
            partition: key::sessions(subject),
            prefix: None,
            newest_first: false,
            limit,
            after,
        })
        .await
    }

    /// Puts `next` in the place of `shown`. Of all who show one token, one succeeds.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn rotate(
        &self,
        session: &Session,
        shown: &SecretDigest,
        next: &SecretDigest,
        now: Timestamp,
    ) -> Result<Rotation, Error> {
        self.point_to(session, next).await?;
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::session(&session.subject, &session.session_id).into_item()))
            .update_expression("SET #current = :next, last_used_at = :now")
            .condition_expression("#state = :active AND #current = :shown")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#current", "current")
            .expression_attribute_values(":active", AttributeValue::S("active".into()))
            .expression_attribute_values(":shown", AttributeValue::S(shown.as_str().to_owned()))
            .expression_attribute_values(":next", AttributeValue::S(next.as_str().to_owned()))
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(Rotation::Rotated),
            Err(error) => Ok(match refused(error)? {
                // The repetition of a write whose answer was lost meets its own work.
                Some(found) if found.state == SessionState::Active && found.current.matches(next) => Rotation::Rotated,
                Some(found) if found.state == SessionState::Active => Rotation::Reused,
                _ => Rotation::Ended,
            }),
        }
    }

    /// Ends a session of this subject's. `false`: there is no such session. One that had ended before stays as it was.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn end_session(&self, subject: &Subject, session_id: &str) -> Result<bool, Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::session(subject, session_id).into_item()))
            .update_expression("SET #state = :ended")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":ended", AttributeValue::S("ended".into()))
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(error) => refused(error).map(|_| false),
        }
    }

    /// Ends all sessions of this subject's, page by page. Cut off, it is repeated.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn end_sessions_of(&self, subject: &Subject) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.sessions_of(subject, ENDED_AT_ONCE, after.as_ref()).await?;
            let active = page
                .items
                .iter()
                .filter(|session| session.state == SessionState::Active);
            for session in active {
                self.end_session(subject, &session.session_id).await?;
            }
            after = page.next_cursor;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Takes away a session that nobody was given.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn drop_session(&self, session: &Session) -> Result<(), Error> {
        let key = key::session(&session.subject, &session.session_id);
        self.take::<Session>(key).await.map(drop)
    }
}

/// The session that a condition refused; none where there is none. Any other failure stays one.
fn refused<R>(error: SdkError<UpdateItemError, R>) -> Result<Option<Session>, Error>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(failure) => match failure.into_err() {
            UpdateItemError::ConditionalCheckFailedException(refusal) => refusal
                .item
                .map(|item| serde_dynamo::from_item(item).map_err(Error::internal))
                .transpose(),
            other => Err(Error::unavailable(other)),
        },
        other => Err(unavailable(other)),
    }
}
