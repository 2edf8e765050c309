//! SCIM 2.0 (RFC 7644): the company's directory tells of people and groups. The forms are in `gateway::scim`.
//!
//! What is atomic: a person with their name in the directory, their link to a login, their roles and team and the audit entry; and
//! that somebody is in a group, with the roles and the team that follow. A request about many members is as many transactions: cut
//! off, some are done, and the same request sent again does the rest.

mod discovery;
mod groups;
mod list;
mod members;
mod resource;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, require_content_type};
use gateway::login::Provider;
use gateway::scim::{MEDIA_TYPE, invalid, wrong};
use gateway::scope::Scope;
use gateway::store::Identity;
use gateway::wire::json::Object;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use crate::State;

pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(
            "/scim/v2/ServiceProviderConfig",
            get(discovery::service_provider_config),
        )
        .route("/scim/v2/ResourceTypes", get(discovery::resource_types))
        .route("/scim/v2/ResourceTypes/{id}", get(discovery::resource_type))
        .route("/scim/v2/Schemas", get(discovery::schemas))
        .route("/scim/v2/Schemas/{id}", get(discovery::schema))
        .route("/scim/v2/Users", get(users::list).post(users::create))
        .route(
            "/scim/v2/Users/{id}",
            get(users::read)
                .put(users::replace)
                .patch(users::patch)
                .delete(users::delete),
        )
        .route("/scim/v2/Groups", get(groups::list).post(groups::create))
        .route(
            "/scim/v2/Groups/{id}",
            get(groups::read)
                .put(groups::replace)
                .patch(groups::patch)
                .delete(groups::delete),
        )
}

/// So often a person or a group is read anew and written, if somebody else writes them at the same moment.
const MOST_TRIES: u32 = 6;

/// Passes if the caller is the directory, or may do everything.
fn require(state: &State, caller: &Caller) -> Result<(), Error> {
    let now = state.clock.now();
    caller.principal.require_any(Scope::Directory, &[Scope::Admin], now)
}

/// The same, and the provider whose people the directory tells of.
fn require_directory<'a>(state: &'a State, caller: &Caller) -> Result<&'a Provider, Error> {
    require(state, caller)?;
    let none = || Error::new(Kind::NotFound, "No directory is configured here.");
    state.login.directory_provider().ok_or_else(none)
}

/// The identity by which a person of this `externalId` comes.
fn identity(state: &State, external_id: &str) -> Option<Identity> {
    let directory = state.login.directory.as_ref()?;
    Some(Identity {
        issuer: state.login.directory_provider()?.issuer()?,
        claim: directory.claim.clone(),
        subject: external_id.to_owned(),
    })
}

fn base(state: &State) -> String {
    format!("{}/scim/v2", state.issuer)
}

/// The body's object. Every form of JSON that is wrong is refused before anything is read of it.
fn body(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Error> {
    require_content_type(headers, MEDIA_TYPE).or_else(|_| require_content_type(headers, "application/json"))?;
    let refused = |error: Error| error.named(wrong::SYNTAX);
    Object::parse(body).map_err(Error::from).map_err(refused)?;
    serde_json::from_slice(body).map_err(|_| invalid(wrong::SYNTAX, "The body is not a JSON object."))
}

fn answer(status: StatusCode, value: &Value) -> Result<Response, Error> {
    let text = serde_json::to_vec(value).map_err(Error::internal)?;
    Ok((status, [(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

/// A resource, or what is asked for of it, with its version and, where it is new, its place.
fn resource(status: StatusCode, value: &Value, wish: Option<&list::Wish>) -> Result<Response, Error> {
    let text = |name: &str| {
        let text = value["meta"][name].as_str().unwrap_or_default();
        HeaderValue::from_str(text).map_err(Error::internal)
    };
    let (version, location) = (text("version")?, text("location")?);
    let mut shown = value.clone();
    if let Some(wish) = wish {
        wish.of(&mut shown);
    }
    let mut response = answer(status, &shown)?;
    response.headers_mut().insert(header::ETAG, version);
    if status == StatusCode::CREATED {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn version(revision: u64) -> String {
    format!("W/\"{revision}\"")
}

/// Passes if the resource is as the caller has seen it, if the caller says how that is (RFC 7644, section 3.14).
fn check_if_match(headers: &HeaderMap, revision: u64) -> Result<(), Error> {
    let Some(wish) = headers.get(header::IF_MATCH) else {
        return Ok(());
    };
    let current = version(revision);
    let wishes = wish.to_str().unwrap_or_default().split(',').map(str::trim);
    match wishes.into_iter().any(|wish| wish == "*" || wish == current) {
        true => Ok(()),
        false => Err(Error::new(
            Kind::PreconditionFailed,
            "The resource is not as it was seen; nothing was changed.",
        )),
    }
}

fn taken(what: &'static str) -> Error {
    Error::new(Kind::Conflict, what).named(wrong::UNIQUENESS)
}

fn overtaken() -> Error {
    let mut error = Error::new(
        Kind::Unavailable,
        "The resource is being changed by others; send the same again.",
    );
    error.retry_after_seconds = Some(1);
    error
}

fn last_admin() -> Error {
    let message = "The last active admin would lose the role; make another one first.";
    Error::new(Kind::Conflict, message).named(wrong::MUTABILITY)
}
