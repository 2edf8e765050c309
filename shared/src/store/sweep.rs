//! The sweep's own item, and what it does to many calls at once.
//!
//! Rows go into the rollups in batches that have numbers. HEAD names the last number, and the calls of the batch while it is
//! open: it is written before anything else, so whoever dies, the next sweep finds what was begun and does all of it again. A batch
//! opens only on the condition that none is open and the last is still the one that was known when its rows were read; so no two
//! batches have a row in common.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;

use super::concurrent::{WRITES_AT_ONCE, each};
use super::{Item, OpenCall, Store, UsageRow, key, unavailable};
use crate::clock::rfc3339_millis;
use crate::error::Error;
use crate::principal::Subject;

/// The attribute of a row that is in the rollups: the number of its batch.
const ROLLED_UP: &str = "rolled_up";

/// What finds a call: its row and, while there is one, its open call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// When it began.
    pub started_at: Timestamp,
    /// Who called.
    pub principal: Subject,
    /// The request's id.
    pub request_id: String,
}

impl CallKey {
    /// Of an open call.
    pub fn of(call: &OpenCall) -> Self {
        Self {
            started_at: call.started_at,
            principal: call.principal.clone(),
            request_id: call.request_id.clone(),
        }
    }

    /// Of a row.
    pub fn of_row(row: &UsageRow) -> Self {
        Self {
            started_at: row.started_at,
            principal: row.principal.clone(),
            request_id: row.request_id.clone(),
        }
    }

    /// One text, as it stands in HEAD. A subject has no `#`.
    fn text(&self) -> String {
        let start = rfc3339_millis(self.started_at);
        format!("{start}#{}#{}", self.principal, self.request_id)
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '#');
        Some(Self {
            started_at: parts.next()?.parse().ok()?,
            principal: parts.next()?.parse().ok()?,
            request_id: parts.next()?.to_owned(),
        })
    }

    fn row(&self) -> key::Key {
        key::usage_row(&self.principal, self.started_at, &self.request_id)
    }
}

/// A row, and whether it is in the rollups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweptRow {
    /// The row.
    pub row: UsageRow,
    /// The batch that put it into the rollups.
    pub rolled_up: Option<u64>,
}

/// How far sweeping has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepHead {
    /// The number of the last batch.
    pub seq: u64,
    /// The calls of that batch, if it is not finished.
    pub batch: Option<Vec<CallKey>>,
    /// Every call that began before this is in the rollups.
    pub covered_until: Option<Timestamp>,
    /// Every change of a budget's definition before this was carried to its states.
    pub repaired_until: Option<Timestamp>,
}

impl Store {
    /// How far sweeping has come.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn sweep_head(&self) -> Result<SweepHead, Error> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key::sweep_head().into_item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(unavailable)?;
        answer.item.as_ref().map_or_else(|| Ok(SweepHead::default()), head)
    }

    /// Opens the batch that follows `last`. `false`: another sweep has opened one since `last` was read.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may be open or not; the next sweep finds out.
    pub async fn open_batch(&self, last: u64, calls: &[CallKey]) -> Result<bool, Error> {
        let texts = calls.iter().map(|call| AttributeValue::S(call.text())).collect();
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::sweep_head().into_item()))
            .update_expression("SET #seq = :next, #batch = :batch")
            .condition_expression(
                "attribute_not_exists(#batch) AND (#seq = :last OR (attribute_not_exists(#seq) AND :last = :none))",
            )
            .expression_attribute_names("#seq", "seq")
            .expression_attribute_names("#batch", "batch")
            .expression_attribute_values(":last", number(last))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":next", number(last + 1))
            .expression_attribute_values(":batch", AttributeValue::L(texts))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match refusal(outcome.map(drop))? {
            None => Ok(true),
            // An earlier try of this write, whose answer was lost.
            Some(item) => head(&item).map(|head| head.seq == last + 1 && head.batch.as_deref() == Some(calls)),
        }
    }

    /// Closes a batch. Closing it again changes nothing.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn close_batch(&self, seq: u64) -> Result<(), Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::sweep_head().into_item()))
            .update_expression("REMOVE #batch")
            .condition_expression("#seq = :seq")
            .expression_attribute_names("#seq", "seq")
            .expression_attribute_names("#batch", "batch")
            .expression_attribute_values(":seq", number(seq))
            .send()
            .await;
        refusal(outcome.map(drop)).map(drop)
    }

    /// Writes down that every call that began before `at` is in the rollups. It never goes back.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn cover_until(&self, at: Timestamp) -> Result<(), Error> {
        self.advance("covered_until", at).await
    }

    /// Writes down that every change of a budget's definition before `at` was carried to its states.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn repaired_until(&self, at: Timestamp) -> Result<(), Error> {
        self.advance("repaired_until", at).await
    }

    async fn advance(&self, name: &str, at: Timestamp) -> Result<(), Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::sweep_head().into_item()))
            .update_expression("SET #name = :at")
            .condition_expression("attribute_not_exists(#name) OR #name < :at")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":at", AttributeValue::S(rfc3339_millis(at)))
            .send()
            .await;
        refusal(outcome.map(drop)).map(drop)
    }

    /// The rows of these calls, of those that have one.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn rows_of(&self, calls: &[CallKey]) -> Result<HashMap<CallKey, SweptRow>, Error> {
        let keys = calls.iter().map(|call| call.row().into_item()).collect();
        let items = self.batch_get(keys).await?;
        let rows = items.into_iter().map(swept);
        rows.map(|row| row.map(|row| (CallKey::of_row(&row.row), row)))
            .collect()
    }

    /// The open calls among these.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn still_open(&self, calls: &[CallKey]) -> Result<Vec<OpenCall>, Error> {
        let key = |call: &CallKey| key::open_call(call.started_at, &call.request_id).into_item();
        let items = self.batch_get(calls.iter().map(key).collect()).await?;
        serde_dynamo::from_items(items).map_err(Error::internal)
    }

    /// Marks the rows of a batch as being in the rollups.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then some are marked and some not; doing it again is safe.
    pub async fn mark_rolled_up(&self, seq: u64, calls: &[CallKey]) -> Result<(), Error> {
        each(calls.iter().map(|call| self.mark_row(seq, call)), WRITES_AT_ONCE).await
    }

    async fn mark_row(&self, seq: u64, call: &CallKey) -> Result<(), Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(call.row().into_item()))
            .update_expression("SET #rolled_up = :seq")
            // A row whose time is over must not come back as a mark alone.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#rolled_up", ROLLED_UP)
            .expression_attribute_values(":seq", number(seq))
            .send()
            .await;
        refusal(outcome.map(drop)).map(drop)
    }

    /// Forgets open calls. Forgetting them again changes nothing.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then some are forgotten and some not; doing it again is safe.
    pub async fn forget_calls(&self, calls: &[CallKey]) -> Result<(), Error> {
        let keys = calls
            .iter()
            .map(|call| key::open_call(call.started_at, &call.request_id));
        self.batch_delete(keys).await
    }
}

