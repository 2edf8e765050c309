//! Calls whose function died before their row was written.
//!
//! What they used is in Bedrock's invocation log, if there is one: exact. Else a call that went out is taken to have used the most
//! that it could, and is marked as an estimate. One that never went out is forgotten.

use std::collections::{HashMap, HashSet};

use gateway::budget::{BudgetId, Window};
use gateway::error::Error;
use gateway::invocation_log::{InvocationLog, LoggedCall, Search};
use gateway::store::{BudgetState, CallEnd, CallKey, OpenCall, UsageRow, hold_name};
use gateway::usage::{Outcome, Usage};
use jiff::SignedDuration;

use crate::finish::budgets_of;
use crate::pass::{Finished, Pass};

/// Records come into the folder of the hour that they are written in.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What became of a call.
enum Fate {
    /// It is in the log.
    Logged(LoggedCall),
    /// It may have gone out, and nothing tells what it used.
    Estimated,
    /// It was never billed.
    Released,
    /// It may still come into the log.
    Waiting,
}

/// Writes the rows of calls that were billed, and forgets those that were not.
pub(crate) async fn resolve(pass: &mut Pass<'_>, calls: Vec<OpenCall>) -> Result<Vec<Finished>, Error> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let searches = searches(pass, &calls).await;
    let states = pass.state.store.budget_states(&budgets_of(calls.iter())?).await?;
    let mut billed = Vec::new();
    for call in calls {
        let search = pass.state.logs.of(&call).and_then(|(name, _)| searches.get(name));
        match fate(pass, &call, search, &states)? {
            Fate::Logged(logged) => {
                pass.report.recovered += 1;
                write(pass, &call, logged.usage, !logged.exact, logged.upstream_request_id).await?;
                billed.push(call);
            }
            Fate::Estimated => {
                pass.report.estimated += 1;
                write(pass, &call, call.worst_usage, true, None).await?;
                billed.push(call);
            }
            Fate::Released => release(pass, &call).await?,
            Fate::Waiting => pass.report.waiting += 1,
        }
    }
    rows_of(pass, billed).await
}

/// What was found of these calls, in each log by its name. Each is looked through once.
async fn searches(pass: &Pass<'_>, calls: &[OpenCall]) -> HashMap<String, Option<Search>> {
    let mut by_log: HashMap<&str, (&InvocationLog, Vec<&OpenCall>)> = HashMap::new();
    for call in calls {
        if let Some((name, log)) = pass.state.logs.of(call) {
            by_log.entry(name).or_insert((log, Vec::new())).1.push(call);
        }
    }
    let mut searches = HashMap::new();
    for (name, (log, calls)) in by_log {
        searches.insert(name.to_owned(), search(pass, log, &calls).await);
    }
    searches
}

/// A log that cannot be read now tells nothing, and what is not in it must not be taken for unbilled.
async fn search(pass: &Pass<'_>, log: &InvocationLog, calls: &[&OpenCall]) -> Option<Search> {
    let wanted: HashSet<&str> = calls.iter().map(|call| call.request_id.as_str()).collect();
    let from = calls.iter().map(|call| call.started_at).min()?;
    let last = calls.iter().map(|call| call.deadline_at).max()?;
    let until = pass.now.min(last + pass.state.log_grace + HOUR);
    match log.find(&wanted, from, until, || pass.time.is_left()).await {
        Ok(search) => Some(search),
        Err(error) => {
            tracing::error!(error = ?error, "the invocation log cannot be read");
            None
        }
    }
}

fn fate(
    pass: &Pass<'_>,
    call: &OpenCall,
    search: Option<&Option<Search>>,
    states: &HashMap<BudgetId, BudgetState>,
) -> Result<Fate, Error> {
    let Some(search) = search else {
        return estimated(pass, call, states);
    };
    let Some(search) = search else {
        return Ok(Fate::Waiting);
    };
    Ok(match search.found.get(&call.request_id) {
        Some(logged) => Fate::Logged(logged.clone()),
        None if pass.now < call.deadline_at + pass.state.log_grace => Fate::Waiting,
        None if search.complete => Fate::Released,
        None if pass.time.is_left() => estimated(pass, call, states)?,
        None => Fate::Waiting,
    })
}

/// A call goes out only when all is held. Holds that lack tell that it did not.
fn estimated(pass: &Pass<'_>, call: &OpenCall, states: &HashMap<BudgetId, BudgetState>) -> Result<Fate, Error> {
    let name = hold_name(&call.request_id);
    let lacks = |budget: BudgetId| match states.get(&budget) {
        Some(state) => !state.holds.contains_key(&name),
        // The state of a window that is over may be forgotten; one that runs would be there.
        None => budget.window == Window::Total || budget.window.end(call.started_at).is_none_or(|end| pass.now < end),
    };
    Ok(if call.budgets()?.into_iter().any(lacks) {
        Fate::Released
    } else {
        Fate::Estimated
    })
}

async fn release(pass: &mut Pass<'_>, call: &OpenCall) -> Result<(), Error> {
    pass.release(call).await?;
    pass.report.released += 1;
    let store = &pass.state.store;
    store.forget_call(call.started_at, &call.request_id).await
}

/// Writes the row of a call, unless it has one: then that one counts.
async fn write(
    pass: &Pass<'_>,
    call: &OpenCall,
    usage: Usage,
    estimated: bool,
    upstream_request_id: Option<String>,
) -> Result<(), Error> {
    let row = row(call, usage, estimated, upstream_request_id);
    let store = &pass.state.store;
    store.record_usage(&row, pass.state.retention_days).await.map(drop)
}

/// The row of a call that ended when its function must have, at the latest.
fn row(call: &OpenCall, usage: Usage, estimated: bool, upstream_request_id: Option<String>) -> UsageRow {
    let lived = call.deadline_at.as_millisecond() - call.started_at.as_millisecond();
    let end = CallEnd {
        ended_at: call.deadline_at,
        latency_ms: u64::try_from(lived).unwrap_or_default(),
        time_to_first_byte_ms: None,
        outcome: Outcome::Lost,
        stop_reason: None,
        upstream_status: None,
        upstream_request_id,
        usage,
        estimated,
    };
    UsageRow::of(call, end)
}

async fn rows_of(pass: &Pass<'_>, calls: Vec<OpenCall>) -> Result<Vec<Finished>, Error> {
    let keys: Vec<_> = calls.iter().map(CallKey::of).collect();
    let mut rows = pass.state.store.rows_of(&keys).await?;
    let finished = calls.into_iter().zip(keys).filter_map(|(call, key)| {
        let row = rows.remove(&key)?;
        Some(Finished { call, row })
    });
    Ok(finished.collect())
}
