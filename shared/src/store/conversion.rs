//! The change of one kind of items from one form (their `v`) to the next, and back.
//!
//! A conversion sees the attributes of its footprint and no other, and a write is made on the condition that the item's version and all
//! of its footprint are as they were read: whatever else changes meanwhile (a sweep's mark, a revision) stays, and nothing that the result
//! rests on can. A converted item keeps a digest of what it was ([`MARK`]): so each can be checked alone, and the way back proves that it
//! gives the old bytes. Items that were written in the new form have none.

use aws_lc_rs::digest::{Context, SHA256};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
};
use serde::{Deserialize, Serialize};

use super::canonical::{canonical, members};
use super::{Item, Store, key, sort_key, unavailable};
use crate::error::Error;

/// From the footprint in one form to the footprint in the other.
pub type Convert = fn(Item) -> Result<Item, Error>;

/// The digest of the footprint that a converted item had, and of its key: 8 bytes.
const MARK: &str = "was";
/// The form of an item.
const VERSION: &str = "v";
/// So often an item is looked at again that others change at that moment.
const MOST_TRIES: usize = 8;
/// What a write takes where the table does not say: an item of a kilobyte, and its copy in the index.
const UNITS_A_WRITE: f64 = 2.0;

/// What is changed, and how.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    /// What the partition keys of the items begin with.
    pub prefix: &'static str,
    /// The version of the old form.
    pub from: u32,
    /// The version of the new form.
    pub to: u32,
    /// All attributes that it reads or writes, besides the version.
    pub footprint: &'static [&'static str],
    /// From old to new.
    pub up: Convert,
    /// From new to old. What `up` made it must give back to the byte.
    pub down: Convert,
}

/// In which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// To the new form.
    Up,
    /// To the old form.
    Down,
}

/// What is to be said of an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Converted {
    /// It is in the wanted form; if it was converted, with its mark.
    There(Option<u64>),
    /// It is to be converted: its footprint then, and its mark.
    ToDo(Item, Option<u64>),
    /// It is of another version, which this has nothing to do with.
    Other,
    /// It is gone.
    Gone,
    /// It cannot be converted, or is not what it was converted to.
    Wrong(&'static str),
}

/// Where a scan goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanPlace {
    pk: String,
    sk: String,
}

/// A page of a scan.
#[derive(Debug)]
pub struct ScanPage {
    /// Keys, versions, marks and footprints.
    pub items: Vec<Item>,
    /// Where the next page begins; none at the end.
    pub next: Option<ScanPlace>,
    /// The capacity that it took.
    pub units: f64,
}

impl Conversion {
    /// Looks at an item that is to be in the form that `way` leads to.
    pub fn judge(&self, way: Way, item: &Item) -> Converted {
        let judged = match version(item) {
            Ok(version) if version == self.from => self.old(way, item),
            Ok(version) if version == self.to => self.of_the_new_form(way, item),
            Ok(_) => Ok(Converted::Other),
            Err(reason) => Err(reason),
        };
        judged.unwrap_or_else(Converted::Wrong)
    }

    fn old(&self, way: Way, item: &Item) -> Result<Converted, &'static str> {
        if item.contains_key(MARK) {
            return Err("it has the mark of another form");
        }
        if way == Way::Down {
            return Ok(Converted::There(None));
        }
        let old = self.footprint(item);
        let new = (self.up)(old.clone()).map_err(|_| "it cannot be converted")?;
        let back = (self.down)(new.clone()).map_err(|_| "it could not be converted back")?;
        if back != old {
            return Err("it would not come back as it is");
        }
        Ok(Converted::ToDo(new, Some(digest(item, &old))))
    }

    fn of_the_new_form(&self, way: Way, item: &Item) -> Result<Converted, &'static str> {
        let new = self.footprint(item);
        let mark = mark(item)?;
        let old = (self.down)(new.clone()).map_err(|_| "it cannot be converted back")?;
        if mark.is_some_and(|mark| mark != digest(item, &old)) {
            return Err("it is not what it was converted to");
        }
        if (self.up)(old.clone()).map_err(|_| "it could not be converted again")? != new {
            return Err("it is not as it would be converted");
        }
        Ok(match way {
            Way::Up => Converted::There(mark),
            Way::Down => Converted::ToDo(old, None),
        })
    }

    fn footprint(&self, item: &Item) -> Item {
        let present = self.footprint.iter().filter_map(|name| item.get_key_value(*name));
        present.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn target(&self, way: Way) -> u32 {
        match way {
            Way::Up => self.to,
            Way::Down => self.from,
        }
    }
}

