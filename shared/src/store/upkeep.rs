//! What the sweep does to budgets: it carries changed limits to states, and claims alerts.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::budgets::{difference, number, state};
use super::sweep::refusal;
use super::{BudgetState, Store, key};
use crate::budget::{Amount, BudgetId};
use crate::error::Error;

/// What becomes of a claim to raise an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is raised, and is to be delivered.
    Now,
    /// It was raised before, and is still to be delivered.
    Pending,
    /// It was raised and delivered before.
    Done,
}

/// The percentages whose alert was raised; it may still be on its way.
const ALERTED: &str = "alerted";
/// Those of them that are on their way.
const ALERTING: &str = "alerting";

impl Store {
    /// The states of these budgets, of those that have one.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn budget_states(&self, budgets: &[BudgetId]) -> Result<HashMap<BudgetId, BudgetState>, Error> {
        let place = |budget: &BudgetId| key::budget_state(budget).into_item();
        let items = self.batch_get(budgets.iter().map(place).collect()).await?;
        let mut found = HashMap::new();
        for budget in budgets {
            let place = place(budget);
            let item = items
                .iter()
                .find(|item| place.iter().all(|(name, value)| item.get(name) == Some(value)));
            if let Some(item) = item {
                found.insert(budget.clone(), state(item)?);
            }
        }
        Ok(found)
    }

    /// Changes the limit of a state from what it was seen to be, and what is left with it. `false`: it is not that any more.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may be changed or not; doing it again is safe.
    pub async fn change_limit(&self, budget: &BudgetId, from: Amount, to: Amount) -> Result<bool, Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::budget_state(budget).into_item()))
            .update_expression("SET #limit = :to, available = available + :more")
            .condition_expression("#limit = :from")
            .expression_attribute_names("#limit", "limit")
            .expression_attribute_values(":from", number(from))
            .expression_attribute_values(":to", number(to))
            .expression_attribute_values(":more", difference(to, from))
            .send()
            .await;
        refusal(outcome.map(drop)).map(|refused| refused.is_none())
    }

    /// Raises the alert of a percentage, once for each state.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may be raised or not; doing it again is safe.
    pub async fn claim_alert(&self, budget: &BudgetId, percent: u8) -> Result<Claim, Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::budget_state(budget).into_item()))
            .update_expression("ADD #alerted :percents, #alerting :percents")
            .condition_expression("attribute_exists(pk) AND NOT contains(#alerted, :percent)")
            .expression_attribute_names("#alerted", ALERTED)
            .expression_attribute_names("#alerting", ALERTING)
            .expression_attribute_values(":percents", AttributeValue::Ns(vec![percent.to_string()]))
            .expression_attribute_values(":percent", AttributeValue::N(percent.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Some(item) = refusal(outcome.map(drop))? else {
            return Ok(Claim::Now);
        };
        let percents = item.get(ALERTING).and_then(|value| value.as_ns().ok());
        let pending = percents.is_some_and(|all| all.iter().any(|it| *it == percent.to_string()));
        Ok(if pending { Claim::Pending } else { Claim::Done })
    }

    /// Notes that the alert of a percentage has been delivered. Noting it again changes nothing.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may be noted or not; doing it again is safe.
    pub async fn alert_is_delivered(&self, budget: &BudgetId, percent: u8) -> Result<(), Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::budget_state(budget).into_item()))
            .update_expression("DELETE #alerting :percents")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#alerting", ALERTING)
            .expression_attribute_values(":percents", AttributeValue::Ns(vec![percent.to_string()]))
            .send()
            .await;
        refusal(outcome.map(drop)).map(drop)
    }
}
