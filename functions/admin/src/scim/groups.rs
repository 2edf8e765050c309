//! `/scim/v2/Groups`

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, Whole};
use gateway::random;
use gateway::scim::{Filter, GroupChange, GroupFields, group_changes, indexed, matches, wrong};
use gateway::store::{DirectoryGroup, GroupNames, GroupWrite, Membership};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Map, Value, json};

use super::list::Wish;
use super::{MOST_TRIES, answer, base, body, check_if_match, members, overtaken, require_directory, resource, taken};
use crate::{State, audit};

/// So many members are shown at the most; of a larger group the members are to be left out.
const MOST_SHOWN: usize = 10_000;

fn nobodys() -> Error {
    Error::not_found("group")
}

async fn found(state: &State, group_id: &str) -> Result<DirectoryGroup, Error> {
    let group = found_or_ended(state, group_id).await?;
    match group.ended {
        true => Err(nobodys()),
        false => Ok(group),
    }
}

async fn found_or_ended(state: &State, group_id: &str) -> Result<DirectoryGroup, Error> {
    let group = match random::is_identifier(group_id) {
        true => state.store.group(group_id).await?,
        false => None,
    };
    group.ok_or_else(nobodys)
}

async fn shown(state: &State, group: &DirectoryGroup, without_members: bool) -> Result<Map<String, Value>, Error> {
    if without_members {
        return Ok(super::resource::group(&base(state), group, None));
    }
    let all = state.store.all_members(&group.group_id).await?;
    if all.len() > MOST_SHOWN {
        let message = "The group has more members than are shown; ask with `excludedAttributes=members`.";
        return Err(Error::new(Kind::TooLarge, message).named(wrong::TOO_MANY));
    }
    Ok(super::resource::group(&base(state), group, Some(&all)))
}

pub(crate) async fn read(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id, uri: Uri) -> Outcome {
    require_directory(&state, &caller)?;
    let wish = Wish::read(&uri)?;
    let group = found(&state, &id).await?;
    let shown = shown(&state, &group, wish.without_members).await?;
    resource(StatusCode::OK, &shown.into(), Some(&wish))
}

pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    require_directory(&state, &caller)?;
    let wish = Wish::read(&uri)?;
    let mut groups = state.store.groups().await?;
    if let Some(filter) = &wish.filter {
        groups = wanted(&state, filter, groups).await?;
    }
    let total = groups.len();
    let mut resources = Vec::new();
    for group in wish.part(groups) {
        let mut resource = Value::Object(shown(&state, &group, wish.without_members).await?);
        wish.of(&mut resource);
        resources.push(resource);
    }
    answer(StatusCode::OK, &wish.answer(total, &resources))
}

/// The groups that a filter wants. Of members it may ask whether one is in the group (as Entra does).
async fn wanted(state: &State, filter: &Filter, groups: Vec<DirectoryGroup>) -> Result<Vec<DirectoryGroup>, Error> {
    let member = indexed(filter, &["members", "members.value"]).map(|(_, id)| id.to_owned());
    let id = indexed(filter, &["id"]).map(|(_, id)| id.to_owned());
    let mut wanted = Vec::new();
    for group in groups {
        if id.as_ref().is_some_and(|id| *id != group.group_id) {
            continue;
        }
        let members = match member.as_ref().filter(|id| random::is_identifier(id)) {
            Some(user_id) if state.store.is_member(&group.group_id, user_id).await? => vec![user_id.clone()],
            _ => Vec::new(),
        };
        if matches(filter, &super::resource::group("", &group, Some(&members))) {
            wanted.push(group);
        }
    }
    Ok(wanted)
}

pub(crate) async fn create(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    headers: HeaderMap,
    Whole(bytes): Whole,
) -> Outcome {
    require_directory(&state, &caller)?;
    let fields = GroupFields::read(&body(&headers, &bytes)?)?;
    let joining = fields.members.unwrap_or_default();
    members::require_known(&state, &joining).await?;
    let now = state.clock.now();
    let group = DirectoryGroup {
        group_id: random::identifier("g")?,
        names: GroupNames {
            display_name: fields.display_name,
            external_id: fields.external_id,
        },
        ended: false,
        created_at: now,
        changed_at: now,
        revision: 1,
    };
    match written(&state, &caller, "directory.group.create", None, &group).await? {
        GroupWrite::Written => {}
        GroupWrite::Taken | GroupWrite::Overtaken => return Err(name_taken()),
    }
    members::each(&state, &caller, &group, Membership::Joins, joining).await?;
    resource(StatusCode::CREATED, &shown(&state, &group, false).await?.into(), None)
}

fn name_taken() -> Error {
    taken("There is a group of this `displayName` already.")
}

async fn written(
    state: &State,
    caller: &Caller,
    action: &'static str,
    before: Option<&DirectoryGroup>,
    after: &DirectoryGroup,
) -> Result<GroupWrite, Error> {
    let told = |group: &DirectoryGroup| json!({"names": group.names, "ended": group.ended});
    let change = (before.map(told), Some(told(after)));
    let audit = audit::entry(caller, state.clock.now(), action, after.group_id.clone(), change)?;
    state.store.change_group(before, after, &audit).await
}

