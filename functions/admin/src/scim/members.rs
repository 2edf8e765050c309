//! Who is in a group. Each who comes or leaves is one transaction: that they are in it, and the roles and the team that follow.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use gateway::error::{Error, Kind};
use gateway::http::Caller;
use gateway::scim::{invalid, wrong};
use gateway::store::{DirectoryGroup, Membership, RolesFrom, User, UserChange, UserWrite};

use super::{MOST_TRIES, last_admin, overtaken};
use crate::users::told;
use crate::{State, audit};

/// So many people are written at once.
const AT_ONCE: usize = 8;
/// So many are written by one request; the rest when it is sent again.
const MOST_WRITES: usize = 5_000;
/// So many groups a person may be in: all of them are in the person's item.
const MOST_GROUPS: usize = 500;

/// Passes if all of these are people in the directory.
pub(super) async fn require_known(state: &State, ids: &BTreeSet<String>) -> Result<(), Error> {
    let ids: Vec<_> = ids.iter().cloned().collect();
    let users = state.store.users_of(&ids).await?;
    let known = users
        .iter()
        .filter(|user| user.directory.as_ref().is_some_and(|it| !it.deleted));
    match known.count() == ids.len() {
        true => Ok(()),
        false => Err(invalid(wrong::VALUE, "A member is no user of this directory.")),
    }
}

/// Writes all of these, some at once. What cannot be is told after the others are done.
pub(super) async fn each(
    state: &State,
    caller: &Caller,
    group: &DirectoryGroup,
    membership: Membership,
    ids: impl IntoIterator<Item = String>,
) -> Result<(), Error> {
    let mut ids = ids.into_iter();
    let now: Vec<String> = ids.by_ref().take(MOST_WRITES).collect();
    let writes = now
        .into_iter()
        .map(|id| async move { Box::pin(one(state, caller, group, membership, &id)).await });
    let outcomes: Vec<_> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
    outcomes.into_iter().collect::<Result<(), Error>>()?;
    match ids.next() {
        None => Ok(()),
        Some(_) => {
            let mut error = Error::new(Kind::Unavailable, "Not all members are done; send the same again.");
            error.retry_after_seconds = Some(1);
            Err(error)
        }
    }
}

/// Somebody leaves a group, whatever has become of it.
pub(super) async fn leave(state: &State, caller: &Caller, group_id: &str, user_id: &str) -> Result<(), Error> {
    let found = state.store.group(group_id).await?;
    match found {
        Some(group) => one(state, caller, &group, Membership::Leaves, user_id).await,
        None => Ok(()),
    }
}

async fn one(
    state: &State,
    caller: &Caller,
    group: &DirectoryGroup,
    membership: Membership,
    user_id: &str,
) -> Result<(), Error> {
    for _ in 0..MOST_TRIES {
        let Some(user) = state.store.user(user_id).await? else {
            return Ok(());
        };
        // Of a group that was renamed in the meantime the new name counts.
        let group = match membership {
            Membership::Leaves => group.clone(),
            _ => match state.store.group(&group.group_id).await? {
                Some(group) if !group.ended => group,
                _ => return Err(Error::not_found("group")),
            },
        };
        let after = changed(state, &group, membership, &user)?;
        if after == user {
            return Ok(());
        }
        match written(state, caller, &group, membership, &user, &after).await? {
            UserWrite::Written => return Ok(()),
            UserWrite::LastAdmin => return Err(last_admin()),
            UserWrite::Overtaken | UserWrite::Taken => {}
        }
    }
    Err(overtaken())
}

/// The person in the group, or out of it.
fn changed(state: &State, group: &DirectoryGroup, membership: Membership, user: &User) -> Result<User, Error> {
    let mut after = user.clone();
    let Some(record) = after.directory.as_mut() else {
        return Ok(after);
    };
    match membership {
        Membership::Leaves => {
            record.groups.remove(&group.group_id);
        }
        // Nobody comes into a group who has left the directory.
        _ if record.deleted => return Ok(after),
        _ => {
            record.groups.insert(group.group_id.clone(), group.names.clone());
        }
    }
    if record.groups.len() > MOST_GROUPS {
        return Err(Error::new(
            Kind::TooLarge,
            format!("A user may be in {MOST_GROUPS} groups at the most."),
        ));
    }
    if after.roles_from == RolesFrom::Directory {
        after.take_from_directory(&state.login);
    }
    Ok(after)
}

async fn written(
    state: &State,
    caller: &Caller,
    group: &DirectoryGroup,
    membership: Membership,
    before: &User,
    after: &User,
) -> Result<UserWrite, Error> {
    let action = match membership {
        Membership::Joins => "directory.group.join",
        Membership::Leaves => "directory.group.leave",
        Membership::Stays => "directory.group.stay",
    };
    let (was, mut is) = (told(before), told(after));
    is["group"] = serde_json::json!({"group_id": group.group_id, "name": group.names.display_name});
    let told = (Some(was), Some(is));
    let audit = audit::entry(caller, state.clock.now(), action, after.user_id.clone(), told)?;
    let change = UserChange {
        before: Some(before),
        after,
        identities: &[],
        keep_an_admin: after.is_active(),
        audit: Some(&audit),
    };
    state.store.change_member(group, membership, &change).await
}
