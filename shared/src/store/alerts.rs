//! Alerts on their way: an outbox of its own, since what raised one may be gone when a receiver is back.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sweep::refusal;
use super::{Cursor, List, Page, Store, item, key, unavailable};
use crate::budget::{Amount, BudgetId};
use crate::error::Error;

const VERSION: u32 = 1;

/// An alert that is to go out: so much of a budget is spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingAlert {
    /// The event's id: the same for each delivery, so that a receiver can tell a repetition.
    pub event_id: String,
    /// Whose budget, and which window.
    pub budget: BudgetId,
    /// How much of it, in percent.
    pub percent: u8,
    /// What was spent when it was seen.
    pub spent: Amount,
    /// Of what.
    pub limit: Amount,
    /// When it was seen.
    pub raised_at: Timestamp,
    /// To which targets it was delivered.
    #[serde(default)]
    pub delivered_to: Vec<String>,
}

impl Store {
    /// Puts an alert into the outbox. Of one that is there already nothing changes.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn put_alert(&self, alert: &PendingAlert) -> Result<(), Error> {
        self.insert(item(key::alert(&alert.event_id), VERSION, alert)?)
            .await
            .map(drop)
    }

    /// The alerts that are to go out.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn pending_alerts(&self, limit: usize, after: Option<&Cursor>) -> Result<Page<PendingAlert>, Error> {
        let partition = key::ALERTS.to_owned();
        self.list(List {
            partition,
            prefix: None,
            newest_first: false,
            limit,
            after,
        })
        .await
    }

    /// Takes an alert to deliver it, until `until`. `false`: it is gone, or another sweep has it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn take_alert(&self, event_id: &str, now: Timestamp, until: Timestamp) -> Result<bool, Error> {
        let seconds = |at: Timestamp| AttributeValue::N(at.as_second().to_string());
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::alert(event_id).into_item()))
            .update_expression("SET taken_until = :until")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(taken_until) OR taken_until <= :now)")
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":until", seconds(until))
            .send()
            .await;
        refusal(outcome.map(drop)).map(|refused| refused.is_none())
    }

    /// Gives an alert back that was not delivered to all targets, and notes to which it was.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn return_alert(&self, event_id: &str, delivered_to: &[String]) -> Result<(), Error> {
        let targets = delivered_to.iter().cloned().map(AttributeValue::S).collect();
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::alert(event_id).into_item()))
            .update_expression("SET delivered_to = :targets REMOVE taken_until")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":targets", AttributeValue::L(targets))
            .send()
            .await;
        refusal(outcome.map(drop)).map(drop)
    }

    /// Takes an alert out of the outbox. Taking out what is gone is no error.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn forget_alert(&self, event_id: &str) -> Result<(), Error> {
        let delete = self.client.delete_item().table_name(&self.table);
        delete
            .set_key(Some(key::alert(event_id).into_item()))
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }
}
