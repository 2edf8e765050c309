//! The whole price book in one file: out, and in.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::http::{Caller, Outcome, Whole, json, query, require_content_type};
use gateway::scope::Scope;
use http::{HeaderMap, StatusCode, Uri, header};
use serde::Deserialize;

use super::change::Change;
use super::{book, csv};
use crate::State;

pub(crate) async fn export(Extract(state): Extract<Arc<State>>, caller: Caller) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let text = csv::write(&book(&state).await?)?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"prices.csv\""),
    ];
    Ok((StatusCode::OK, headers, text).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    #[serde(default)]
    dry_run: bool,
}

/// Replaces all that administrators have set by what the file says, or nothing.
pub(crate) async fn import(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: Query = query(&uri)?;
    require_content_type(&headers, "text/csv")?;
    let book = book(&state).await?;
    let read = csv::read(&book, &body)?;
    let total = read.entries.len() + read.seed_lines;
    let change = Change::replace(&book, read.entries);
    let difference = change.difference;
    let changes = change.told(&book);
    let revision = if wish.dry_run {
        book.revision()
    } else {
        change.write(&state, &caller).await?
    };
    json(
        StatusCode::OK,
        &serde_json::json!({
            "total_processed": total,
            "revision": revision,
            "added": difference.added,
            "changed": difference.changed,
            "removed": difference.removed,
            "unchanged": difference.unchanged + read.seed_lines,
            "changes": changes,
        }),
    )
}
