//! `POST /oauth/introspect` (RFC 7662): what a token says, for a client that may know it.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::Response;
use gateway::error::Error;
use gateway::http::{Whole, json};
use gateway::jwt::Claims;
use gateway::scope::Scope;
use gateway::standing::stands;
use gateway::store::ServiceClient;
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json as value};

use crate::{State, challenging, form_of_a_client};

/// A client may ask of its own tokens, one with the scope `admin` of everybody's. Of every other token, as of one that does not
/// count, it learns that it is not active and nothing else (RFC 7662, section 2.2). The table is asked anew each time.
pub(crate) async fn introspect(
    Extract(state): Extract<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Response {
    let by_basic = headers.contains_key(header::AUTHORIZATION);
    let outcome = async {
        let (client, form) = form_of_a_client(&state, &uri, &headers, &body).await?;
        let token = form
            .value("token")
            .ok_or_else(|| Error::invalid("`token` is missing."))?;
        let claims = active(&state, &client, token).await?;
        json(
            StatusCode::OK,
            &claims.map_or_else(|| value!({ "active": false }), told),
        )
    };
    challenging(outcome.await, by_basic)
}

async fn active(state: &State, client: &ServiceClient, token: &str) -> Result<Option<Claims>, Error> {
    let now = state.clock.now();
    let Ok(claims) = state.signing.verify(token, now).await? else {
        return Ok(None);
    };
    let may_know = claims.client_id == client.client_id || client.scopes.contains(Scope::Admin);
    let active = may_know && stands(&state.store, &claims, now).await?;
    Ok(active.then_some(claims))
}

fn told(claims: Claims) -> Value {
    let mut told = serde_json::to_value(claims).unwrap_or_default();
    told["active"] = true.into();
    told["token_type"] = "Bearer".into();
    told
}
