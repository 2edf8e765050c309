//! `POST /oauth/introspect` (RFC 7662): what a token says, for a client that may know it.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::Response;
use gateway::error::Error;
use gateway::http::{Shown, Whole, json};
use gateway::jwt::{Claims, looks_like_jwt};
use gateway::scope::Scope;
use gateway::secret::{Secret, SecretDigest, SecretKind};
use gateway::standing::standing;
use gateway::store::{ServiceClient, Session};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json as value};

use crate::people::user_of;
use crate::{State, challenging, form_of_a_client};

/// A client may ask of its own tokens, one with the scope `admin` of everybody's. Of every other token, as of one that does not
/// count, it learns that it is not active and nothing else (RFC 7662, section 2.2). The table is asked anew each time.
///
/// Who asks must authenticate (section 2.1), so public clients, to whom all refresh tokens belong, ask nothing here.
pub(crate) async fn introspect(
    Extract(state): Extract<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    certificate: Shown,
    Whole(body): Whole,
) -> Response {
    let by_basic = headers.contains_key(header::AUTHORIZATION);
    let outcome = async {
        let (client, form) = form_of_a_client(&state, &uri, &headers, &certificate, &body).await?;
        let token = form
            .value("token")
            .ok_or_else(|| Error::invalid("`token` is missing."))?;
        let told = match looks_like_jwt(token) {
            true => access_token(&state, &client, token).await?,
            false => refresh_token(&state, &client, token).await?,
        };
        json(StatusCode::OK, &told.unwrap_or_else(|| value!({ "active": false })))
    };
    challenging(outcome.await, by_basic)
}

fn may_know(client: &ServiceClient, owner: &str) -> bool {
    client.client_id == owner || client.allowed().contains(Scope::Admin)
}

async fn access_token(state: &State, client: &ServiceClient, token: &str) -> Result<Option<Value>, Error> {
    let now = state.clock.now();
    let Ok(claims) = state.signing.verify(token, now).await? else {
        return Ok(None);
    };
    let active = may_know(client, &claims.client_id) && standing(&state.store, &claims, now).await?.is_some();
    Ok(active.then(|| told(claims)))
}

fn told(claims: Claims) -> Value {
    let mut told = serde_json::to_value(claims).unwrap_or_default();
    told["active"] = true.into();
    told["token_type"] = "Bearer".into();
    told
}

/// Active is the newest token of a session that is alive, of a person of whom anything counts. There is no `token_type`: that is the
/// type of an access token (RFC 6749, section 5.1), and nobody may take this for one.
async fn refresh_token(state: &State, client: &ServiceClient, token: &str) -> Result<Option<Value>, Error> {
    let Some((digest, session)) = session_of(state, token).await? else {
        return Ok(None);
    };
    let counts = session.is_alive(state.clock.now()) && session.current.matches(&digest);
    if !may_know(client, &session.client_id) || !counts || user_of(state, &session).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(value!({
        "active": true,
        "iss": state.signing.issuer.as_str(),
        "sub": session.subject,
        "client_id": session.client_id,
        "scope": session.scopes.to_string(),
        "sid": session.session_id,
        "iat": session.last_used_at.as_second(),
        "exp": session.ends_at.as_second(),
    })))
}

/// The session that a refresh token, new or old, is of, and the token's digest.
pub(crate) async fn session_of(state: &State, token: &str) -> Result<Option<(SecretDigest, Session)>, Error> {
    let secret: Option<Secret> = token.parse().ok();
    let Some(secret) = secret.filter(|secret| secret.kind() == SecretKind::RefreshToken) else {
        return Ok(None);
    };
    let digest = secret.digest();
    let session = state.store.session_of_token(&digest).await?;
    Ok(session.map(|session| (digest, session)))
}
