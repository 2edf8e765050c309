//! Counters of metrics: an item for each function and shard, an attribute for each number. Numbers are only added to.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};

use super::{Item, List, Store, key, sort_key, unavailable};
use crate::error::Error;
use crate::telemetry::tally::Tally;

/// Over so many items the environments of a function spread: one takes about a thousand writes a second.
pub const COUNTER_SHARDS: u32 = 8;
/// The item of a function that holds what has a value now.
const STANDING: &str = "now";
/// So many numbers are changed in one expression; DynamoDB takes 4 KB of one.
const NUMBERS_AT_ONCE: usize = 150;
/// So many items are read at once. Of all functions together there are fewer.
const PAGE: usize = 1_000;

/// What an environment adds, once.
#[derive(Clone, Debug)]
pub struct CounterBatch {
    token: String,
    function: String,
    shard: u32,
    growing: Vec<(String, u64)>,
    standing: Vec<(String, f64)>,
}

impl CounterBatch {
    /// All of a tally. Two batches never have the same token (at most 34 characters).
    pub fn new(token: String, function: &str, shard: u32, tally: &Tally) -> Self {
        Self {
            token,
            function: function.to_owned(),
            shard,
            growing: tally.growing(),
            standing: tally.standing(),
        }
    }
}

impl Store {
    /// Adds a batch, once, however often this is repeated within ten minutes.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then all, some or nothing of it was added; doing it again is safe.
    pub async fn add_to_counters(&self, batch: &CounterBatch) -> Result<(), Error> {
        let shard = batch.shard.to_string();
        let growing = batch.growing.iter().map(|(name, more)| (name, more.to_string()));
        let standing = batch.standing.iter().map(|(name, value)| (name, value.to_string()));
        let (growing, standing): (Vec<_>, Vec<_>) = (growing.collect(), standing.collect());
        let growing = growing
            .chunks(NUMBERS_AT_ONCE)
            .map(|part| ("ADD", shard.as_str(), part));
        let standing = standing.chunks(NUMBERS_AT_ONCE).map(|part| ("SET", STANDING, part));
        for (number, (verb, place, part)) in growing.chain(standing).enumerate() {
            let update = self.update_of_counters(verb, key::counters(&batch.function, place), part)?;
            self.client
                .transact_write_items()
                .transact_items(TransactWriteItem::builder().update(update).build())
                .client_request_token(format!("{}-{number}", batch.token))
                .send()
                .await
                .map_err(unavailable)?;
        }
        Ok(())
    }

    fn update_of_counters(&self, verb: &str, key: key::Key, numbers: &[(&String, String)]) -> Result<Update, Error> {
        let between = if verb == "SET" { " = " } else { " " };
        let changes = (0..numbers.len()).map(|index| format!("#n{index}{between}:n{index}"));
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key.into_item()))
            .update_expression(format!("{verb} {}", changes.collect::<Vec<_>>().join(", ")));
        for (index, (name, number)) in numbers.iter().enumerate() {
            update = update
                .expression_attribute_names(format!("#n{index}"), name.as_str())
                .expression_attribute_values(format!(":n{index}"), AttributeValue::N(number.clone()));
        }
        update.build().map_err(Error::internal)
    }

    /// What every function has counted, by its name.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`], and [`crate::error::Kind::Internal`] for what is no count.
    pub async fn counters(&self) -> Result<BTreeMap<String, Tally>, Error> {
        let (mut functions, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self
                .list_items(List {
                    partition: key::COUNTERS.to_owned(),
                    prefix: None,
                    newest_first: false,
                    limit: PAGE,
                    after: after.as_ref(),
                })
                .await?;
            for item in &page.items {
                add(&mut functions, item)?;
            }
            // A page is of a megabyte at most, and an item may have 400 KB.
            after = page.next_cursor;
            if after.is_none() {
                return Ok(functions);
            }
        }
    }
}

/// Adds an item of a function. But for its key it has numbers alone.
fn add(functions: &mut BTreeMap<String, Tally>, item: &Item) -> Result<(), Error> {
    let place = sort_key(item)?;
    let function = place.split_once('#').map_or(place.as_str(), |(function, _)| function);
    let tally = functions.entry(function.to_owned()).or_default();
    let numbers = item
        .iter()
        .filter(|(name, _)| ![key::PARTITION, key::SORT].contains(&name.as_str()));
    for (name, value) in numbers {
        let number = value
            .as_n()
            .map_err(|_| Error::internal("a counter that is no number"))?;
        tally.read_number(name, number)?;
    }
    Ok(())
}
