//! When files and upload sessions end, in the order of their times, for the sweep: no file is looked for that is not due.
//!
//! An entry is a reminder and decides nothing. The sweep reads what it names, and does what the item itself, or its absence, says.
//! So one is written before bytes are stored whose item does not exist yet, and before bytes are removed whose item is gone: whatever
//! a dead function leaves of either is removed.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Store, item, key, unavailable};
use crate::clock::rfc3339_millis;
use crate::error::Error;
use crate::principal::Subject;

const VERSION: u32 = 1;
/// Over so many partitions ends are spread.
pub const END_SHARDS: u8 = 4;

/// That something is to be looked at, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEnd {
    /// When.
    pub at: Timestamp,
    /// Whose it is.
    pub owner: Subject,
    /// The id of a file or an upload session.
    pub id: String,
}

impl FileEnd {
    fn key(&self) -> key::Key {
        key::file_end(self.at, &self.owner, &self.id)
    }

    pub(super) fn item(&self) -> Result<super::Item, Error> {
        item(self.key(), VERSION, self)
    }
}

impl Store {
    /// Writes down that something is to be looked at. To do it again changes nothing.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn add_file_end(&self, end: &FileEnd) -> Result<(), Error> {
        self.insert(end.item()?).await.map(drop)
    }

    /// Takes an entry away that has been looked at.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn remove_file_end(&self, end: &FileEnd) -> Result<(), Error> {
        let delete = self.client.delete_item().table_name(&self.table);
        delete
            .set_key(Some(end.key().into_item()))
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }

    /// The entries of a shard that are due at `now`, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn file_ends(&self, shard: u8, now: Timestamp, limit: usize) -> Result<Vec<FileEnd>, Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk < :until")
            .expression_attribute_values(":pk", AttributeValue::S(key::file_ends(shard)))
            // `~` comes after every character of what follows a time.
            .expression_attribute_values(":until", AttributeValue::S(format!("{}~", rfc3339_millis(now))))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(unavailable)?;
        let items = answer
            .items
            .ok_or_else(|| Error::internal("an answer to a query without its items"))?;
        serde_dynamo::from_items(items).map_err(Error::internal)
    }

    /// The removal of an entry, as a part of a transaction.
    pub(super) fn end_removed(&self, end: &FileEnd) -> Result<TransactWriteItem, Error> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(end.key().into_item()))
            .build()
            .map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// The writing of an entry, as a part of a transaction.
    pub(super) fn end_added(&self, end: &FileEnd) -> Result<TransactWriteItem, Error> {
        let put = aws_sdk_dynamodb::types::Put::builder()
            .table_name(&self.table)
            .set_item(Some(end.item()?))
            .build()
            .map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}
