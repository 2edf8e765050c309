//! What the issuer says of itself: its keys (RFC 7517) and its endpoints (RFC 8414).

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
    cached(&described(&state))
}

/// The same for readers of OpenID Connect Discovery 1.0, with what its section 3 asks for and this issuer has.
pub(crate) async fn openid(Extract(state): Extract<Arc<State>>) -> Outcome {
    let now = state.clock.now();
    let ring = state.signing.ring(now).await?;
    let mut algorithms: Vec<&str> = ring
        .keys(now)
        .map(|(key, _)| key.key.verifying().algorithm().name())
        .collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    let mut told = described(&state);
    // OpenID Connect RP-Initiated Logout 1.0, section 2.1.
    told["end_session_endpoint"] = value!(format!("{}/oauth/logout", state.signing.issuer));
    told["subject_types_supported"] = value!(["public"]);
    told["id_token_signing_alg_values_supported"] = value!(algorithms);
    cached(&told)
}

/// What there is, and nothing that is not (RFC 8414, section 2). The issuer is the configured one, whatever host was asked.
fn described(state: &State) -> Value {
    let issuer = state.signing.issuer.as_str();
    let at = |path: &str| format!("{issuer}{path}");
    let methods = ["client_secret_basic", "client_secret_post"];
    value!({
        "issuer": issuer,
        "token_endpoint": at("/oauth/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint": at("/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint": at("/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": methods,
        "jwks_uri": at("/.well-known/jwks.json"),
        "authorization_endpoint": at("/oauth/authorize"),
        "device_authorization_endpoint": at("/oauth/device_authorization"),
        "grant_types_supported": ["client_credentials", "authorization_code", "refresh_token", crate::grants::DEVICE_GRANT],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": Scope::ALL.map(Scope::name),
    })
}

fn cached(value: &Value) -> Outcome {
    let mut response = json(StatusCode::OK, value)?;
    response.headers_mut().insert(header::CACHE_CONTROL, CACHED);
    Ok(response)
}
