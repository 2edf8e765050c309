//! People who signed in: listed, suspended and let in again by admins.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::error::Error;
use gateway::http::{Caller, Id, Outcome, PageQuery, Whole, json, query, read_json};
use gateway::random;
use gateway::scope::Scope;
use gateway::store::{User, UserStatus};
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json as value};

use crate::{State, audit};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    status: UserStatus,
}

fn shown(user: &User, status: UserStatus) -> Value {
    value!({
        "user_id": user.user_id, "subject": format!("user:{}", user.user_id), "name": user.name, "email": user.email,
        "email_verified": user.email_verified, "team": user.team, "roles": user.roles, "status": status,
        "created_at": user.created_at, "last_login_at": user.last_login_at,
    })
}

pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let page: PageQuery = query(&uri)?;
    let page = state.store.users(page.size()?, page.after()?.as_ref()).await?;
    let users: Vec<_> = page.items.iter().map(|user| shown(user, user.status)).collect();
    let next_cursor = page.next_cursor.map(|it| it.encode());
    json(StatusCode::OK, &value!({"users": users, "next_cursor": next_cursor}))
}

pub(crate) async fn put(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(user_id): Id,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let change: Change = read_json(&headers, &body)?;
    let nobody = || Error::not_found("user");
    let found = if random::is_identifier(&user_id) {
        state.store.user(&user_id).await?
    } else {
        None
    };
    let user = found.ok_or_else(nobody)?;
    let told = (
        Some(value!({ "status": user.status })),
        Some(value!({ "status": change.status })),
    );
    let action = match change.status {
        UserStatus::Active => "user.activate",
        UserStatus::Suspended => "user.suspend",
    };
    let audit = audit::entry(&caller, state.clock.now(), action, user_id, told)?;
    if state
        .store
        .set_user_status(&user.user_id, change.status, &audit)
        .await?
    {
        json(StatusCode::OK, &shown(&user, change.status))
    } else {
        Err(nobody())
    }
}