pub(crate) async fn replace(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Whole(bytes): Whole,
) -> Outcome {
    require_directory(&state, &caller)?;
    let fields = GroupFields::read(&body(&headers, &bytes)?)?;
    let mut changes = vec![
        GroupChange::Rename(fields.display_name),
        GroupChange::ExternalId(fields.external_id),
    ];
    changes.extend(fields.members.map(GroupChange::Members));
    change(&state, &caller, &headers, &id, changes).await?;
    let group = found(&state, &id).await?;
    resource(StatusCode::OK, &shown(&state, &group, false).await?.into(), None)
}

/// Nothing is shown: the members may be many (RFC 7644, section 3.5.2).
pub(crate) async fn patch(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Whole(bytes): Whole,
) -> Outcome {
    require_directory(&state, &caller)?;
    let changes = group_changes(&body(&headers, &bytes)?)?;
    change(&state, &caller, &headers, &id, changes).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// First what the group is called, then who comes and leaves.
async fn change(
    state: &State,
    caller: &Caller,
    headers: &HeaderMap,
    group_id: &str,
    changes: Vec<GroupChange>,
) -> Result<(), Error> {
    let group = found(state, group_id).await?;
    check_if_match(headers, group.revision)?;
    let joining = changes.iter().filter_map(|change| match change {
        GroupChange::Join(ids) | GroupChange::Members(ids) => Some(ids),
        _ => None,
    });
    members::require_known(state, &joining.flatten().cloned().collect()).await?;
    let group = renamed(state, caller, group, &changes).await?;
    for change in changes {
        change_members(state, caller, &group, change).await?;
    }
    Ok(())
}

/// The group under its new names. Its members' roles follow, also where the names are what they were: an earlier request may have
/// been cut off.
async fn renamed(
    state: &State,
    caller: &Caller,
    mut group: DirectoryGroup,
    changes: &[GroupChange],
) -> Result<DirectoryGroup, Error> {
    let names = |group: &DirectoryGroup| {
        let mut names = group.names.clone();
        for change in changes {
            match change {
                GroupChange::Rename(name) => names.display_name.clone_from(name),
                GroupChange::ExternalId(id) => names.external_id.clone_from(id),
                _ => {}
            }
        }
        names
    };
    let is_named = |change: &GroupChange| matches!(change, GroupChange::Rename(_) | GroupChange::ExternalId(_));
    if !changes.iter().any(is_named) {
        return Ok(group);
    }
    for _ in 0..MOST_TRIES {
        let mut after = group.clone();
        after.names = names(&group);
        after.changed_at = state.clock.now();
        let write = match after.names == group.names {
            true => GroupWrite::Written,
            false => written(state, caller, "directory.group.change", Some(&group), &after).await?,
        };
        match write {
            GroupWrite::Written => {
                let group = found(state, &group.group_id).await?;
                let all = state.store.all_members(&group.group_id).await?;
                members::each(state, caller, &group, Membership::Stays, all).await?;
                return Ok(group);
            }
            GroupWrite::Taken => return Err(name_taken()),
            GroupWrite::Overtaken => group = found(state, &group.group_id).await?,
        }
    }
    Err(overtaken())
}

async fn change_members(
    state: &State,
    caller: &Caller,
    group: &DirectoryGroup,
    change: GroupChange,
) -> Result<(), Error> {
    let (joining, leaving) = match change {
        GroupChange::Join(ids) => (ids, BTreeSet::new()),
        GroupChange::Leave(ids) => (BTreeSet::new(), ids),
        GroupChange::Members(ids) => {
            let all = state.store.all_members(&group.group_id).await?;
            let leaving = all.into_iter().filter(|id| !ids.contains(id)).collect();
            (ids, leaving)
        }
        GroupChange::Rename(_) | GroupChange::ExternalId(_) => return Ok(()),
    };
    let leaving = leaving.into_iter().filter(|id| random::is_identifier(id));
    let left = members::each(state, caller, group, Membership::Leaves, leaving).await;
    members::each(state, caller, group, Membership::Joins, joining).await?;
    left
}

/// Nobody joins it any more; then all leave; then it is gone. What was cut off there is done by the next DELETE.
pub(crate) async fn delete(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Outcome {
    require_directory(&state, &caller)?;
    for _ in 0..MOST_TRIES {
        let group = found_or_ended(&state, &id).await?;
        if !group.ended {
            check_if_match(&headers, group.revision)?;
            let mut after = group.clone();
            after.ended = true;
            let action = "directory.group.delete";
            if written(&state, &caller, action, Some(&group), &after).await? != GroupWrite::Written {
                continue;
            }
        }
        let all = state.store.all_members(&id).await?;
        members::each(&state, &caller, &group, Membership::Leaves, all).await?;
        state.store.drop_group(&id).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(overtaken())
}
