//! What a person sees and ends of their own: who they are and their sessions. And by JSON what `/oauth/token` takes by form.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::{IntoResponse as _, Response};
use gateway::error::Error;
use gateway::http::{Caller, Id, Outcome, PageQuery, Whole, json, query, read_json};
use gateway::oauth::Form;
use gateway::scope::Scope;
use gateway::store::Session;
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as value};

use crate::{State, grants};

pub(crate) async fn providers(Extract(state): Extract<Arc<State>>) -> Outcome {
    let issuer = &state.signing.issuer;
    let shown = state.configured.providers.iter().map(|provider| {
        let url = format!("{issuer}/auth/authorize/{}", provider.id);
        value!({"id": provider.id, "name": provider.shown_name(), "authorize_url": url})
    });
    json(StatusCode::OK, &value!({"providers": shown.collect::<Vec<_>>()}))
}

/// `POST /auth/token`: a code for tokens.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    client_id: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
}

/// `POST /auth/refresh`
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RefreshBody {
    client_id: String,
    refresh_token: String,
    #[serde(default)]
    scope: String,
}

/// The members as the form that they stand for.
fn as_form(body: &impl Serialize) -> Result<Form, Error> {
    let text = serde_urlencoded::to_string(body).map_err(Error::internal)?;
    Form::parse(text.as_bytes())
}

pub(crate) async fn token(
    Extract(state): Extract<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Response {
    let outcome = async {
        crate::refuse_query(&uri)?;
        let form = as_form(&read_json::<CodeBody>(&headers, &body)?)?;
        let client = grants::public_client(&state, crate::one_authorization(&headers)?, &form)?;
        grants::by_code(&state, client, &form).await
    };
    crate::answered(Box::pin(outcome).await, false)
}

pub(crate) async fn refresh(
    Extract(state): Extract<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Response {
    let outcome = async {
        crate::refuse_query(&uri)?;
        let form = as_form(&read_json::<RefreshBody>(&headers, &body)?)?;
        let client = grants::public_client(&state, crate::one_authorization(&headers)?, &form)?;
        grants::by_refresh(&state, client, &form).await
    };
    crate::answered(Box::pin(outcome).await, false)
}

pub(crate) async fn me(Extract(state): Extract<Arc<State>>, caller: Caller) -> Outcome {
    let principal = caller.principal;
    principal.require_alive(state.clock.now())?;
    let user = match principal.subject.as_str().strip_prefix("user:") {
        Some(user_id) => state.store.user(user_id).await?,
        None => None,
    };
    let person = user.map(|user| {
        value!({
            "name": user.name, "email": user.email, "email_verified": user.email_verified, "roles": user.roles,
            "created_at": user.created_at, "last_login_at": user.last_login_at,
        })
    });
    json(
        StatusCode::OK,
        &value!({
            "subject": principal.subject, "scopes": principal.scopes.names(), "team": principal.team,
            "key_id": principal.key_id, "session_id": principal.session_id, "user": person,
        }),
    )
}

pub(crate) async fn sessions(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Keys, &state.clock)?;
    let principal = caller.principal;
    let wanted: PageQuery = query(&uri)?;
    let (limit, after) = (wanted.size()?, wanted.after()?);
    let page = state
        .store
        .sessions_of(&principal.subject, limit, after.as_ref())
        .await?;
    let current = principal.session_id.as_deref();
    let shown: Vec<_> = page
        .items
        .iter()
        .map(|session| shown(&state, session, current))
        .collect();
    let next_cursor = page.next_cursor.map(|cursor| cursor.encode());
    json(StatusCode::OK, &value!({"sessions": shown, "next_cursor": next_cursor}))
}

fn shown(state: &State, session: &Session, current: Option<&str>) -> Value {
    value!({
        "session_id": session.session_id, "client_id": session.client_id, "provider": session.provider,
        "scopes": session.scopes.names(), "alive": session.is_alive(state.clock.now()), "created_at": session.created_at,
        "last_used_at": session.last_used_at, "ends_at": session.ends_at,
        "current": current == Some(&*session.session_id),
    })
}

pub(crate) async fn end_session(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    caller.require(Scope::Keys, &state.clock)?;
    let principal = caller.principal;
    let named = gateway::random::is_identifier(&id);
    if named && state.store.end_session(&principal.subject, &id).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Error::not_found("session"))
    }
}
