//! What is left of limits in their current windows.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::budget::{Amount, BudgetId, BudgetSet, DEFAULT_ID, Limit, ORGANISATION_ID, ScopeKind, Unit, Window};
use gateway::error::Error;
use gateway::http::{Caller, Outcome, json};
use gateway::scope::Scope;
use gateway::store::BudgetState;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use super::{Whose, dollars};
use crate::State;

/// So many models' limits an admin is shown among their own.
const MOST_MODELS: usize = 100;
/// So many limits are read in search of those of models.
const SETS_A_READ: usize = 500;

/// A limit in its current window. `available + held + spent = limit`; what is available is negative after a limit was lowered
/// below what is gone. Numbers are text, since they may be longer than JSON's are safe.
#[derive(Serialize)]
struct Shown {
    scope: ScopeKind,
    id: String,
    unit: Unit,
    window: Window,
    /// Whether the limit is that of everybody who has no other.
    is_default: bool,
    window_start: String,
    resets_at: Option<Timestamp>,
    limit: Amount,
    spent: Amount,
    held: Amount,
    available: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dollars: Option<Dollars>,
}

#[derive(Serialize)]
struct Dollars {
    limit: String,
    spent: String,
    held: String,
    available: String,
}

impl Shown {
    fn of(budget: BudgetId, limit: &Limit, is_default: bool, state: Option<BudgetState>, now: Timestamp) -> Self {
        let untouched = || BudgetState {
            limit: limit.limit,
            spent: Amount::ZERO,
            available: i128::try_from(limit.limit.as_u128()).unwrap_or(i128::MAX),
            holds: std::collections::BTreeMap::new(),
            alerted: Vec::new(),
        };
        let state = state.unwrap_or_else(untouched);
        let held = state.held();
        let dollars = (budget.unit == Unit::Picodollars).then(|| Dollars {
            limit: state.limit.as_money().to_string(),
            spent: state.spent.as_money().to_string(),
            held: held.as_money().to_string(),
            available: dollars::signed(state.available),
        });
        Self {
            scope: budget.scope,
            id: budget.id,
            unit: budget.unit,
            window: budget.window,
            is_default,
            window_start: budget.start.to_string(),
            resets_at: budget.window.end(now),
            limit: state.limit,
            spent: state.spent,
            held,
            available: state.available.to_string(),
            dollars,
        }
    }
}

/// `GET /api/admin/budgets/{scope}/{id}/state`
pub(crate) async fn of_one(Extract(state): Extract<Arc<State>>, caller: Caller, whose: Whose) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    whose.check()?;
    if whose.id == DEFAULT_ID {
        return Err(Error::invalid(
            "A default counts for each who has it apart; ask for one of those.",
        ));
    }
    let shown = states(&state, &[(whose.scope, whose.id)]).await?;
    json(StatusCode::OK, &serde_json::json!({"budgets": shown}))
}

/// `GET /api/budgets`: those of the caller's key, of the caller and of the caller's team; for admins also the organisation's and
/// the models'.
pub(crate) async fn own(Extract(state): Extract<Arc<State>>, caller: Caller) -> Outcome {
    let others = [Scope::TeamAdmin, Scope::Admin];
    let principal = &caller.principal;
    principal.require_any(Scope::UsageRead, &others, state.clock.now())?;
    let mut whose = vec![(ScopeKind::User, principal.subject.to_string())];
    whose.extend(principal.key_id.clone().map(|id| (ScopeKind::Key, id)));
    whose.extend(principal.team.as_ref().map(|team| (ScopeKind::Team, team.to_string())));
    if principal.scopes.contains(Scope::Admin) {
        whose.push((ScopeKind::Organisation, ORGANISATION_ID.to_owned()));
        whose.extend(models(&state).await?.into_iter().map(|id| (ScopeKind::Model, id)));
    }
    let shown = states(&state, &whose).await?;
    json(StatusCode::OK, &serde_json::json!({"budgets": shown}))
}

/// The models that have limits of their own.
async fn models(state: &State) -> Result<Vec<String>, Error> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = state.store.all_budget_sets(SETS_A_READ, after.as_ref()).await?;
        let models = page.items.into_iter().filter(|set| set.scope == ScopeKind::Model);
        found.extend(models.map(|set| set.id).filter(|id| id != DEFAULT_ID));
        after = page.next_cursor;
        if after.is_none() || found.len() >= MOST_MODELS {
            found.truncate(MOST_MODELS);
            return Ok(found);
        }
    }
}

/// The limits of these in their current windows: their own, and the defaults of other units and windows.
async fn states(state: &State, whose: &[(ScopeKind, String)]) -> Result<Vec<Shown>, Error> {
    let now = state.clock.now();
    let mut wanted: Vec<(ScopeKind, &str)> = whose.iter().map(|(scope, id)| (*scope, id.as_str())).collect();
    for (scope, _) in whose {
        if *scope != ScopeKind::Organisation && !wanted.contains(&(*scope, DEFAULT_ID)) {
            wanted.push((*scope, DEFAULT_ID));
        }
    }
    let mut sets = Vec::new();
    for some in wanted.chunks(SETS_AT_ONCE) {
        sets.extend(state.store.budget_sets(some).await?);
    }
    let limits: Vec<_> = whose
        .iter()
        .flat_map(|(scope, id)| limits(&sets, *scope, id, now))
        .collect();
    let budgets: Vec<BudgetId> = limits.iter().map(|(budget, ..)| budget.clone()).collect();
    let mut states = state.store.budget_states(&budgets).await?;
    let shown = limits.into_iter().map(|(budget, limit, is_default)| {
        let state = states.remove(&budget);
        Shown::of(budget, limit, is_default, state, now)
    });
    Ok(shown.collect())
}

/// The most keys of one `BatchGetItem`.
const SETS_AT_ONCE: usize = 100;

/// The limits of one scope and id, each with its window and whether it is a default.
fn limits<'a>(sets: &'a [BudgetSet], scope: ScopeKind, id: &str, now: Timestamp) -> Vec<(BudgetId, &'a Limit, bool)> {
    let of = |id: &str| sets.iter().find(|set| set.scope == scope && set.id == id);
    let own: Vec<&Limit> = of(id).into_iter().flat_map(|set| &set.limits).collect();
    let defaults = of(DEFAULT_ID)
        .into_iter()
        .flat_map(|set| &set.limits)
        .filter(|default| {
            let same = |limit: &&Limit| (limit.unit, limit.window) == (default.unit, default.window);
            !own.iter().any(same)
        });
    let defaults: Vec<_> = defaults.map(|limit| (limit, true)).collect();
    let all = own.iter().map(|limit| (*limit, false)).chain(defaults);
    all.map(|(limit, is_default)| {
        let budget = BudgetId {
            scope,
            id: id.to_owned(),
            unit: limit.unit,
            window: limit.window,
            start: limit.window.start(now),
        };
        (budget, limit, is_default)
    })
    .collect()
}
