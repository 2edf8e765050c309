//! Service accounts: made, listed and ended by admins; a secret is shown once. How one is changed is in `client_changes`.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::certificate::CertificateLogin;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, PageQuery, Whole, json, query, read_json};
use gateway::model::AllowedModels;
use gateway::principal::Team;
use gateway::random;
use gateway::role::Role;
use gateway::scope::{Scope, Scopes};
use gateway::secret::{Secret, SecretKind};
use gateway::store::{ClientSecret, ClientStatus, ServiceClient};
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::checked_name;
use crate::{State, audit, users};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewClient {
    name: String,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    #[serde(default)]
    models: Option<AllowedModels>,
    #[serde(default)]
    team: Option<Team>,
    #[serde(default)]
    expires_at: Option<Timestamp>,
    /// By which certificate it authenticates; it has no secret then.
    #[serde(default)]
    certificate: Option<CertificateLogin>,
    #[serde(default)]
    tls_client_certificate_bound_access_tokens: Option<bool>,
}

/// A service account as admins see it.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    client_id: &'a str,
    name: &'a str,
    team: Option<&'a Team>,
    scopes: Vec<&'static str>,
    roles: &'a [Role],
    models: Option<&'a AllowedModels>,
    status: ClientStatus,
    secrets: Vec<ShownSecret<'a>>,
    certificate: Option<&'a CertificateLogin>,
    tls_client_certificate_bound_access_tokens: bool,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    /// In the answer to the making of the account or of the secret, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
}

/// One of its secrets, without itself and its hash.
#[derive(Serialize)]
struct ShownSecret<'a> {
    secret_id: &'a str,
    hint: &'a str,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl<'a> ShownSecret<'a> {
    fn of(secret: &'a ClientSecret) -> Self {
        Self {
            secret_id: &secret.secret_id,
            hint: &secret.hint,
            created_at: secret.created_at,
            expires_at: secret.ends_at,
        }
    }
}

impl<'a> Shown<'a> {
    pub(crate) fn of(client: &'a ServiceClient, secret: Option<&'a Secret>) -> Self {
        Self {
            client_id: &client.client_id,
            name: &client.name,
            team: client.team.as_ref(),
            scopes: client.scopes.names(),
            roles: &client.roles,
            models: client.models.as_ref(),
            status: client.status,
            secrets: client.secrets.iter().map(ShownSecret::of).collect(),
            certificate: client.certificate.as_ref(),
            tls_client_certificate_bound_access_tokens: client.binds_tokens(),
            created_at: client.created_at,
            expires_at: client.ends_at,
            revoked_at: client.revoked_at,
            client_secret: secret.map(Secret::expose),
        }
    }
}

/// A service account as the audit trail tells of it: what it is and allows, and no part of a secret or its hash.
pub(crate) fn told(client: &ServiceClient) -> Value {
    let secrets: Vec<_> = client
        .secrets
        .iter()
        .map(|it| serde_json::json!({ "secret_id": it.secret_id, "expires_at": it.ends_at }))
        .collect();
    serde_json::json!({
        "name": client.name, "team": client.team, "scopes": client.scopes.names(), "roles": client.roles,
        "models": client.models, "status": client.status, "expires_at": client.ends_at, "revoked_at": client.revoked_at, "secrets": secrets,
        "certificate": client.certificate,
        "tls_client_certificate_bound_access_tokens": client.binds_tokens(),
    })
}

/// The scopes of these names, all of which must be known.
pub(crate) fn known_scopes(names: &[String]) -> Result<Scopes, Error> {
    let scopes = names.join(" ").parse();
    scopes.map_err(|_| Error::invalid("`scopes` names an unknown scope."))
}

/// The service account of an id; somebody's id that cannot be one is nobody's.
pub(crate) async fn found(state: &State, client_id: &str) -> Result<ServiceClient, Error> {
    let found = match random::is_identifier(client_id) {
        true => state.store.client(client_id).await?,
        false => None,
    };
    found.ok_or_else(nobody)
}

pub(crate) fn nobody() -> Error {
    Error::not_found("service account")
}

pub(crate) async fn create(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: NewClient = read_json(&headers, &body)?;
    let roles = wish.roles.as_deref().map(users::known).transpose()?;
    let scopes = match (wish.scopes, &roles) {
        (None, None) => Scopes::of_a_client(),
        // What its roles give is enough.
        (None, Some(_)) => Scopes::default(),
        (Some(names), _) => known_scopes(&names)?,
    };
    let name = checked_name(&wish.name)?.to_owned();
    let (client_id, now) = (random::identifier("client")?, state.clock.now());
    if wish.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::invalid("`expires_at` must be in the future."));
    }
    let mut client = ServiceClient::without_secret(client_id, name, scopes, now)
        .with_roles(roles.unwrap_or_default())
        .of_team(wish.team)
        .for_models(wish.models)
        .until(wish.expires_at);
    client.binds_tokens = wish.tls_client_certificate_bound_access_tokens;
    client.certificate = wish.certificate;
    let secret = first_secret(&mut client, now).await?;
    let change = (None, Some(told(&client)));
    let audit = audit::entry(&caller, now, "client.create", client.client_id.clone(), change)?;
    if !state.store.create_client(&client, &audit).await? {
        return Err(Error::new(Kind::Conflict, "The id is taken; try again."));
    }
    json(StatusCode::CREATED, &Shown::of(&client, secret.as_ref()))
}

/// One that authenticates by its certificate has none.
async fn first_secret(client: &mut ServiceClient, now: Timestamp) -> Result<Option<Secret>, Error> {
    if client.certificate.is_some() {
        return Ok(None);
    }
    let secret = Secret::mint(SecretKind::ClientSecret)?;
    client.secrets.push(ClientSecret::new(&secret, now).await?);
    Ok(Some(secret))
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
    let (client, now) = (found(&state, &client_id).await?, state.clock.now());
    let mut ended = client.clone();
    ended.revoked_at = Some(now);
    let change = (Some(told(&client)), Some(told(&ended)));
    let audit = audit::entry(&caller, now, "client.revoke", client_id, change)?;
    if state.store.revoke_client(&client.client_id, now, &audit).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(nobody())
    }
}
