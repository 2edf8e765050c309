//! Which targets of model calls rest, so that what one environment has learned the others need not learn again: one item, an
//! attribute for each target.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{Store, key, unavailable};
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
        let attributes = answer.item.unwrap_or_default().into_iter();
        Ok(attributes.filter_map(|(name, value)| rest(&name, &value)).collect())
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

fn rest(name: &str, value: &AttributeValue) -> Option<(String, Timestamp)> {
    let millis = value.as_n().ok()?.parse().ok()?;
    let until = Timestamp::from_millisecond(millis).ok()?;
    Some((name.strip_prefix(PREFIX)?.to_owned(), until))
}
