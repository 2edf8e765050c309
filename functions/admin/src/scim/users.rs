//! `/scim/v2/Users`

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::error::Error;
use gateway::http::{Caller, Id, Outcome, Whole};
use gateway::random;
use gateway::scim::{Filter, UserFields, indexed, invalid, matches, wrong};
use gateway::store::{DirectoryRecord, RolesFrom, User, UserChange, UserWrite};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;

use super::list::Wish;
use super::{
    MOST_TRIES, answer, base, body, check_if_match, identity, last_admin, members, overtaken, require_directory,
    resource, taken,
};
use crate::users::told;
use crate::{State, audit};

fn nobody() -> Error {
    Error::not_found("user")
}

/// The person of an id, if they are in the directory.
async fn found(state: &State, user_id: &str) -> Result<(User, DirectoryRecord), Error> {
    let (user, record) = found_or_deleted(state, user_id).await?;
    match record.deleted {
        true => Err(nobody()),
        false => Ok((user, record)),
    }
}

async fn found_or_deleted(state: &State, user_id: &str) -> Result<(User, DirectoryRecord), Error> {
    let user = match random::is_identifier(user_id) {
        true => state.store.user(user_id).await?,
        false => None,
    };
    let user = user.ok_or_else(nobody)?;
    let record = user.directory.clone().ok_or_else(nobody)?;
    Ok((user, record))
}

fn shown(state: &State, user: &User) -> Result<Value, Error> {
    let record = user.directory.as_ref().ok_or_else(nobody)?;
    super::resource::user(&base(state), user, record)
}

pub(crate) async fn read(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id, uri: Uri) -> Outcome {
    require_directory(&state, &caller)?;
    let wish = Wish::read(&uri)?;
    let (user, _) = found(&state, &id).await?;
    resource(StatusCode::OK, &shown(&state, &user)?, Some(&wish))
}

pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    require_directory(&state, &caller)?;
    let wish = Wish::read(&uri)?;
    let (total, users) = match &wish.filter {
        None => {
            let all = state.store.directory_user_ids().await?;
            (all.len(), state.store.users_of(&wish.part(all)).await?)
        }
        Some(filter) => {
            let wanted = wanted(&state, filter).await?;
            (wanted.len(), wish.part(wanted))
        }
    };
    let mut resources = users
        .iter()
        .map(|user| shown(&state, user))
        .collect::<Result<Vec<_>, _>>()?;
    resources.iter_mut().for_each(|it| wish.of(it));
    answer(StatusCode::OK, &wish.answer(total, &resources))
}

/// Whom a filter wants. It must name somebody: nobody looks through all people.
async fn wanted(state: &State, filter: &Filter) -> Result<Vec<User>, Error> {
    let user = match indexed(filter, &["id", "userName", "externalId"]) {
        Some(("id", id)) => found(state, id).await.ok(),
        Some(("userName", name)) => match state.store.directory_user_id(name).await? {
            Some(id) => Some(found(state, &id).await?),
            None => None,
        },
        Some((_, id)) => match identity(state, id) {
            Some(identity) => by_link(state, &identity).await?,
            None => None,
        },
        None => {
            return Err(invalid(
                wrong::FILTER,
                "A filter of users must have `userName eq`, `externalId eq` or `id eq`, alone or by `and` with others.",
            ));
        }
    };
    let Some((user, _)) = user else {
        return Ok(Vec::new());
    };
    let is_wanted = shown(state, &user)?
        .as_object()
        .is_some_and(|shown| matches(filter, shown));
    Ok(is_wanted.then_some(user).into_iter().collect())
}

async fn by_link(state: &State, link: &gateway::store::Identity) -> Result<Option<(User, DirectoryRecord)>, Error> {
    let user = state.store.user_of_identity(link).await?;
    let live = |user: User| {
        let record = user.directory.clone().filter(|record| !record.deleted)?;
        Some((user, record))
    };
    Ok(user.and_then(live))
}

pub(crate) async fn create(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    headers: HeaderMap,
    Whole(bytes): Whole,
) -> Outcome {
    require_directory(&state, &caller)?;
    let fields = UserFields::read(&body(&headers, &bytes)?)?;
    for _ in 0..MOST_TRIES {
        let before = match fields.external_id.as_deref().and_then(|id| identity(&state, id)) {
            Some(link) => state.store.user_of_identity(&link).await?,
            None => None,
        };
        if before
            .as_ref()
            .is_some_and(|user| user.directory.as_ref().is_some_and(|it| !it.deleted))
        {
            return Err(taken("There is a user of this `externalId` already."));
        }
        let mut after = match &before {
            Some(user) => user.clone(),
            None => User::new(random::identifier("u")?, state.clock.now()),
        };
        after.directory = None;
        if after.roles_from == RolesFrom::Login {
            after.roles_from = RolesFrom::Directory;
        }
        told_by(&state, &mut after, &fields);
        let action = "directory.user.create";
        if let Some(user) = written(&state, &caller, action, before.as_ref(), after).await? {
            return resource(StatusCode::CREATED, &shown(&state, &user)?, None);
        }
    }
    Err(overtaken())
}

