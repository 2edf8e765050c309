//! Reads and deletions of many items at once.

use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, WriteRequest};

use super::{Item, Store, key, unavailable};
use crate::error::Error;

/// The most keys of one `BatchGetItem`.
const READS_AT_ONCE: usize = 100;
/// The most requests of one `BatchWriteItem`.
const DELETIONS_AT_ONCE: usize = 25;
/// How often the table may leave something undone before it counts as down.
const MOST_ROUNDS: u32 = 8;

impl Store {
    /// The items of these keys that are there, in no order, as they are after every write that was answered before. No key may
    /// be in the list twice.
    pub(super) async fn batch_get(&self, keys: Vec<Item>) -> Result<Vec<Item>, Error> {
        let mut found = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(READS_AT_ONCE) {
            self.get_chunk(chunk.to_vec(), &mut found).await?;
        }
        Ok(found)
    }

    async fn get_chunk(&self, mut keys: Vec<Item>, found: &mut Vec<Item>) -> Result<(), Error> {
        for round in 0..MOST_ROUNDS {
            wait_before(round).await;
            let request = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .build()
                .map_err(Error::internal)?;
            let get = self.client.batch_get_item().request_items(&self.table, request);
            let answer = get.send().await.map_err(unavailable)?;
            // Limits are read here: an answer without its items, or that does not say what it left, must not be taken for one that
            // found none and left nothing. Where nothing is left there is an empty map (BatchGetItem, `UnprocessedKeys`).
            let incomplete = || Error::unavailable("an answer to a batch of reads is not whole");
            let items = answer.responses.ok_or_else(incomplete)?.remove(&self.table);
            let left = answer.unprocessed_keys.ok_or_else(incomplete)?.remove(&self.table);
            match (items, left) {
                (Some(items), None) => {
                    found.extend(items);
                    return Ok(());
                }
                (items, Some(left)) => {
                    found.extend(items.into_iter().flatten());
                    keys = left.keys;
                }
                (None, None) => return Err(incomplete()),
            }
        }
        Err(Error::unavailable("the table does not get to the end of a read"))
    }

    /// Removes the items of these keys. Removing what is not there is no error.
    pub(super) async fn batch_delete(&self, keys: impl Iterator<Item = key::Key>) -> Result<(), Error> {
        let requests: Vec<WriteRequest> = keys.map(deletion).collect::<Result<_, _>>()?;
        for chunk in requests.chunks(DELETIONS_AT_ONCE) {
            self.delete_chunk(chunk.to_vec()).await?;
        }
        Ok(())
    }

    async fn delete_chunk(&self, mut requests: Vec<WriteRequest>) -> Result<(), Error> {
        for round in 0..MOST_ROUNDS {
            wait_before(round).await;
            let write = self.client.batch_write_item().request_items(&self.table, requests);
            let answer = write.send().await.map_err(unavailable)?;
            // Where nothing is left there is an empty map (BatchWriteItem, `UnprocessedItems`).
            let left = answer.unprocessed_items;
            let mut left = left.ok_or_else(|| Error::unavailable("an answer to a batch of deletions is not whole"))?;
            match left.remove(&self.table) {
                Some(left) => requests = left,
                None => return Ok(()),
            }
        }
        Err(Error::unavailable("the table does not get to the end of a deletion"))
    }
}

fn deletion(key: key::Key) -> Result<WriteRequest, Error> {
    let delete = DeleteRequest::builder().set_key(Some(key.into_item())).build();
    let delete = delete.map_err(Error::internal)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

/// What a table leaves undone it leaves because it is asked too much.
async fn wait_before(round: u32) {
    if round > 0 {
        tokio::time::sleep(Duration::from_millis(25 << round)).await;
    }
}
