//! `POST /api/admin/users`: a person is made before they ever sign in, and known by their provider's name for them when they do.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Outcome, Whole, json, read_json};
use gateway::principal::Team;
use gateway::random;
use gateway::scope::Scope;
use gateway::store::{Identity, RolesFrom, User, UserChange, UserWrite};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::{known, shown, told};
use crate::name::checked_name;
use crate::{State, audit};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    identity: NewIdentity,
    roles: Vec<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    team: Option<Team>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewIdentity {
    /// A configured provider's id.
    provider: String,
    /// The provider's name for the person: the claim `sub`, or GitHub's number.
    subject: String,
}

impl NewIdentity {
    /// The identity, if its provider is one that people can come by.
    pub(crate) fn known_to(&self, state: &State) -> Result<Identity, Error> {
        let provider = state.login.provider(&self.provider);
        let issuer = provider.and_then(gateway::login::Provider::issuer);
        let issuer = issuer.ok_or_else(|| Error::invalid("`identity.provider` is no provider that is configured."))?;
        let fits = (1..=255).contains(&self.subject.len()) && !self.subject.chars().any(char::is_control);
        match fits {
            true => Ok(Identity::of_subject(issuer, self.subject.clone())),
            false => Err(Error::invalid(
                "`identity.subject` must have 1 to 255 bytes, none of them a control character.",
            )),
        }
    }

    fn told(&self) -> Value {
        serde_json::json!({"provider": self.provider, "subject": self.subject})
    }
}

fn checked_email(email: String) -> Result<String, Error> {
    let fits = email.len() <= 254 && email.bytes().all(|byte| byte.is_ascii_graphic()) && email.contains('@');
    match fits {
        true => Ok(email),
        false => Err(Error::invalid("`email` is no address.")),
    }
}

pub(crate) async fn create(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: NewUser = read_json(&headers, &body)?;
    let identity = wish.identity.known_to(&state)?;
    let now = state.clock.now();
    let mut user = User::new(random::identifier("u")?, now);
    user.roles = known(&wish.roles)?;
    user.roles_from = RolesFrom::Admin;
    user.team = wish.team;
    user.name = wish.name.as_deref().map(checked_name).transpose()?.map(str::to_owned);
    user.email = wish.email.map(checked_email).transpose()?;
    let mut after = told(&user);
    after["identity"] = wish.identity.told();
    let audit = audit::entry(&caller, now, "user.create", user.user_id.clone(), (None, Some(after)))?;
    let change = UserChange {
        before: None,
        after: &user,
        identities: std::slice::from_ref(&identity),
        keep_an_admin: true,
        audit: Some(&audit),
    };
    match state.store.change_user(&change).await? {
        UserWrite::Written => json(StatusCode::CREATED, &shown(&user)),
        _ => Err(Error::new(
            Kind::Conflict,
            "There is a person of this identity already.",
        )),
    }
}
