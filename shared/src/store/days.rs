//! Usage rows by day, whosever they are: the index `by_day`.

use super::sweep::{SweptRow, swept};
use super::{Item, Store, key, unavailable};
use crate::error::Error;
use aws_sdk_dynamodb::types::AttributeValue;

const INDEX: &str = "by_day";

/// Where to go on in a day's rows.
#[derive(Clone, Debug)]
pub struct DayPlace(Item);

impl Store {
    /// A page of a day's rows (at most a megabyte), the day as `2026-11-25`, in the order of time; and where the next page begins.
    /// The index follows the table within a moment; the newest rows may be missing.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn rows_of_day(
        &self,
        day: &str,
        after: Option<DayPlace>,
    ) -> Result<(Vec<SweptRow>, Option<DayPlace>), Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("#day = :day")
            .expression_attribute_names("#day", key::DAY)
            .expression_attribute_values(":day", AttributeValue::S(day.to_owned()))
            .set_exclusive_start_key(after.map(|place| place.0))
            .send()
            .await
            .map_err(unavailable)?;
        let items = answer
            .items
            .ok_or_else(|| Error::internal("an answer to a query without its items"))?;
        let rows = items.into_iter().map(swept).collect::<Result<_, _>>()?;
        Ok((rows, answer.last_evaluated_key.map(DayPlace)))
    }
}
