//! API keys: made for oneself, or by an admin for anyone; shown once; listed; revoked.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, PageQuery, Whole, json, query, read_json};
use gateway::model::AllowedModels;
use gateway::principal::{Subject, Team};
use gateway::random;
use gateway::scope::{Scope, Scopes};
use gateway::secret::{Secret, SecretKind};
use gateway::store::{ApiKey, KeyCreation};
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::checked_name;
use crate::{State, audit};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: String,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    models: Option<AllowedModels>,
    #[serde(default)]
    expires_at: Option<Timestamp>,
    #[serde(default)]
    owner: Option<Subject>,
    #[serde(default)]
    team: Option<Team>,
}

/// A key as its owner sees it.
#[derive(Serialize)]
struct Shown<'a> {
    key_id: &'a str,
    name: &'a str,
    owner: &'a Subject,
    team: Option<&'a Team>,
    scopes: Vec<&'static str>,
    models: Option<&'a AllowedModels>,
    hint: &'a str,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    /// In the answer to its making, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn of(api_key: &'a ApiKey, secret: Option<&'a Secret>) -> Self {
        Self {
            key_id: &api_key.key_id,
            name: &api_key.name,
            owner: &api_key.owner,
            team: api_key.team.as_ref(),
            scopes: api_key.scopes.names(),
            models: api_key.models.as_ref(),
            hint: &api_key.hint,
            created_at: api_key.created_at,
            expires_at: api_key.ends_at,
            revoked_at: api_key.revoked_at,
            key: secret.map(Secret::expose),
        }
    }
}

/// A key as the audit trail tells of it: what it is and allows, and no part of itself.
fn told(api_key: &ApiKey, revoked_at: Option<Timestamp>) -> Value {
    serde_json::json!({
        "owner": api_key.owner, "name": api_key.name, "team": api_key.team, "scopes": api_key.scopes.names(),
        "models": api_key.models, "expires_at": api_key.ends_at, "revoked_at": revoked_at,
    })
}

pub(crate) async fn create(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Keys, &state.clock)?;
    let wish: NewKey = read_json(&headers, &body)?;
    let owner = owner_of(&caller, wish.owner)?;
    let team = team_of(&caller, &owner, wish.team)?;
    let now = state.clock.now();
    if wish.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::invalid("`expires_at` must be in the future."));
    }
    let secret = Secret::mint(SecretKind::ApiKey)?;
    let api_key = ApiKey::new(
        random::identifier("key")?,
        owner,
        checked_name(&wish.name)?.to_owned(),
        wished_scopes(&caller, wish.scopes)?,
        &secret,
        now,
        wish.expires_at,
    )
    .of_team(team)
    .for_models(wished_models(&caller, wish.models)?);
    let change = (None, Some(told(&api_key, None)));
    let audit = audit::entry(&caller, now, "key.create", api_key.key_id.clone(), change)?;
    let limit = state.keys_per_owner.get();
    match state.store.create_api_key(&api_key, limit, &audit).await? {
        KeyCreation::Created => json(StatusCode::CREATED, &Shown::of(&api_key, Some(&secret))),
        KeyCreation::LimitReached => Err(Error::new(
            Kind::Conflict,
            format!("There are {} keys already; revoke one first.", state.keys_per_owner),
        )),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    limit: Option<usize>,
    cursor: Option<String>,
    owner: Option<Subject>,
}

pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Keys, &state.clock)?;
    let wish: Query = query(&uri)?;
    let owner = owner_of(&caller, wish.owner)?;
    let page = PageQuery {
        limit: wish.limit,
        cursor: wish.cursor,
    };
    let page = state
        .store
        .api_keys_of(&owner, page.size()?, page.after()?.as_ref())
        .await?;
    let keys: Vec<_> = page.items.iter().map(|api_key| Shown::of(api_key, None)).collect();
    json(
        StatusCode::OK,
        &serde_json::json!({"keys": keys, "next_cursor": page.next_cursor.map(|it| it.encode())}),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnerQuery {
    owner: Option<Subject>,
}

pub(crate) async fn revoke(Extract(state): Extract<Arc<State>>, caller: Caller, Id(key_id): Id, uri: Uri) -> Outcome {
    caller.require(Scope::Keys, &state.clock)?;
    let wish: OwnerQuery = query(&uri)?;
    let owner = owner_of(&caller, wish.owner)?;
    let nobodys = || Error::not_found("API key");
    let found = if random::is_identifier(&key_id) {
        state.store.api_key_of(&owner, &key_id).await?
    } else {
        None
    };
    let (api_key, now) = (found.ok_or_else(nobodys)?, state.clock.now());
    let change = (Some(told(&api_key, None)), Some(told(&api_key, Some(now))));
    let audit = audit::entry(&caller, now, "key.revoke", key_id, change)?;
    let revoked = state.store.revoke_api_key(&owner, &api_key.key_id, now, &audit).await?;
    if revoked {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(nobodys())
    }
}

/// The team on whose account a new key works: an admin says so; anybody else's keys are on the account that they work on.
fn team_of(caller: &Caller, owner: &Subject, wish: Option<Team>) -> Result<Option<Team>, Error> {
    let own = &caller.principal.team;
    match wish {
        None if owner == &caller.principal.subject => Ok(own.clone()),
        None => Ok(None),
        Some(team) if own.as_ref() == Some(&team) || caller.principal.scopes.contains(Scope::Admin) => Ok(Some(team)),
        Some(_) => Err(Error::insufficient_scope(Scope::Admin)),
    }
}

/// The caller, or for an admin anyone.
fn owner_of(caller: &Caller, wish: Option<Subject>) -> Result<Subject, Error> {
    match wish {
        None => Ok(caller.principal.subject.clone()),
        Some(owner) if owner == caller.principal.subject => Ok(owner),
        Some(owner) if caller.principal.scopes.contains(Scope::Admin) => Ok(owner),
        Some(_) => Err(Error::insufficient_scope(Scope::Admin)),
    }
}

/// A key never allows more than the credential that made it. Without a wish it allows what a user may do, of that.
fn wished_scopes(caller: &Caller, wish: Option<Vec<String>>) -> Result<Scopes, Error> {
    let own = &caller.principal.scopes;
    let Some(names) = wish else {
        return Ok(Scopes::of_a_user().intersection(own));
    };
    let scopes: Scopes = names
        .join(" ")
        .parse()
        .map_err(|_| Error::invalid("`scopes` names an unknown scope."))?;
    if scopes.is_empty() {
        return Err(Error::invalid("`scopes` must name at least one scope."));
    }
    // Whoever administers may let a directory or a scraper in, also by a credential that is older than their scopes.
    let more: &[Scope] = match own.contains(Scope::Admin) {
        true => &[Scope::Directory, Scope::Metrics],
        false => &[],
    };
    if scopes.is_subset_of(&own.union(&more.iter().copied().collect())) {
        Ok(scopes)
    } else {
        Err(Error::new(
            Kind::Denied,
            "A key cannot allow more than the credential that makes it.",
        ))
    }
}

/// A key never allows more than the credential that made it, also of models. Without a wish it allows the same ones.
fn wished_models(caller: &Caller, wish: Option<AllowedModels>) -> Result<Option<AllowedModels>, Error> {
    match (&caller.principal.models, wish) {
        (None, wish) => Ok(wish),
        (Some(own), Some(wish)) if own.covers(&wish) => Ok(Some(wish)),
        (Some(own), None) => handed_on(own).map(Some),
        (Some(_), Some(_)) => Err(Error::new(
            Kind::Denied,
            "A key cannot call more models than the credential that makes it.",
        )),
    }
}

/// What several holders' lists have in common can be longer than one list may be, or nothing at all.
fn handed_on(own: &AllowedModels) -> Result<AllowedModels, Error> {
    AllowedModels::try_from(Vec::from(own.clone()))
        .map_err(|_| Error::invalid("`models` must be given: the credential's own list cannot be handed on."))
}
