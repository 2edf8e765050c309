//! Usage records: the caller's own.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::http::{Caller, Outcome, PageQuery, json, query};
use gateway::scope::Scope;
use http::{StatusCode, Uri};

use crate::State;

/// `GET /api/usage/records`: the caller's rows, newest first.
pub(crate) async fn records(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::UsageRead, &state.clock)?;
    let page: PageQuery = query(&uri)?;
    let page = state
        .store
        .usage_of(&caller.principal.subject, page.size()?, page.after()?.as_ref())
        .await?;
    let next_cursor = page.next_cursor.map(|it| it.encode());
    json(
        StatusCode::OK,
        &serde_json::json!({"records": page.items, "next_cursor": next_cursor}),
    )
}
