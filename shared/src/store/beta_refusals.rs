//! Beta flags that Bedrock refuses of a model: one item a model, an attribute for each set of flags, with its end.
//!
//! Environments write into one item without knowing of each other, so nothing is read before it is written.

use aws_sdk_dynamodb::types::AttributeValue;

use super::prefixed::numbers;
use super::{Store, key, unavailable};
use crate::error::Error;

/// What the attributes begin with; behind it stand the flags.
const PREFIX: &str = "refused:";
/// How long an item outlives the last set's end, in seconds: DynamoDB takes its time, and another set may end later.
const KEPT_SECONDS: i64 = 86_400;

impl Store {
    /// The sets of flags that are refused of a model, in the words of [`Self::refuse_betas`], and when that ends, in seconds since
    /// the Unix epoch.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn refused_betas(&self, model: &str) -> Result<Vec<(String, i64)>, Error> {
        let get = self.client.get_item().table_name(&self.table);
        let answer = get
            .set_key(Some(key::beta_refusals(model).into_item()))
            .send()
            .await
            .map_err(unavailable)?;
        // There is no item while nothing was refused.
        answer.item.map_or(Ok(Vec::new()), |item| numbers(&item, PREFIX))
    }

    /// Writes that a set of flags is refused of a model until then (seconds since the Unix epoch), and forgets the sets in `over`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn refuse_betas(&self, model: &str, flags: &str, until: i64, over: &[String]) -> Result<(), Error> {
        let number = |value: i64| AttributeValue::N(value.to_string());
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::beta_refusals(model).into_item()))
            .expression_attribute_names("#flags", format!("{PREFIX}{flags}"))
            .expression_attribute_values(":until", number(until))
            .expression_attribute_values(":expires", number(until + KEPT_SECONDS));
        let mut expression = "SET #flags = :until, expires_at = :expires".to_owned();
        for (index, flags) in over.iter().enumerate() {
            expression.push_str(if index == 0 { " REMOVE " } else { ", " });
            expression.push_str(&format!("#over{index}"));
            update = update.expression_attribute_names(format!("#over{index}"), format!("{PREFIX}{flags}"));
        }
        update
            .update_expression(expression)
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Item;

    #[test]
    fn a_set_that_cannot_be_read_is_a_fault_and_the_items_other_attributes_are_none() {
        let mut item = Item::from([
            ("refused:a b".to_owned(), AttributeValue::N("7".to_owned())),
            ("expires_at".to_owned(), AttributeValue::N("9".to_owned())),
            ("pk".to_owned(), AttributeValue::S("p".to_owned())),
        ]);
        assert_eq!(numbers(&item, PREFIX).unwrap(), [("a b".to_owned(), 7)]);
        for bad in [AttributeValue::S("7".to_owned()), AttributeValue::N("7.5".to_owned())] {
            item.insert("refused:c".to_owned(), bad);
            assert!(numbers(&item, PREFIX).is_err());
        }
    }
}
