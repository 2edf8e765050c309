//! What the sweep knows of budgets' definitions, and what it does to states that calls touched.

use std::collections::HashMap;

use gateway::alerts::event_id;
use gateway::budget::{Amount, BudgetId, BudgetSet, DEFAULT_ID, Limit, ScopeKind};
use gateway::error::Error;
use gateway::store::{BudgetState, OpenCall, PendingAlert, Store};

use crate::finish::budgets_of;
use crate::pass::Pass;

/// So many definitions are read at once.
const READ_AT_ONCE: usize = 100;

/// Definitions, read once in a run.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    known: HashMap<(ScopeKind, String), Option<BudgetSet>>,
}

impl Definitions {
    /// Reads the definitions that decide on these budgets.
    pub(crate) async fn read(&mut self, store: &Store, budgets: &[BudgetId]) -> Result<(), Error> {
        let both = |budget: &BudgetId| [(budget.scope, budget.id.clone()), (budget.scope, DEFAULT_ID.to_owned())];
        let mut missing: Vec<_> = budgets.iter().flat_map(both).collect();
        missing.retain(|key| !self.known.contains_key(key));
        missing.sort();
        missing.dedup();
        for chunk in missing.chunks(READ_AT_ONCE) {
            let wanted: Vec<_> = chunk.iter().map(|(scope, id)| (*scope, id.as_str())).collect();
            let found = store.budget_sets(&wanted).await?;
            self.known.extend(chunk.iter().cloned().map(|key| (key, None)));
            let sets = found.into_iter().map(|set| ((set.scope, set.id.clone()), Some(set)));
            self.known.extend(sets);
        }
        Ok(())
    }

    /// The limit that a budget has: one of its own, else a default.
    pub(crate) fn limit(&self, budget: &BudgetId) -> Option<&Limit> {
        let own = |id: &str| {
            let set = self.known.get(&(budget.scope, id.to_owned()))?.as_ref()?;
            let same = |limit: &&Limit| (limit.unit, limit.window) == (budget.unit, budget.window);
            set.limits.iter().find(same)
        };
        own(&budget.id).or_else(|| own(DEFAULT_ID))
    }
}

impl Pass<'_> {
    /// Carries changed limits to the states of budgets that calls touched, and raises the alerts that are due.
    pub(crate) async fn look_after_budgets(&mut self, calls: &[OpenCall]) -> Result<(), Error> {
        let budgets = budgets_of(calls.iter())?;
        self.repair(&budgets).await?;
        if self.state.alerts.targets().is_empty() {
            return Ok(());
        }
        let states = self.state.store.budget_states(&budgets).await?;
        for (budget, state) in &states {
            self.raise(budget, state).await?;
        }
        Ok(())
    }

    /// Carries changed limits to states.
    pub(crate) async fn repair(&mut self, budgets: &[BudgetId]) -> Result<(), Error> {
        let store = &self.state.store;
        self.definitions.read(store, budgets).await?;
        for (budget, state) in store.budget_states(budgets).await? {
            let Some(limit) = self.definitions.limit(&budget) else {
                continue;
            };
            if limit.limit != state.limit && store.change_limit(&budget, state.limit, limit.limit).await? {
                self.report.repaired += 1;
            }
        }
        Ok(())
    }

    /// The outbox is first: an alert that is claimed is in it.
    async fn raise(&self, budget: &BudgetId, state: &BudgetState) -> Result<(), Error> {
        let percents = self.definitions.limit(budget).map(|limit| limit.alerts.as_slice());
        for percent in percents.unwrap_or_default().iter().copied() {
            if state.alerted.contains(&percent) || !is_reached(state.spent, state.limit, percent) {
                continue;
            }
            let alert = PendingAlert {
                event_id: event_id(budget, percent),
                budget: budget.clone(),
                percent,
                spent: state.spent,
                limit: state.limit,
                raised_at: self.now,
                delivered_to: Vec::new(),
            };
            self.state.store.put_alert(&alert).await?;
            self.state.store.claim_alert(budget, percent).await?;
        }
        Ok(())
    }
}

/// Whether `percent` of `limit` is spent. Of a limit of nothing nothing can be.
fn is_reached(spent: Amount, limit: Amount, percent: u8) -> bool {
    let (limit, percent) = (limit.as_u128(), u128::from(percent));
    // In two parts, since a hundred times the largest limit has more digits than a number holds.
    let needed = limit / 100 * percent + (limit % 100 * percent).div_ceil(100);
    limit > 0 && spent.as_u128() >= needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_reached_to_the_picodollar() {
        for (spent, limit, percent, reached) in [
            (50, 100, 50, true),
            (49, 100, 50, false),
            (2, 3, 50, true),
            (1, 3, 50, false),
            (3, 3, 100, true),
            (2, 3, 100, false),
            (0, 0, 50, false),
            (1, 1, 1, true),
        ] {
            let told = is_reached(Amount::new(spent), Amount::new(limit), percent);
            assert_eq!(told, reached, "{spent} of {limit} at {percent} %");
        }
        assert!(is_reached(Amount::MAX, Amount::MAX, 100));
        assert!(!is_reached(
            Amount::MAX.saturating_sub(Amount::new(1)),
            Amount::MAX,
            100
        ));
    }
}
