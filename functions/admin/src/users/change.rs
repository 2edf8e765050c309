//! Changes of people by admins: whether they may do anything, what they are, and on whose account they work.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::error::Error;
use gateway::http::{Caller, Id, Outcome, Whole, json, read_json};
use gateway::login::LoginConfig;
use gateway::model::AllowedModels;
use gateway::principal::Team;
use gateway::scope::Scope;
use gateway::store::{RolesFrom, User, UserChange, UserStatus, UserWrite};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{found, known, last_admin, nobody, overtaken, shown, told};
use crate::client_changes::given;
use crate::{State, audit};

/// So often a change is made of what is read anew, if somebody else writes the same person at the same moment.
const MOST_TRIES: u32 = 4;

/// What is to be changed. What is left out stays; `null` takes a team or a list of models away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    #[serde(default)]
    status: Option<UserStatus>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    team: Option<Option<Team>>,
    #[serde(default)]
    roles_from: Option<RolesFrom>,
    #[serde(default, deserialize_with = "given")]
    models: Option<Option<AllowedModels>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    status: UserStatus,
}

impl Changes {
    /// Roles and a team that an administrator names are the administrator's from then on, unless they say otherwise.
    fn applied_to(&self, user: &User, login: &LoginConfig) -> Result<User, Error> {
        let mut changed = user.clone();
        changed.status = self.status.unwrap_or(changed.status);
        if let Some(names) = &self.roles {
            changed.roles = known(names)?;
        }
        if let Some(team) = &self.team {
            changed.team.clone_from(team);
        }
        if let Some(models) = &self.models {
            changed.models.clone_from(models);
        }
        if self.roles.is_some() || self.team.is_some() {
            changed.roles_from = RolesFrom::Admin;
        }
        changed.roles_from = self.roles_from.unwrap_or(changed.roles_from);
        let owned = changed.directory.is_some();
        match (changed.roles_from, owned) {
            (RolesFrom::Directory, false) => Err(Error::invalid("The directory knows nothing of this person.")),
            (RolesFrom::Login, true) => Err(Error::invalid(
                "Of a person in the directory `roles_from` is `directory` or `admin`.",
            )),
            (RolesFrom::Directory, true) => {
                changed.take_from_directory(login);
                Ok(changed)
            }
            _ => Ok(changed),
        }
    }
}

/// `PUT /api/admin/users/{id}`: the status alone.
pub(crate) async fn put(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(user_id): Id,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let Status { status } = read_json(&headers, &body)?;
    let changes = Changes {
        status: Some(status),
        roles: None,
        team: None,
        roles_from: None,
        models: None,
    };
    change(&state, &caller, &user_id, &changes).await
}

/// `PATCH /api/admin/users/{id}`
pub(crate) async fn patch(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(user_id): Id,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let changes: Changes = read_json(&headers, &body)?;
    change(&state, &caller, &user_id, &changes).await
}

async fn change(state: &State, caller: &Caller, user_id: &str, changes: &Changes) -> Outcome {
    for _ in 0..MOST_TRIES {
        let user = found(state, user_id).await?;
        let changed = changes.applied_to(&user, &state.login)?;
        if changed == user {
            return json(StatusCode::OK, &shown(&user));
        }
        match write(state, caller, &user, &changed).await? {
            UserWrite::Written => return json(StatusCode::OK, &shown(&changed)),
            UserWrite::LastAdmin => return Err(last_admin()),
            UserWrite::Taken => return Err(nobody()),
            UserWrite::Overtaken => {}
        }
    }
    Err(overtaken())
}

async fn write(state: &State, caller: &Caller, before: &User, after: &User) -> Result<UserWrite, Error> {
    let action = action(before, after);
    let told = (Some(told(before)), Some(told(after)));
    let audit = audit::entry(caller, state.clock.now(), action, after.user_id.clone(), told)?;
    let change = UserChange {
        before: Some(before),
        after,
        identities: &[],
        keep_an_admin: true,
        audit: Some(&audit),
    };
    state.store.change_user(&change).await
}

/// A change of the status alone has a name of its own.
fn action(before: &User, after: &User) -> &'static str {
    let mut same = before.clone();
    same.status = after.status;
    match after.status {
        _ if same != *after => "user.change",
        UserStatus::Active => "user.activate",
        UserStatus::Suspended => "user.suspend",
    }
}
