//! The table. Every key string is made in `key`, a file per aggregate holds its items and what can be done to them, and
//! a condition that fails is an outcome, not an error. No request's path scans.

mod alerts;
mod api_keys;
mod audit;
mod batch;
mod beta_refusals;
mod browsers;
mod budget_changes;
mod budgets;
mod calls;
mod canonical;
mod clients;
mod codes;
mod concurrent;
mod conversion;
mod counters;
mod days;
mod denied_tokens;
mod devices;
mod directory;
mod file_ends;
mod files;
mod finalization;
mod groups;
mod key;
mod logins;
mod migrations;
mod pages;
mod prefixed;
mod prices;
mod quotas;
mod rests;
mod rollup_lists;
mod rollups;
mod schema;
mod sessions;
mod sweep;
mod taken_up;
mod teams;
mod upkeep;
mod upload_sessions;
mod usage;
mod usage_form;
mod usage_lists;
mod user_writes;
mod users;
mod versions;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::{Cache, Name};
use crate::error::Error;

/// What an attribute of an [`Item`] holds.
pub use aws_sdk_dynamodb::types::AttributeValue;

pub use alerts::PendingAlert;
pub use api_keys::{ApiKey, KeyCreation};
pub use audit::AuditEntry;
pub use browsers::BegunSession;
pub use budget_changes::{BudgetChange, BudgetWrite};
pub use budgets::{BudgetState, Hold, Left, hold_name};
pub use calls::{CALL_SHARDS, HeldLimit, OpenCall};
pub use clients::{ClientSecret, ClientStatus, LIVE_SECRETS, ServiceClient, StoredHash};
pub use codes::{AuthorizationCode, CodeState, Redemption};
pub use conversion::{Conversion, Convert, Converted, ScanPage, ScanPlace, Way};
pub use counters::{COUNTER_SHARDS, CounterBatch};
pub use days::DayPlace;
pub use devices::{DeviceGrant, DeviceState, Poll};
pub use directory::{DirectoryRecord, GroupNames};
pub use file_ends::{END_SHARDS, FileEnd};
pub use files::{FileList, StoredFile};
pub use finalization::Finalization;
pub use groups::{DirectoryGroup, GroupWrite, Membership};
pub use logins::{CodeRequest, Consent, Login, Purpose};
pub use migrations::{Change, Counts, Lease, LeaseClaim, Ledger, Pass, PassKind, Phase, Segment};
pub use pages::{Cursor, Page};
pub use prices::{MAX_PRICE_ENTRIES, PriceWrite};
pub use quotas::{Room, Taking};
pub use rollup_lists::{RollupIds, RollupList};
pub use schema::{IndexSchema, TableSchema};
pub use sessions::{Rotation, Session, SessionState};
pub use sweep::{CallKey, SweepHead, SweptRow};
pub use taken_up::{FileLimits, FileWrite, TakenUp};
pub use teams::TeamRecord;
pub use upkeep::Claim;
pub use upload_sessions::{UploadClaim, UploadSession, UploadState};
pub use usage::{CallEnd, Recorded, UsageRow};
pub use usage_form::{USAGE_FOOTPRINT, compact_usage, plain_usage};
pub use usage_lists::UsageWanted;
pub use user_writes::{UserChange, UserWrite};
pub use users::{Identity, RolesFrom, User, UserStatus};
pub use versions::{LAG_SECONDS, USAGE_ROWS_COMPACT};

use pages::{List, sort_key};

/// An item as DynamoDB holds it. Out of the store only migrations have to do with it.
pub type Item = HashMap<String, AttributeValue>;

/// The same bytes of equal items, and other bytes of any other.
pub fn canonical_bytes(item: &Item) -> Vec<u8> {
    let mut bytes = Vec::new();
    canonical::members(item, &mut bytes);
    bytes
}

/// What the partition keys of usage rows begin with.
pub const fn usage_partitions() -> &'static str {
    key::USAGE_PREFIX
}

/// The table and its client.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    table: String,
    cache: Option<Cache>,
    known: versions::Known,
}

impl Store {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self {
            client,
            table,
            cache: None,
            known: versions::Known::default(),
        }
    }

    /// The same table, whose changes a cache is told of.
    #[must_use]
    pub fn with_cache(self, cache: Option<Cache>) -> Self {
        Self { cache, ..self }
    }

    /// What is told of changes.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// Makes a change, and lets the cache forget what it concerns: before, so that a function that dies in between leaves nothing behind that is
    /// over, and after, so that what others have read meanwhile is gone too. That the cache fails keeps nobody from the change.
    async fn changing<T>(&self, names: &[Name], change: BoxFuture<'_, Result<T, Error>>) -> Result<T, Error> {
        let Some(cache) = &self.cache else {
            return change.await;
        };
        cache.forget(names).await;
        let outcome = change.await;
        cache.forget(names).await;
        outcome
    }

    /// Asks whether the table can be read, for health, by an item that is read all the time.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn check(&self) -> Result<(), Error> {
        self.price_revision().await.map(drop)
    }

    /// Reads one item, as it is after every write that was answered before.
    async fn read<T: DeserializeOwned>(&self, key: key::Key) -> Result<Option<T>, Error> {
        let item = self.read_item(key).await?;
        item.map(|item| serde_dynamo::from_item(item).map_err(Error::internal))
            .transpose()
    }

    /// The same, as the table has it.
    async fn read_item(&self, key: key::Key) -> Result<Option<Item>, Error> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.into_item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(unavailable)?;
        Ok(answer.item)
    }

    /// Writes an item that is not there yet. `false`: it was there, and stays as it was.
    async fn insert(&self, item: Item) -> Result<bool, Error> {
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Writes an item whose key was minted for it. The repetition of a write whose answer was lost meets its own work: `true` also
    /// where the very same item is there. `false`: another one is.
    async fn insert_once(&self, item: Item) -> Result<bool, Error> {
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) => match error.into_err() {
                PutItemError::ConditionalCheckFailedException(refusal) => Ok(refusal.item.as_ref() == Some(&item)),
                other => Err(Error::unavailable(other)),
            },
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The writing of an item that is not there yet, as a part of a transaction.
    fn put_new(&self, item: Item) -> Result<TransactWriteItem, Error> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// An item of `value` under `key`. `version` names the form of the value, for whoever reads it in later years.
fn item(key: key::Key, version: u32, value: impl Serialize) -> Result<Item, Error> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(Error::internal)?;
    item.extend(key.into_item());
    item.insert("v".to_owned(), AttributeValue::N(version.to_string()));
    Ok(item)
}

/// Whether the transaction was cancelled because the condition of its `index`-th item did not hold.
fn condition_failed<R>(error: &SdkError<TransactWriteItemsError, R>, index: usize) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return false;
    };
    cancelled
        .cancellation_reasons()
        .get(index)
        .is_some_and(|reason| reason.code() == Some("ConditionalCheckFailed"))
}

/// Whether the transaction was cancelled because another one was changing the same item at that moment.
fn was_conflict<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return false;
    };
    let reasons = cancelled.cancellation_reasons().iter();
    reasons
        .filter_map(|reason| reason.code())
        .any(|code| code == "TransactionConflict")
}

/// Whether a conditional write was done: `false` when its condition did not hold, which `failed` tells.
fn was_done<T, E, R>(answer: Result<T, SdkError<E, R>>, failed: impl Fn(&E) -> bool) -> Result<bool, Error>
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(failed) => Ok(false),
        Err(error) => Err(unavailable(error)),
    }
}

fn unavailable<E, R>(error: SdkError<E, R>) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    Error::unavailable(error)
}