impl Store {
    /// A page of a segment of the table: the items of a conversion's kind, as they are after every write that was answered before.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn scan_items(
        &self,
        conversion: &Conversion,
        (segment, segments): (u16, u16),
        after: Option<&ScanPlace>,
        limit: u16,
    ) -> Result<ScanPage, Error> {
        let names = [key::PARTITION, key::SORT, VERSION, MARK];
        let names = names.iter().chain(conversion.footprint);
        let mut scan = self.client.scan().table_name(&self.table).consistent_read(true);
        let mut wanted = Vec::new();
        for (index, name) in names.enumerate() {
            wanted.push(format!("#n{index}"));
            scan = scan.expression_attribute_names(format!("#n{index}"), *name);
        }
        let answer = scan
            .projection_expression(wanted.join(", "))
            .filter_expression("begins_with(#n0, :prefix)")
            .expression_attribute_values(":prefix", AttributeValue::S(conversion.prefix.to_owned()))
            .set_exclusive_start_key(after.map(|place| key::Key::new(&place.pk, &place.sk).into_item()))
            .segment(segment.into())
            .total_segments(segments.into())
            .limit(limit.into())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(unavailable)?;
        page(answer)
    }

    /// Converts an item, unless it is in the wanted form already, whatever others do to it meanwhile; and the capacity that it took.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it is converted or not; doing it again is safe.
    pub async fn convert(&self, conversion: &Conversion, way: Way, item: &Item) -> Result<(Converted, f64), Error> {
        let (mut current, mut units) = (item.clone(), 0.0);
        for _ in 0..MOST_TRIES {
            let (new, mark) = match conversion.judge(way, &current) {
                Converted::ToDo(new, mark) => (new, mark),
                other => return Ok((other, units)),
            };
            let (outcome, taken) = self.write_converted(conversion, way, &current, &new, mark).await?;
            units += taken;
            match outcome {
                Written::Done => return Ok((Converted::There(mark), units)),
                Written::Gone => return Ok((Converted::Gone, units)),
                Written::Changed(item) => current = item,
            }
        }
        Err(Error::unavailable("an item is changed by others at every try"))
    }

    async fn write_converted(
        &self,
        conversion: &Conversion,
        way: Way,
        read: &Item,
        new: &Item,
        mark: Option<u64>,
    ) -> Result<(Written, f64), Error> {
        let mut after = new.clone();
        after.insert(
            VERSION.to_owned(),
            AttributeValue::N(conversion.target(way).to_string()),
        );
        if let Some(mark) = mark {
            after.insert(MARK.to_owned(), AttributeValue::B(Blob::new(mark.to_be_bytes())));
        }
        let names = conversion.footprint.iter().copied().chain([VERSION, MARK]);
        let change = Change::of(names, read, &after);
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(primary_key(read)?.into_item()))
            .update_expression(change.update())
            .condition_expression(change.conditions.join(" AND "))
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values(Some(change.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(done) => Ok((
                Written::Done,
                units(done.consumed_capacity.as_ref()).unwrap_or(UNITS_A_WRITE),
            )),
            Err(SdkError::ServiceError(failure)) => match failure.into_err() {
                UpdateItemError::ConditionalCheckFailedException(refusal) => {
                    let outcome = refusal.item.filter(|item| !item.is_empty());
                    Ok((outcome.map_or(Written::Gone, Written::Changed), UNITS_A_WRITE))
                }
                other => Err(Error::unavailable(other)),
            },
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// What became of a write.
enum Written {
    Done,
    Gone,
    /// The item is not as it was read, but so.
    Changed(Item),
}

/// The difference of two states of some attributes, as expressions.
#[derive(Default)]
struct Change {
    conditions: Vec<String>,
    sets: Vec<String>,
    removes: Vec<String>,
    names: std::collections::HashMap<String, String>,
    values: Item,
}

impl Change {
    fn of<'n>(names: impl Iterator<Item = &'n str>, read: &Item, after: &Item) -> Self {
        let mut change = Self::default();
        for (index, name) in names.enumerate() {
            change.attribute(index, name, read.get(name), after.get(name));
        }
        change
    }

    fn attribute(&mut self, index: usize, name: &str, read: Option<&AttributeValue>, after: Option<&AttributeValue>) {
        let (place, was, is) = (format!("#n{index}"), format!(":was{index}"), format!(":is{index}"));
        self.names.insert(place.clone(), name.to_owned());
        if let Some(value) = read {
            self.conditions.push(format!("{place} = {was}"));
            self.values.insert(was, value.clone());
        } else {
            self.conditions.push(format!("attribute_not_exists({place})"));
        }
        match after {
            Some(value) if read != Some(value) => {
                self.sets.push(format!("{place} = {is}"));
                self.values.insert(is, value.clone());
            }
            None if read.is_some() => self.removes.push(place),
            _ => {}
        }
    }

    fn update(&self) -> String {
        let mut text = format!("SET {}", self.sets.join(", "));
        if !self.removes.is_empty() {
            text.push_str(&format!(" REMOVE {}", self.removes.join(", ")));
        }
        text
    }
}

fn page(answer: ScanOutput) -> Result<ScanPage, Error> {
    let units = units(answer.consumed_capacity.as_ref()).unwrap_or(f64::from(answer.scanned_count));
    let place = |key: Item| {
        let pk = key.get(key::PARTITION).and_then(|value| value.as_s().ok()).cloned();
        let pk = pk.ok_or_else(|| Error::internal("a last key without a partition key"))?;
        Ok::<_, Error>(ScanPlace {
            pk,
            sk: sort_key(&key)?,
        })
    };
    Ok(ScanPage {
        items: answer
            .items
            .ok_or_else(|| Error::internal("an answer to a scan without its items"))?,
        next: answer.last_evaluated_key.map(place).transpose()?,
        units,
    })
}

fn units(capacity: Option<&ConsumedCapacity>) -> Option<f64> {
    capacity.and_then(ConsumedCapacity::capacity_units)
}

/// The primary key of an item.
fn primary_key(item: &Item) -> Result<key::Key, Error> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    match (text(key::PARTITION), text(key::SORT)) {
        (Some(partition), Some(sort)) => Ok(key::Key::new(partition, sort)),
        _ => Err(Error::internal("an item without its key")),
    }
}

