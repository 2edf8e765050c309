//! What a directory's program reads before it begins (RFC 7644, section 4).

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::error::Error;
use gateway::http::{Caller, Id, Outcome};
use gateway::scim;
use http::StatusCode;
use serde_json::Value;

use super::{answer, base, list, require};
use crate::State;

pub(crate) async fn service_provider_config(Extract(state): Extract<Arc<State>>, caller: Caller) -> Outcome {
    require(&state, &caller)?;
    answer(StatusCode::OK, &scim::service_provider_config(&base(&state)))
}

pub(crate) async fn resource_types(Extract(state): Extract<Arc<State>>, caller: Caller) -> Outcome {
    require(&state, &caller)?;
    answer(StatusCode::OK, &list::all(&scim::resource_types(&base(&state))))
}

pub(crate) async fn resource_type(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    require(&state, &caller)?;
    one(scim::resource_types(&base(&state)), &id)
}

pub(crate) async fn schemas(Extract(state): Extract<Arc<State>>, caller: Caller) -> Outcome {
    require(&state, &caller)?;
    answer(StatusCode::OK, &list::all(&scim::schemas(&base(&state))))
}

pub(crate) async fn schema(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    require(&state, &caller)?;
    one(scim::schemas(&base(&state)), &id)
}

fn one(all: Vec<Value>, id: &str) -> Outcome {
    let found = all.into_iter().find(|one| one["id"] == id);
    answer(StatusCode::OK, &found.ok_or_else(|| Error::not_found("resource"))?)
}
