//! `POST /oauth/revoke` (RFC 7009): a client ends a token of its own before its time.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::{IntoResponse as _, Response};
use gateway::error::Error;
use gateway::http::Whole;
use gateway::jwt::looks_like_jwt;
use gateway::store::ServiceClient;
use http::{HeaderMap, StatusCode, Uri, header};

use crate::{State, challenging, form_of_a_client};

/// What is no living token of this client's is answered like one that is (RFC 7009, section 2.2), and nothing is done: who
/// shows another client's token learns nothing of it. The hint of the token's type is not needed and not read.
pub(crate) async fn revoke(
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
        match looks_like_jwt(token) {
            true => access_token(&state, &client, token).await?,
            false => other_token(&state, &client, token),
        }
        Ok(StatusCode::OK.into_response())
    };
    challenging(outcome.await, by_basic)
}

async fn access_token(state: &State, client: &ServiceClient, token: &str) -> Result<(), Error> {
    match state.signing.verify(token, state.clock.now()).await? {
        Ok(claims) if claims.client_id == client.client_id => state.store.deny_token(&claims.jti, claims.exp).await,
        _ => Ok(()),
    }
}

/// The place for tokens that are no JWTs: refresh tokens, whose family ends here. Service accounts have none (RFC 6749,
/// section 4.4.3), so there is nothing to end yet.
fn other_token(_state: &State, _client: &ServiceClient, _token: &str) {}