/// The key of an item, for people.
pub(super) fn named(item: &Item) -> String {
    let text = |name: &str| {
        item.get(name)
            .and_then(|value| value.as_s().ok())
            .map_or("", String::as_str)
    };
    format!("{} {}", text(key::PARTITION), text(key::SORT))
}

impl ScanPage {
    /// The key of an item, for people.
    pub fn named(item: &Item) -> String {
        named(item)
    }
}

/// No reader takes an item without one, so none is of another version for that.
fn version(item: &Item) -> Result<u32, &'static str> {
    let digits = item.get(VERSION).ok_or("it has no version")?;
    let digits = digits.as_n().map_err(|_| "its version is no number")?;
    digits.parse().map_err(|_| "its version is no number")
}

fn mark(item: &Item) -> Result<Option<u64>, &'static str> {
    let Some(value) = item.get(MARK) else {
        return Ok(None);
    };
    let bytes = value
        .as_b()
        .ok()
        .and_then(|blob| <[u8; 8]>::try_from(blob.as_ref()).ok());
    bytes
        .map(|bytes| Some(u64::from_be_bytes(bytes)))
        .ok_or("its mark is none")
}

/// The first 8 bytes of the SHA-256 of an item's key and of what it was.
fn digest(item: &Item, footprint: &Item) -> u64 {
    let mut context = Context::new(&SHA256);
    let mut bytes = Vec::new();
    for name in [key::PARTITION, key::SORT] {
        canonical(item.get(name), &mut bytes);
    }
    members(footprint, &mut bytes);
    context.update(&bytes);
    let digest = context.finish();
    let first = digest.as_ref().iter().take(8);
    first.fold(0, |mark, byte| mark << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
