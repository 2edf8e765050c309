//! What an owner's files and open uploads take up together: one item, which changes in the same transaction as they do. So it is exact
//! however many of them come and go at once, and whatever dies on the way.
//!
//! A file counts with what is stored of it, an upload with what was announced. What was there before there was a count is not in it
//! (`counted`), and gives nothing back.

use std::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsOutput};
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::{Store, key, was_conflict};
use crate::error::Error;
use crate::principal::Subject;

/// So often a transaction is sent again while another one changes the same count: those of an owner who does many things at once.
const MOST_CONFLICTS: u32 = 9;
/// How long it waits the first time; each further time twice as long, 5 s in all.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// What an owner may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Bytes of files and of open uploads together.
    pub stored_bytes: u64,
    /// Open uploads.
    pub upload_sessions: u32,
}

impl FileLimits {
    /// Everything.
    pub const NONE: Self = Self {
        stored_bytes: u64::MAX,
        upload_sessions: u32::MAX,
    };
}

/// What an owner has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenUp {
    /// Bytes of files and of open uploads together.
    #[serde(default)]
    pub stored_bytes: u64,
    /// Open uploads.
    #[serde(default)]
    pub upload_sessions: u32,
}

/// What becomes of something that is to be listed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileWrite {
    /// It is there.
    Done,
    /// Its id is taken.
    Taken,
    /// Its owner may not have so much. Nothing is there.
    LimitReached,
}

impl Store {
    /// What an owner's files and open uploads take up.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn taken_up(&self, owner: &Subject) -> Result<TakenUp, Error> {
        Ok(self.read(key::taken_up(owner)).await?.unwrap_or_default())
    }

    /// The write that counts what comes, on the condition that its owner may have it. `None`: nobody may have so much.
    pub(super) fn taking(
        &self,
        owner: &Subject,
        more: TakenUp,
        limits: &FileLimits,
    ) -> Result<Option<TransactWriteItem>, Error> {
        let room = limits.stored_bytes.checked_sub(more.stored_bytes);
        let places = limits.upload_sessions.checked_sub(more.upload_sessions);
        let (Some(room), Some(places)) = (room, places) else {
            return Ok(None);
        };
        let update = self
            .counting(owner, &more, "")
            .condition_expression(
                "(attribute_not_exists(stored_bytes) OR stored_bytes <= :room) AND \
                 (attribute_not_exists(upload_sessions) OR upload_sessions <= :places)",
            )
            .expression_attribute_values(":room", AttributeValue::N(room.to_string()))
            .expression_attribute_values(":places", AttributeValue::N(places.to_string()))
            .build()
            .map_err(Error::internal)?;
        Ok(Some(TransactWriteItem::builder().update(update).build()))
    }

    /// The write that gives back what goes.
    pub(super) fn giving_back(&self, owner: &Subject, less: TakenUp) -> Result<TransactWriteItem, Error> {
        let update = self.counting(owner, &less, "-").build().map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    fn counting(&self, owner: &Subject, by: &TakenUp, sign: &str) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        let number = |by: u64| AttributeValue::N(if by == 0 { by.to_string() } else { format!("{sign}{by}") });
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key::taken_up(owner).into_item()))
            .update_expression("ADD stored_bytes :bytes, upload_sessions :sessions")
            .expression_attribute_values(":bytes", number(by.stored_bytes))
            .expression_attribute_values(":sessions", number(u64::from(by.upload_sessions)))
    }

    /// Sends a transaction, again and again while another one changes an item of it. (The SDK does not repeat these by itself.)
    pub(super) async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
    ) -> Result<TransactWriteItemsOutput, SdkError<TransactWriteItemsError, HttpResponse>> {
        let transaction = self.client.transact_write_items().set_transact_items(Some(writes));
        for number in 0..MOST_CONFLICTS {
            match transaction.clone().send().await {
                Err(error) if was_conflict(&error) => {
                    tokio::time::sleep(FIRST_PAUSE.saturating_mul(1 << number)).await;
                }
                outcome => return outcome,
            }
        }
        transaction.send().await
    }
}
