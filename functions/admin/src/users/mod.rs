//! People: made before they ever sign in, listed, and changed by admins.

mod change;
mod create;

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, PageQuery, json, query};
use gateway::principal::Team;
use gateway::random;
use gateway::role::{Role, roles_named};
use gateway::scope::Scope;
use gateway::store::{Cursor, Page, User};
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json as value};

use crate::State;

pub(crate) use change::{patch, put};
pub(crate) use create::{NewIdentity, create};

/// So many pages of people are read for one page of a team's.
const READS_A_PAGE: usize = 10;

/// A person as admins see them.
fn shown(user: &User) -> Value {
    let directory = user.directory.as_ref().map(|record| {
        value!({
            "user_name": record.user_name, "external_id": record.external_id, "active": record.is_active(),
            "groups": record.groups.values().map(|group| &group.display_name).collect::<Vec<_>>(),
        })
    });
    value!({
        "user_id": user.user_id, "subject": format!("user:{}", user.user_id), "name": user.name, "email": user.email,
        "email_verified": user.email_verified, "team": user.team, "roles": user.roles, "roles_from": user.roles_from,
        "models": user.models, "status": user.status, "active": user.is_active(), "directory": directory, "created_at": user.created_at,
        "last_login_at": user.last_login_at,
    })
}

/// A person as the audit trail tells of them: what they are and whether, and nothing personal.
pub(crate) fn told(user: &User) -> Value {
    value!({
        "team": user.team, "roles": user.roles, "roles_from": user.roles_from, "status": user.status,
        "active": user.is_active(),
    })
}

fn nobody() -> Error {
    Error::not_found("user")
}

/// The person of an id; somebody's id that cannot be one is nobody's.
async fn found(state: &State, user_id: &str) -> Result<User, Error> {
    let found = match random::is_identifier(user_id) {
        true => state.store.user(user_id).await?,
        false => None,
    };
    found.ok_or_else(nobody)
}

/// The roles of these names, all of which must be known.
pub(crate) fn known(names: &[String]) -> Result<Vec<Role>, Error> {
    roles_named(names).map_err(|_| {
        let all = Role::ALL.map(|role| format!("`{}`", role.name())).join(", ");
        Error::invalid(format!("`roles` names an unknown role; there are {all}."))
    })
}

/// Nobody could undo it.
pub(crate) fn last_admin() -> Error {
    Error::new(
        Kind::Conflict,
        "This is the last active admin; make another one first. Nothing was changed.",
    )
}

pub(crate) fn overtaken() -> Error {
    Error::new(
        Kind::Conflict,
        "The person is being changed by somebody else; try again.",
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    limit: Option<usize>,
    cursor: Option<String>,
    team: Option<Team>,
}

/// `GET /api/admin/users`
pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: Query = query(&uri)?;
    let page = PageQuery {
        limit: wish.limit,
        cursor: wish.cursor,
    };
    let page = people(&state, wish.team.as_ref(), page.size()?, page.after()?).await?;
    let users: Vec<_> = page.items.iter().map(shown).collect();
    let next_cursor = page.next_cursor.map(|it| it.encode());
    json(StatusCode::OK, &value!({"users": users, "next_cursor": next_cursor}))
}

/// A page of all people, or of a team's. Of a team's it may be short, or empty, and still have a cursor.
async fn people(
    state: &State,
    team: Option<&Team>,
    limit: usize,
    mut after: Option<Cursor>,
) -> Result<Page<User>, Error> {
    let mut items = Vec::new();
    for _ in 0..READS_A_PAGE {
        let page = state.store.users(limit - items.len(), after.as_ref()).await?;
        let wanted = |user: &User| team.is_none() || user.team.as_ref() == team;
        items.extend(page.items.into_iter().filter(wanted));
        after = page.next_cursor;
        if after.is_none() || items.len() >= limit {
            break;
        }
    }
    Ok(Page {
        items,
        next_cursor: after,
    })
}

/// `GET /api/admin/users/{id}`
pub(crate) async fn read(Extract(state): Extract<Arc<State>>, caller: Caller, Id(user_id): Id) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    json(StatusCode::OK, &shown(&found(&state, &user_id).await?))
}
