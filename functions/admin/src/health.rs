//! `GET /health`: runs what it names.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::clock::Stopwatch;
use gateway::error::Error;
use gateway::http::{Outcome, json, query};
use http::{StatusCode, Uri};
use serde::Deserialize;

use crate::State;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    check: Option<String>,
}

pub(crate) async fn check(Extract(state): Extract<Arc<State>>, uri: Uri) -> Outcome {
    let wish: Query = query(&uri)?;
    match wish.check.as_deref() {
        None => json(StatusCode::OK, &serde_json::json!({"status": "healthy", "checks": {}})),
        Some("all" | "db") => db(&state).await,
        Some(_) => Err(Error::invalid("`check` must be one of: all, db.")),
    }
}

async fn db(state: &State) -> Outcome {
    let stopwatch = Stopwatch::start();
    let answer = state.store.check().await;
    let (status, word) = if answer.is_ok() {
        (StatusCode::OK, "healthy")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unhealthy")
    };
    let reason = answer.err().map(|_| "the table does not answer");
    let check = serde_json::json!({"status": word, "duration_ms": stopwatch.elapsed_ms(), "reason": reason});
    json(status, &serde_json::json!({"status": word, "checks": {"db": check}}))
}
