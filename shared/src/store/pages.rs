//! Pages of a partition, and the places at which they begin.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;

use super::{Item, Store, key, unavailable};
use crate::error::Error;

/// The longest place, in bytes: two starts, two subjects and a model.
const MAX_PLACE: usize = 512;

/// One page of a list, and where the next one begins.
#[derive(Debug)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// To be handed back for the next page; none at the end.
    pub next_cursor: Option<Cursor>,
}

/// A place in a list. It is opaque to callers. It holds a sort key alone: the partition always comes from the caller's
/// identity, so a forged cursor shows nothing of another's. (In a list of everybody's rows it names the owner too, since that
/// list is for those who may see everybody's.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub(super) String);

impl Cursor {
    /// The text for the caller.
    pub fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(&self.0)
    }

    /// Reads what [`Cursor::encode`] wrote.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidRequest`] for anything else.
    pub fn decode(text: &str) -> Result<Self, Error> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Self::wrong())?;
        let key = String::from_utf8(bytes).map_err(|_| Self::wrong())?;
        let fits = (1..=MAX_PLACE).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(key)) } else { Err(Self::wrong()) }
    }

    /// A place in a list that is not the table's own order.
    pub fn at(place: String) -> Self {
        Self(place)
    }

    /// What [`Cursor::at`] was given.
    pub fn place(&self) -> &str {
        &self.0
    }

    /// The text for the caller, good for this listing alone. `listing` names the list and all its filters.
    pub fn encode_for(&self, listing: &str) -> String {
        format!("{}{}", Self::tag(listing), self.encode())
    }

    /// Reads what [`Cursor::encode_for`] wrote for the same listing.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidRequest`] for anything else.
    pub fn decode_for(text: &str, listing: &str) -> Result<Self, Error> {
        let place = text.strip_prefix(&Self::tag(listing)).ok_or_else(Self::wrong)?;
        Self::decode(place)
    }

    /// 48 bits of a digest of the listing: enough to tell mistakes, and nothing rests on more, since whose rows are listed never
    /// comes from a cursor.
    fn tag(listing: &str) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, listing.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(digest.as_ref().get(..6).unwrap_or_default())
    }

    pub(super) fn wrong() -> Error {
        Error::invalid("The cursor is not one of ours.")
    }
}

impl Store {
    /// Reads a page of a partition.
    pub(super) async fn list<T: DeserializeOwned>(&self, list: List<'_>) -> Result<Page<T>, Error> {
        let page = self.list_items(list).await?;
        Ok(Page {
            items: serde_dynamo::from_items(page.items).map_err(Error::internal)?,
            next_cursor: page.next_cursor,
        })
    }

    /// Reads a page of a partition, as it is.
    pub(super) async fn list_items(&self, list: List<'_>) -> Result<Page<Item>, Error> {
        let start = list.start()?;
        let mut values = Item::from([(":pk".to_owned(), AttributeValue::S(list.partition.clone()))]);
        let mut condition = "pk = :pk".to_owned();
        if let Some(prefix) = list.prefix {
            condition.push_str(" AND begins_with(sk, :prefix)");
            values.insert(":prefix".to_owned(), AttributeValue::S(prefix.to_owned()));
        }
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .scan_index_forward(!list.newest_first)
            .consistent_read(true)
            .limit(i32::try_from(list.limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(unavailable)?;
        let next_cursor = answer
            .last_evaluated_key
            .as_ref()
            .map(sort_key)
            .transpose()?
            .map(Cursor);
        let items = answer
            .items
            .ok_or_else(|| Error::internal("an answer to a query without its items"))?;
        Ok(Page { items, next_cursor })
    }
}

/// What part of a partition to read.
pub(super) struct List<'a> {
    pub(super) partition: String,
    pub(super) prefix: Option<&'a str>,
    pub(super) newest_first: bool,
    pub(super) limit: usize,
    pub(super) after: Option<&'a Cursor>,
}

impl List<'_> {
    /// Where to go on. DynamoDB refuses a place outside of what is asked for, which only a forged cursor names.
    fn start(&self) -> Result<Option<Item>, Error> {
        let Some(cursor) = self.after else {
            return Ok(None);
        };
        if self.prefix.is_some_and(|prefix| !cursor.0.starts_with(prefix)) {
            return Err(Cursor::wrong());
        }
        Ok(Some(key::Key::new(&self.partition, &cursor.0).into_item()))
    }
}

/// A list whose place cannot be read must not end as if it were whole.
pub(super) fn sort_key(key: &Item) -> Result<String, Error> {
    let text = key.get(key::SORT).map(AttributeValue::as_s);
    text.and_then(Result::ok)
        .cloned()
        .ok_or_else(|| Error::internal("a last key without a sort key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_no_other_text_is_one() {
        let cursor = Cursor("2026-01-01T00:00:00.000Z#r".into());
        assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
        for bad in [
            "",
            "!",
            "e30=",
            "\u{e9}",
            &BASE64_URL_SAFE_NO_PAD.encode("a b"),
            &BASE64_URL_SAFE_NO_PAD.encode([0xff]),
        ] {
            assert!(Cursor::decode(bad).is_err(), "{bad:?}");
        }
    }

    /// A-14
    #[test]
    fn a_cursor_of_one_listing_is_none_of_another() {
        let cursor = Cursor("2026-01-01T00:00:00.000Z#r".into());
        let text = cursor.encode_for("records of a");
        assert_eq!(Cursor::decode_for(&text, "records of a").unwrap(), cursor);
        for bad in [text.as_str(), "", "\u{e9}", &cursor.encode()] {
            assert!(Cursor::decode_for(bad, "records of b").is_err(), "{bad:?}");
        }
    }
}
