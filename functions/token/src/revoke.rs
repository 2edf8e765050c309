//! `POST /oauth/revoke` (RFC 7009): a client ends a token of its own before its time.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::{IntoResponse as _, Response};
use gateway::error::Error;
use gateway::http::{Shown, Whole};
use gateway::jwt::looks_like_jwt;
use http::{HeaderMap, StatusCode, Uri, header};

use crate::introspect::session_of;
use crate::{State, challenging, form_of_any_client};

/// What is no living token of this client's is answered like one that is (RFC 7009, section 2.2), and nothing is done: who
/// shows another client's token learns nothing of it. The hint of the token's type is not needed and not read.
pub(crate) async fn revoke(
    Extract(state): Extract<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    certificate: Shown,
    Whole(body): Whole,
) -> Response {
    let by_basic = headers.contains_key(header::AUTHORIZATION);
    let outcome = async {
        let (client_id, form) = form_of_any_client(&state, &uri, &headers, &certificate, &body).await?;
        let token = form
            .value("token")
            .ok_or_else(|| Error::invalid("`token` is missing."))?;
        match looks_like_jwt(token) {
            true => access_token(&state, &client_id, token).await?,
            false => refresh_token(&state, &client_id, token).await?,
        }
        Ok(StatusCode::OK.into_response())
    };
    challenging(outcome.await, by_basic)
}

async fn access_token(state: &State, client_id: &str, token: &str) -> Result<(), Error> {
    match state.signing.verify(token, state.clock.now()).await? {
        Ok(claims) if claims.client_id == client_id => state.store.deny_token(&claims.jti, claims.exp).await,
        _ => Ok(()),
    }
}

/// Ends the whole session, with the access tokens that came of it (RFC 7009, section 2.1). A token that was rotated away ends it
/// too: it was given to this client, and whoever still has it should have nothing of it.
async fn refresh_token(state: &State, client_id: &str, token: &str) -> Result<(), Error> {
    match session_of(state, token).await? {
        Some((_, session)) if session.client_id == client_id => state
            .store
            .end_session(&session.subject, &session.session_id)
            .await
            .map(drop),
        _ => Ok(()),
    }
}
