//! The control API under `/_mock`, described in `docs/local-mock.md`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;

use super::directive::{CountScript, Directive};
use super::holds::Hold;
use super::ledger::Ledger;
use super::log::Change;
use super::record::{Recorded, Records};
use super::regions::{BetaScript, RegionScript};
use super::{State, lock};

type Mock = Shared<Arc<State>>;

/// One directive or a row of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Directives {
    Many(Vec<serde_json::Value>),
    One(serde_json::Value),
}

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/ledger", get(ledger).delete(clear_ledger))
        .route("/requests", get(requests).delete(clear_requests))
        .route("/answers/{request_id}", get(sent))
        .route("/faults", get(faults).post(queue).delete(clear_faults))
        .route("/count-tokens", put(script_counts).delete(clear_count_script))
        .route("/regions", get(regions).put(set_regions))
        .route("/betas", get(betas).put(set_betas))
        .route("/holds", get(holds))
        .route("/release/{name}", post(release))
        .route("/profiles", get(profiles).put(set_profiles))
        .route("/log", get(log_settings).put(change_log))
        .route("/log/flush", post(flush_log))
        .route("/reset", post(reset))
}

async fn ledger(Shared(state): Mock) -> Json<Ledger> {
    Json(state.ledger())
}

async fn clear_ledger(Shared(state): Mock) -> StatusCode {
    state.ledger.clear();
    StatusCode::NO_CONTENT
}

async fn requests(Shared(state): Mock) -> Json<Vec<Recorded>> {
    Json(lock(&state.requests).all())
}

async fn clear_requests(Shared(state): Mock) -> StatusCode {
    *lock(&state.requests) = Records::default();
    StatusCode::NO_CONTENT
}

async fn sent(Shared(state): Mock, Path(request_id): Path<String>) -> Response {
    match lock(&state.answers).sent(&request_id) {
        Some(bytes) => bytes.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn faults(Shared(state): Mock) -> Json<Vec<Directive>> {
    Json(lock(&state.faults).iter().cloned().collect())
}

async fn queue(Shared(state): Mock, Json(given): Json<Directives>) -> Response {
    let given = match given {
        Directives::Many(many) => many,
        Directives::One(one) => vec![one],
    };
    // Parsed one by one, because an untagged enum would hide which field is wrong.
    match given
        .into_iter()
        .map(serde_json::from_value::<Directive>)
        .collect::<Result<Vec<_>, _>>()
    {
        Ok(directives) => {
            lock(&state.faults).extend(directives);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn clear_faults(Shared(state): Mock) -> StatusCode {
    lock(&state.faults).clear();
    StatusCode::NO_CONTENT
}

async fn script_counts(Shared(state): Mock, Json(script): Json<CountScript>) -> StatusCode {
    *lock(&state.counts) = Some(script);
    StatusCode::NO_CONTENT
}

async fn clear_count_script(Shared(state): Mock) -> StatusCode {
    *lock(&state.counts) = None;
    StatusCode::NO_CONTENT
}

async fn regions(Shared(state): Mock) -> Json<BTreeMap<String, RegionScript>> {
    Json(state.scripts.regions())
}

async fn set_regions(Shared(state): Mock, Json(regions): Json<BTreeMap<String, RegionScript>>) -> StatusCode {
    state.scripts.set_regions(regions);
    StatusCode::NO_CONTENT
}

async fn betas(Shared(state): Mock) -> Json<BetaScript> {
    Json(state.scripts.betas())
}

async fn set_betas(Shared(state): Mock, Json(script): Json<BetaScript>) -> StatusCode {
    state.scripts.set_betas(script);
    StatusCode::NO_CONTENT
}

async fn holds(Shared(state): Mock) -> Json<BTreeMap<String, Hold>> {
    Json(state.holds.all())
}

async fn release(Shared(state): Mock, Path(name): Path<String>) -> StatusCode {
    state.holds.release(&name);
    StatusCode::NO_CONTENT
}

async fn profiles(Shared(state): Mock) -> Json<HashMap<String, String>> {
    Json(lock(&state.profiles).clone())
}

async fn set_profiles(Shared(state): Mock, Json(profiles): Json<HashMap<String, String>>) -> StatusCode {
    *lock(&state.profiles) = profiles;
    StatusCode::NO_CONTENT
}

async fn log_settings(Shared(state): Mock) -> Json<Change> {
    Json(state.log.settings())
}

async fn change_log(Shared(state): Mock, Json(change): Json<Change>) -> StatusCode {
    state.log.change(|settings| change.apply(settings));
    StatusCode::NO_CONTENT
}

async fn flush_log(Shared(state): Mock) -> Response {
    match state.log.flush().await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem).into_response(),
    }
}

async fn reset(Shared(state): Mock) -> StatusCode {
    state.reset();
    StatusCode::NO_CONTENT
}
