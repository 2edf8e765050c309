//! What the issuer says of itself: its key (RFC 7517) and its endpoints (RFC 8414).

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::http::{Outcome, json};
use gateway::scope::Scope;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json as value};

use crate::State;

/// Readers may keep these for five minutes.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub(crate) async fn jwks(Extract(state): Extract<Arc<State>>) -> Outcome {
    let now = state.clock.now();
    cached(&state.signing.ring(now).await?.jwks(now))
}

pub(crate) async fn authorization_server(Extract(state): Extract<Arc<State>>) -> Outcome {
    let issuer = state.signing.issuer.as_str();
    cached(&value!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": Scope::ALL.map(Scope::name),
    }))
}

fn cached(value: &Value) -> Outcome {
    let mut response = json(StatusCode::OK, value)?;
    response.headers_mut().insert(header::CACHE_CONTROL, CACHED);
    Ok(response)
}