/// Puts down what the directory says of a person, and what follows for what they may do.
fn told_by(state: &State, user: &mut User, fields: &UserFields) {
    let now = state.clock.now();
    let old = user.directory.take();
    let attributes = Value::Object(fields.attributes.clone()).to_string();
    user.directory = Some(DirectoryRecord {
        user_name: fields.user_name.clone(),
        external_id: fields.external_id.clone(),
        link: fields.external_id.as_deref().and_then(|id| identity(state, id)),
        // Where nothing is said it stays as it was.
        active: fields.active.unwrap_or(old.as_ref().is_none_or(|old| old.active)),
        deleted: false,
        attributes,
        created_at: old.as_ref().map_or(now, |old| old.created_at),
        changed_at: now,
        groups: old.map(|old| old.groups).unwrap_or_default(),
    });
    user.name = fields.shown_name();
    user.email = fields.email();
    if user.roles_from == RolesFrom::Directory {
        user.take_from_directory(&state.login);
    }
}

/// Writes a person. None: somebody else was faster.
async fn written(
    state: &State,
    caller: &Caller,
    action: &'static str,
    before: Option<&User>,
    mut after: User,
) -> Result<Option<User>, Error> {
    let told = (before.map(told), Some(told(&after)));
    let audit = audit::entry(caller, state.clock.now(), action, after.user_id.clone(), told)?;
    let change = UserChange {
        before,
        after: &after,
        identities: &[],
        // Whom the directory switches off is off, whoever is left; but no admin is lost to a rule by mistake.
        keep_an_admin: after.is_active(),
        audit: Some(&audit),
    };
    match state.store.change_user(&change).await? {
        UserWrite::Written => {
            after.revision = before.map_or(0, |before| before.revision + 1);
            if !after.is_active() {
                state.store.end_sessions_of(&after.subject()?).await?;
            }
            Ok(Some(after))
        }
        UserWrite::Overtaken => Ok(None),
        UserWrite::Taken => Err(taken("The `userName` or the `externalId` is another user's.")),
        UserWrite::LastAdmin => Err(last_admin()),
    }
}

pub(crate) async fn replace(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Whole(bytes): Whole,
) -> Outcome {
    require_directory(&state, &caller)?;
    let fields = UserFields::read(&body(&headers, &bytes)?)?;
    change(&state, &caller, &headers, &id, |_| Ok(fields.clone())).await
}

pub(crate) async fn patch(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Whole(bytes): Whole,
) -> Outcome {
    require_directory(&state, &caller)?;
    let body = body(&headers, &bytes)?;
    change(&state, &caller, &headers, &id, |fields| fields.patched(&body)).await
}

async fn change(
    state: &State,
    caller: &Caller,
    headers: &HeaderMap,
    user_id: &str,
    changed: impl Fn(UserFields) -> Result<UserFields, Error>,
) -> Outcome {
    for _ in 0..MOST_TRIES {
        let (user, record) = found(state, user_id).await?;
        check_if_match(headers, user.revision)?;
        let fields = changed(super::resource::fields(&record)?)?;
        let mut after = user.clone();
        told_by(state, &mut after, &fields);
        let action = "directory.user.change";
        if let Some(user) = written(state, caller, action, Some(&user), after).await? {
            return resource(StatusCode::OK, &shown(state, &user)?, None);
        }
    }
    Err(overtaken())
}

/// The person is out at once; then they leave their groups. What was cut off there is done by the next DELETE.
pub(crate) async fn delete(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Outcome {
    require_directory(&state, &caller)?;
    for _ in 0..MOST_TRIES {
        let (user, record) = found_or_deleted(&state, &id).await?;
        if record.deleted {
            if record.groups.is_empty() {
                return Err(nobody());
            }
        } else {
            check_if_match(&headers, user.revision)?;
            let mut after = user.clone();
            after.directory = Some(DirectoryRecord {
                deleted: true,
                active: false,
                changed_at: state.clock.now(),
                ..record.clone()
            });
            let action = "directory.user.delete";
            if written(&state, &caller, action, Some(&user), after).await?.is_none() {
                continue;
            }
        }
        for group_id in record.groups.keys() {
            members::leave(&state, &caller, group_id, &user.user_id).await?;
        }
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(overtaken())
}
