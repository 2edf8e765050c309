//! Changed definitions are carried to the windows that run, also to those that no call touches any more: whoever has used up a
//! budget is refused, leaves no open call, and would not see that it was raised.

use gateway::budget::{BudgetId, BudgetSet, DEFAULT_ID, Limit, ScopeKind};
use gateway::error::Error;
use gateway::rollup::{Dimension, Period};
use gateway::store::Cursor;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::pass::{Pass, Step};

const PAGE: usize = 100;
/// A function may begin a window by a definition that it read so long ago; twice that, and what clocks differ by.
const SLACK: SignedDuration = SignedDuration::from_mins(10);

/// Looks after all definitions that were changed since the last time.
pub(crate) async fn changed_definitions(pass: &mut Pass<'_>) -> Result<Step, Error> {
    let head = pass.state.store.sweep_head().await?;
    let since = head.repaired_until.map_or(Timestamp::MIN, |at| at - SLACK);
    let mut after: Option<Cursor> = None;
    loop {
        let page = pass.state.store.all_budget_sets(PAGE, after.as_ref()).await?;
        for set in page.items.iter().filter(|set| set.updated_at >= since) {
            if repair_set(pass, set).await? == Step::TimeIsUp {
                return Ok(Step::TimeIsUp);
            }
        }
        after = page.next_cursor;
        if after.is_none() {
            break;
        }
    }
    pass.state.store.repaired_until(pass.now).await?;
    Ok(Step::Done)
}

async fn repair_set(pass: &mut Pass<'_>, set: &BudgetSet) -> Result<Step, Error> {
    let ids = match set.id.as_str() {
        DEFAULT_ID => everybody(pass, set.scope).await?,
        id => vec![id.to_owned()],
    };
    for chunk in ids.chunks(PAGE) {
        if !pass.time.is_left() {
            return Ok(Step::TimeIsUp);
        }
        let now = pass.now;
        let budget = |id: &String, limit: &Limit| BudgetId {
            scope: set.scope,
            id: id.clone(),
            unit: limit.unit,
            window: limit.window,
            start: limit.window.start(now),
        };
        let of_one = |id: &String| set.limits.iter().map(|limit| budget(id, limit)).collect::<Vec<_>>();
        let budgets: Vec<_> = chunk.iter().flat_map(of_one).collect();
        pass.repair(&budgets).await?;
    }
    Ok(Step::Done)
}

/// Whoever has called in this year or the last, by the rollups of its months.
async fn everybody(pass: &Pass<'_>, scope: ScopeKind) -> Result<Vec<String>, Error> {
    let dimension = match scope {
        ScopeKind::Key => Dimension::Key,
        ScopeKind::User => Dimension::User,
        ScopeKind::Team => Dimension::Team,
        ScopeKind::Model => Dimension::Model,
        ScopeKind::Organisation => Dimension::Organisation,
    };
    let year_ago = pass.now.saturating_sub((366 * 24).hours()).map_err(Error::internal)?;
    let mut ids = Vec::new();
    for at in [year_ago, pass.now] {
        let bucket = Period::Month.bucket(at);
        let mut after: Option<Cursor> = None;
        loop {
            let store = &pass.state.store;
            let page = store
                .rollups(dimension, Period::Month, &bucket, None, 1_000, after.as_ref())
                .await?;
            ids.extend(page.items.into_iter().map(|rollup| rollup.of.id));
            after = page.next_cursor;
            if after.is_none() {
                break;
            }
        }
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}
