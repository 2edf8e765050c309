//! After a call: its row is written, and then every budget that held its worst case takes what it really cost.

use futures_util::future::join_all;

use super::Models;
use crate::budget::{BudgetId, Charge, Unit};
use crate::error::Error;
use crate::money::Picodollars;
use crate::store::{OpenCall, Recorded, UsageRow};

/// What came of settling a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settlement {
    /// What it cost; none if that could not be recorded.
    pub(super) cost: Option<Picodollars>,
    /// What the tightest budget of money has left, if there is one.
    pub(super) remaining: Option<Picodollars>,
}

impl Settlement {
    /// Writes `row`, then settles the budgets side by side. The row is first: it is the truth of what the call cost, by which
    /// the sweep settles whatever is not settled here. Of a call that has a row already (the sweep took this function for dead)
    /// that row counts.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] when the row cannot be written, those of [`OpenCall::budgets`]. That a budget cannot be settled
    /// is no error: the call stays in the outbox, and the sweep settles it.
    pub(super) async fn of(models: &Models, call: &OpenCall, row: &UsageRow) -> Result<Self, Error> {
        let recorded = models.store.record_usage(row, models.retention_days).await?;
        let told = match &recorded {
            Recorded::Now => row,
            Recorded::Before(earlier) => earlier,
        };
        let charge = Charge::of(&told.usage, told.cost_picodollars);
        let budgets = call.budgets()?;
        let settle = |budget| settle(models, call, budget, &charge);
        let left = join_all(budgets.iter().map(settle)).await;
        Ok(Self {
            cost: Some(told.cost_picodollars),
            remaining: left.into_iter().flatten().min(),
        })
    }
}

/// What a budget of money has left.
async fn settle(models: &Models, call: &OpenCall, budget: &BudgetId, charge: &Charge) -> Option<Picodollars> {
    let (held, spent) = (call.worst.amount(budget.unit), charge.amount(budget.unit));
    match models.store.settle_hold(budget, &call.request_id, held, spent).await {
        Ok(left) => {
            count("settled");
            left.filter(|_| budget.unit == Unit::Picodollars)
                .map(|left| left.available.as_money())
        }
        Err(error) => {
            count("left");
            tracing::warn!(error = ?error, request_id = call.request_id, "a budget is left to the sweep to settle");
            None
        }
    }
}

fn count(result: &'static str) {
    metrics::counter!("budget_settlements_total", "result" => result).increment(1);
}
