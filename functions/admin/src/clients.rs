//! Service accounts: made, listed and ended by admins; the secret is shown once.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, PageQuery, Whole, json, query, read_json};
use gateway::principal::Team;
use gateway::random;
use gateway::scope::{Scope, Scopes};
use gateway::secret::{Secret, SecretKind};
use gateway::store::ServiceClient;
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::checked_name;
use crate::{State, audit};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewClient {
    name: String,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    team: Option<Team>,
}

/// A service account as admins see it.
#[derive(Serialize)]
struct Shown<'a> {
    client_id: &'a str,
    name: &'a str,
    team: Option<&'a Team>,
    scopes: Vec<&'static str>,
    hint: &'a str,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
    /// In the answer to its making, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn of(client: &'a ServiceClient, secret: Option<&'a Secret>) -> Self {
        Self {
            client_id: &client.client_id,
            name: &client.name,
            team: client.team.as_ref(),
            scopes: client.scopes.names(),
            hint: &client.hint,
            created_at: client.created_at,
            revoked_at: client.revoked_at,
            client_secret: secret.map(Secret::expose),
        }
    }
}

/// A service account as the audit trail tells of it: what it is and allows, and no part of its secret.
fn told(client: &ServiceClient, revoked_at: Option<Timestamp>) -> Value {
    serde_json::json!({
        "name": client.name, "team": client.team, "scopes": client.scopes.names(), "revoked_at": revoked_at,
    })
}

pub(crate) async fn create(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: NewClient = read_json(&headers, &body)?;
    let secret = Secret::mint(SecretKind::ClientSecret)?;
    let scopes = match wish.scopes {
        None => Scopes::of_a_client(),
        Some(names) => names
            .join(" ")
            .parse()
            .map_err(|_| Error::invalid("`scopes` names an unknown scope."))?,
    };
    let name = checked_name(&wish.name)?.to_owned();
    let (client_id, now) = (random::identifier("client")?, state.clock.now());
    let client = ServiceClient::new(client_id, name, scopes, &secret, now).of_team(wish.team);
    let change = (None, Some(told(&client, None)));
    let audit = audit::entry(&caller, now, "client.create", client.client_id.clone(), change)?;
    if !state.store.create_client(&client, &audit).await? {
        return Err(Error::new(Kind::Conflict, "The id is taken; try again."));
    }
    json(StatusCode::CREATED, &Shown::of(&client, Some(&secret)))
}

pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let page: PageQuery = query(&uri)?;
    let page = state.store.clients(page.size()?, page.after()?.as_ref()).await?;
    let clients: Vec<_> = page.items.iter().map(|client| Shown::of(client, None)).collect();
    json(
        StatusCode::OK,
        &serde_json::json!({"clients": clients, "next_cursor": page.next_cursor.map(|it| it.encode())}),
    )
}

pub(crate) async fn revoke(Extract(state): Extract<Arc<State>>, caller: Caller, Id(client_id): Id) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let nobody = || Error::not_found("service account");
    let found = if random::is_identifier(&client_id) {
        state.store.client(&client_id).await?
    } else {
        None
    };
    let (client, now) = (found.ok_or_else(nobody)?, state.clock.now());
    let change = (Some(told(&client, None)), Some(told(&client, Some(now))));
    let audit = audit::entry(&caller, now, "client.revoke", client_id, change)?;
    if state.store.revoke_client(&client.client_id, now, &audit).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(nobody())
    }
}
