//! Changes of service accounts: what they may do and whether, and their secrets, of which two can overlap.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State as Extract};
use axum::response::IntoResponse as _;
use gateway::certificate::CertificateLogin;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, Whole, json, read_json};
use gateway::model::AllowedModels;
use gateway::principal::Team;
use gateway::scope::Scope;
use gateway::secret::{Secret, SecretKind};
use gateway::store::{ClientSecret, ClientStatus, LIVE_SECRETS, ServiceClient};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};

use crate::clients::{Shown, found, known_scopes, nobody, told};
use crate::name::checked_name;
use crate::{State, audit, users};

/// The old secret goes on for so long beside a new one, unless asked for otherwise.
const DEFAULT_OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// What is to be changed. What is left out stays; `null` takes a team, a list of models, an end or a certificate away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    status: Option<ClientStatus>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    models: Option<Option<AllowedModels>>,
    #[serde(default, deserialize_with = "given")]
    team: Option<Option<Team>>,
    #[serde(default, deserialize_with = "given")]
    expires_at: Option<Option<Timestamp>>,
    #[serde(default, deserialize_with = "given")]
    certificate: Option<Option<CertificateLogin>>,
    #[serde(default, deserialize_with = "given")]
    tls_client_certificate_bound_access_tokens: Option<Option<bool>>,
}

/// Tells `null` from what is left out.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Changes {
    fn applied_to(self, client: &ServiceClient) -> Result<ServiceClient, Error> {
        let mut changed = client.clone();
        if let Some(name) = self.name {
            checked_name(&name)?.clone_into(&mut changed.name);
        }
        if let Some(names) = self.scopes {
            changed.scopes = known_scopes(&names)?;
        }
        if let Some(names) = self.roles {
            changed.roles = users::known(&names)?;
        }
        changed.status = self.status.unwrap_or(changed.status);
        changed.models = self.models.unwrap_or(changed.models);
        changed.team = self.team.unwrap_or(changed.team);
        changed.ends_at = self.expires_at.unwrap_or(changed.ends_at);
        changed.certificate = self.certificate.unwrap_or(changed.certificate);
        changed.binds_tokens = self
            .tls_client_certificate_bound_access_tokens
            .unwrap_or(changed.binds_tokens);
        Ok(changed)
    }
}

/// `PATCH /api/admin/clients/{id}`
pub(crate) async fn change(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(client_id): Id,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let changes: Changes = read_json(&headers, &body)?;
    let client = living(&state, &client_id).await?;
    let changed = changes.applied_to(&client)?;
    store(&state, &caller, "client.change", &client, changed.clone()).await?;
    json(StatusCode::OK, &Shown::of(&changed, None))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSecret {
    /// When the secrets that are there end; a day from now, if it is left out.
    #[serde(default)]
    old_ends_at: Option<Timestamp>,
}

/// `POST /api/admin/clients/{id}/secrets`: a second secret, and an end for the first.
pub(crate) async fn add_secret(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(client_id): Id,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: NewSecret = match body.is_empty() {
        true => NewSecret::default(),
        false => read_json(&headers, &body)?,
    };
    let (client, now) = (living(&state, &client_id).await?, state.clock.now());
    if client.certificate.is_some() {
        return Err(Error::new(
            Kind::Conflict,
            "The service account authenticates by its certificate; take that away first.",
        ));
    }
    if client.live_secrets(now).count() >= LIVE_SECRETS {
        return Err(Error::new(
            Kind::Conflict,
            "Two secrets are alive; end one of them first.",
        ));
    }
    let end = wish.old_ends_at.unwrap_or(now + DEFAULT_OVERLAP);
    let secret = minted(&client)?;
    let mut changed = client.clone();
    changed.secrets.retain(|it| it.is_alive(now));
    for old in &mut changed.secrets {
        old.ends_at = Some(old.ends_at.map_or(end, |before| before.min(end)));
    }
    changed.secrets.push(ClientSecret::new(&secret, now).await?);
    store(&state, &caller, "client.secret.create", &client, changed.clone()).await?;
    json(StatusCode::CREATED, &Shown::of(&changed, Some(&secret)))
}

/// A secret whose hint no other one of the client's has: by the hint it is told which one is shown.
fn minted(client: &ServiceClient) -> Result<Secret, Error> {
    for _ in 0..8 {
        let secret = Secret::mint(SecretKind::ClientSecret)?;
        if client.secrets.iter().all(|it| it.hint != secret.hint()) {
            return Ok(secret);
        }
    }
    Err(Error::internal("no secret with a hint of its own in eight tries"))
}

/// A client and one of its secrets, decoded.
pub(crate) struct WhichSecret(String, String);

impl<S: Send + Sync> FromRequestParts<S> for WhichSecret {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((client_id, secret_id)) = path.map_err(|_| nobody())?;
        Ok(Self(client_id, secret_id))
    }
}

/// `DELETE /api/admin/clients/{id}/secrets/{secret_id}`: ends a secret at once.
pub(crate) async fn end_secret(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    WhichSecret(client_id, secret_id): WhichSecret,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let client = living(&state, &client_id).await?;
    let mut changed = client.clone();
    changed.secrets.retain(|it| it.secret_id != secret_id);
    if changed.secrets.len() == client.secrets.len() {
        return Err(Error::not_found("secret"));
    }
    store(&state, &caller, "client.secret.end", &client, changed).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// One that was ended is changed no more.
async fn living(state: &State, client_id: &str) -> Result<ServiceClient, Error> {
    let client = found(state, client_id).await?;
    match client.revoked_at {
        None => Ok(client),
        Some(_) => Err(Error::new(Kind::Conflict, "The service account was ended.")),
    }
}

async fn store(
    state: &State,
    caller: &Caller,
    action: &'static str,
    before: &ServiceClient,
    after: ServiceClient,
) -> Result<(), Error> {
    let change = (Some(told(before)), Some(told(&after)));
    let audit = audit::entry(caller, state.clock.now(), action, before.client_id.clone(), change)?;
    match state.store.change_client(after, &audit).await? {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Conflict,
            "The service account is being changed by somebody else; try again.",
        )),
    }
}
