//! Calls that have a row: their holds are settled, their rows go into the rollups once, and then they are forgotten.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _};
use gateway::budget::{Amount, BudgetId, Charge};
use gateway::error::Error;
use gateway::rollup::{Period, Sums};
use gateway::store::{CallKey, OpenCall, UsageRow, hold_name};

use crate::pass::{Finished, Pass, Step};

/// So many holds are settled at once.
const SETTLED_AT_ONCE: usize = 16;

/// The budgets that calls hold a part of, each once.
pub(crate) fn budgets_of<'a>(calls: impl Iterator<Item = &'a OpenCall>) -> Result<Vec<BudgetId>, Error> {
    let mut all = BTreeSet::new();
    for call in calls {
        all.extend(call.budgets()?);
    }
    Ok(all.into_iter().collect())
}

/// A hold that is left.
struct Leftover<'a> {
    budget: BudgetId,
    request_id: &'a str,
    held: Amount,
    spent: Amount,
}

impl Pass<'_> {
    /// Finishes calls that were read after batch `self.seq` was closed.
    pub(crate) async fn finish(&mut self, batch: Vec<Finished>) -> Result<Step, Error> {
        self.settle(&batch).await?;
        let (done, new): (Vec<_>, Vec<_>) = batch.into_iter().partition(|it| it.row.rolled_up.is_some());
        if !done.is_empty() {
            // Whoever put them into the rollups did not live to forget them.
            let calls: Vec<_> = done.into_iter().map(|it| it.call).collect();
            let keys: Vec<_> = calls.iter().map(CallKey::of).collect();
            self.look_after_budgets(&calls).await?;
            self.state.store.forget_calls(&keys).await?;
        }
        if new.is_empty() {
            return Ok(Step::Done);
        }
        let keys: Vec<_> = new.iter().map(|it| CallKey::of(&it.call)).collect();
        if !self.state.store.open_batch(self.seq, &keys).await? {
            return Ok(Step::Overtaken);
        }
        self.seq += 1;
        let (calls, rows): (Vec<_>, Vec<_>) = new.into_iter().map(|it| (it.call, it.row.row)).unzip();
        self.close(&keys, &calls, &rows).await?;
        Ok(Step::Done)
    }

    /// Finishes the open batch `self.seq` of another run, or does again what it does at this moment.
    pub(crate) async fn finish_again(&mut self, keys: &[CallKey]) -> Result<(), Error> {
        let store = &self.state.store;
        let rows: Vec<_> = store.rows_of(keys).await?.into_values().map(|it| it.row).collect();
        if rows.len() < keys.len() {
            tracing::error!(missing = keys.len() - rows.len(), "rows of an open batch are gone");
        }
        let calls = store.still_open(keys).await?;
        self.close(keys, &calls, &rows).await
    }

    /// All steps of an open batch. Each may be done again, and the order is what makes that right: a call is forgotten only
    /// when its row is in every sum and its budgets are looked after, and the batch is closed only when all are forgotten.
    async fn close(&mut self, keys: &[CallKey], calls: &[OpenCall], rows: &[UsageRow]) -> Result<(), Error> {
        let mut sums = Sums::default();
        for row in rows {
            sums.add(&row.counted(), &Period::ALL);
        }
        let store = &self.state.store;
        store.add_to_rollups(self.seq, sums).await?;
        store.mark_rolled_up(self.seq, keys).await?;
        self.look_after_budgets(calls).await?;
        let store = &self.state.store;
        store.forget_calls(keys).await?;
        store.close_batch(self.seq).await?;
        self.report.rolled_up += rows.len() as u64;
        Ok(())
    }

    /// Settles what the calls' functions left held, by the rows.
    async fn settle(&mut self, batch: &[Finished]) -> Result<(), Error> {
        let budgets = budgets_of(batch.iter().map(|it| &it.call))?;
        let states = self.state.store.budget_states(&budgets).await?;
        let mut left = Vec::new();
        for it in batch {
            let name = hold_name(&it.call.request_id);
            let charge = Charge::of(&it.row.row.usage, it.row.row.cost_picodollars);
            for budget in it.call.budgets()? {
                if let Some(held) = states.get(&budget).and_then(|state| state.holds.get(&name)) {
                    left.push(Leftover {
                        spent: charge.amount(budget.unit),
                        budget,
                        request_id: &it.call.request_id,
                        held: *held,
                    });
                }
            }
        }
        self.report.settled_holds += self.settle_all(&left).await?;
        Ok(())
    }

    /// Gives back all that a call holds, as one that was never billed.
    pub(crate) async fn release(&self, call: &OpenCall) -> Result<(), Error> {
        for budget in call.budgets()? {
            self.state.store.release_hold(&budget, &call.request_id).await?;
        }
        Ok(())
    }

    async fn settle_all(&self, left: &[Leftover<'_>]) -> Result<u64, Error> {
        let store = &self.state.store;
        let settle = |it: &Leftover<'_>| {
            let (budget, request_id, held, spent) = (it.budget.clone(), it.request_id.to_owned(), it.held, it.spent);
            async move { store.settle_hold(&budget, &request_id, held, spent).await }
        };
        futures_util::stream::iter(left.iter().map(settle))
            .buffer_unordered(SETTLED_AT_ONCE)
            .try_fold(0, |sum, left| async move { Ok(sum + u64::from(left.is_some())) })
            .await
    }
}
