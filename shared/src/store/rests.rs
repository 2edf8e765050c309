//! Which targets of model calls rest, so that what one environment has learned the others need not learn again: one item, an
//! attribute for each target.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::prefixed::numbers;
use super::{Item, Store, key, unavailable};
use crate::error::Error;

/// What the attributes begin with; behind it stands the target's name.
const PREFIX: &str = "rests:";
/// How long the item outlives the last rest, in seconds.
const KEPT_SECONDS: i64 = 86_400;

impl Store {
    /// The targets that were put to rest, and until when.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn rests(&self) -> Result<Vec<(String, Timestamp)>, Error> {
        let get = self.client.get_item().table_name(&self.table);
        let answer = get
            .set_key(Some(key::rests().into_item()))
            .send()
            .await
            .map_err(unavailable)?;
        // There is no item while nothing has rested.
        answer.item.map_or(Ok(Vec::new()), |item| rests(&item))
    }

    /// Writes that a target rests until then. Of two who write, the last counts.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn put_to_rest(&self, target: &str, until: Timestamp) -> Result<(), Error> {
        let number = |value: i64| AttributeValue::N(value.to_string());
        let update = self.client.update_item().table_name(&self.table);
        update
            .set_key(Some(key::rests().into_item()))
            .update_expression("SET #target = :until, expires_at = :expires")
            .expression_attribute_names("#target", format!("{PREFIX}{target}"))
            .expression_attribute_values(":until", number(until.as_millisecond()))
            .expression_attribute_values(":expires", number(until.as_second() + KEPT_SECONDS))
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }
}

/// The rests of an item. One that is there and cannot be read is a fault, and not a target that is well.
fn rests(item: &Item) -> Result<Vec<(String, Timestamp)>, Error> {
    let ends = numbers(item, PREFIX)?.into_iter();
    ends.map(|(target, millis)| Ok((target, Timestamp::from_millisecond(millis).map_err(Error::internal)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_that_cannot_be_read_is_a_fault_and_the_items_other_attributes_are_none() {
        let number = |digits: &str| AttributeValue::N(digits.to_owned());
        let mut item = Item::from([
            (format!("{PREFIX}east"), number("7000")),
            ("expires_at".to_owned(), number("9")),
            ("pk".to_owned(), AttributeValue::S("p".to_owned())),
        ]);
        let seven = Timestamp::from_second(7).unwrap();
        assert_eq!(rests(&item).unwrap(), [("east".to_owned(), seven)]);
        for bad in [AttributeValue::S("7".to_owned()), number("9223372036854775807")] {
            item.insert(format!("{PREFIX}west"), bad);
            assert!(rests(&item).is_err());
        }
    }
}