fn number(count: u64) -> AttributeValue {
    AttributeValue::N(count.to_string())
}

/// The item that a condition refused (empty if it was not asked for); none if the write went through.
pub(super) fn refusal<R>(outcome: Result<(), SdkError<UpdateItemError, R>>) -> Result<Option<Item>, Error>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match outcome {
        Ok(()) => Ok(None),
        Err(SdkError::ServiceError(failure)) => match failure.into_err() {
            UpdateItemError::ConditionalCheckFailedException(refusal) => Ok(Some(refusal.item.unwrap_or_default())),
            other => Err(Error::unavailable(other)),
        },
        Err(other) => Err(unavailable(other)),
    }
}

/// Reads a row with its mark.
pub(super) fn swept(mut item: Item) -> Result<SweptRow, Error> {
    let mark = item.remove(ROLLED_UP);
    Ok(SweptRow {
        row: super::usage::row(item)?,
        rolled_up: mark
            .as_ref()
            .and_then(|it| it.as_n().ok())
            .and_then(|it| it.parse().ok()),
    })
}

fn head(item: &Item) -> Result<SweepHead, Error> {
    let malformed = || Error::internal("the sweep's head is malformed");
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let moment = |name: &str| text(name).map(|text| text.parse::<Timestamp>()).transpose();
    let seq = item.get("seq").and_then(|value| value.as_n().ok());
    let batch = item.get("batch").map(|value| {
        let texts = value.as_l().map_err(|_| malformed())?;
        let call = |text: &AttributeValue| text.as_s().ok().and_then(|text| CallKey::from_text(text));
        texts
            .iter()
            .map(|text| call(text).ok_or_else(malformed))
            .collect::<Result<Vec<_>, _>>()
    });
    Ok(SweepHead {
        seq: seq.map_or(Ok(0), |it| it.parse()).map_err(Error::internal)?,
        batch: batch.transpose()?,
        covered_until: moment("covered_until").map_err(Error::internal)?,
        repaired_until: moment("repaired_until").map_err(Error::internal)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calls_key_survives_its_text() {
        let key = CallKey {
            started_at: "2026-11-25T13:05:59.001Z".parse().unwrap(),
            principal: "user:a@b.c".parse().unwrap(),
            request_id: "1-2#3".into(),
        };
        assert_eq!(CallKey::from_text(&key.text()), Some(key));
        for bad in [
            "",
            "x",
            "2026-11-25T13:05:59.001Z#user:a",
            "2026-11-25T13:05:59.001Z#alice#1",
        ] {
            assert_eq!(CallKey::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_full_batch_of_the_longest_keys_stays_below_what_an_item_holds() {
        let key = CallKey {
            started_at: Timestamp::MAX,
            principal: format!("client:{}", "a".repeat(128)).parse().unwrap(),
            request_id: "a".repeat(128),
        };
        assert!(300 * (key.text().len() + 1) < 400_000 / 2);
    }
}
