//! What a directory says of a group.

use std::collections::BTreeSet;

use scim_v2::filter::{AttrExp, CompValue, CompareOp, PatchPath, ValFilter};
use serde_json::{Map, Value};

use super::patch::{Op, Step, steps};
use super::{GROUP, MOST_MEMBERS, invalid, member, require_schema, text, wrong};
use crate::error::{Error, Kind};

const LONGEST: usize = 256;

/// A group as the body of a POST or a PUT has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFields {
    /// What people call it; rules may name it.
    pub display_name: String,
    /// What the directory calls it; rules may name it.
    pub external_id: Option<String>,
    /// The ids of its members; none where nothing is said.
    pub members: Option<BTreeSet<String>>,
}

/// One change of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupChange {
    /// It is called so.
    Rename(String),
    /// The directory calls it so.
    ExternalId(Option<String>),
    /// These are members.
    Join(BTreeSet<String>),
    /// These are none.
    Leave(BTreeSet<String>),
    /// These are the members, and nobody else.
    Members(BTreeSet<String>),
}

enum Known {
    DisplayName,
    ExternalId,
    Members,
    Left,
}

fn known(name: &str) -> Option<Known> {
    match name.to_ascii_lowercase().as_str() {
        "displayname" => Some(Known::DisplayName),
        "externalid" => Some(Known::ExternalId),
        "members" => Some(Known::Members),
        "id" | "meta" | "schemas" => Some(Known::Left),
        _ => None,
    }
}

impl GroupFields {
    /// Reads the body of a POST or a PUT.
    ///
    /// # Errors
    /// A 400 with the name of what is wrong; 413 for too many members.
    pub fn read(body: &Map<String, Value>) -> Result<Self, Error> {
        require_schema(body, GROUP)?;
        let is_extension = |name: &str| name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
        if body.keys().any(|name| known(name).is_none() && !is_extension(name)) {
            return Err(invalid(wrong::SYNTAX, "A member is none of RFC 7643's Group."));
        }
        Ok(Self {
            display_name: display_name(member(body, "displayName"))?,
            external_id: text("externalId", member(body, "externalId"), 255)?,
            members: match member(body, "members") {
                None => None,
                Some(value) => Some(ids(value)?),
            },
        })
    }
}

fn display_name(value: Option<&Value>) -> Result<String, Error> {
    let name = text("displayName", value, LONGEST)?.filter(|name| !name.trim().is_empty());
    name.ok_or_else(|| invalid(wrong::VALUE, "`displayName` is missing."))
}

/// The ids of members: a list of `{"value": id}`, one such, or none.
fn ids(value: &Value) -> Result<BTreeSet<String>, Error> {
    let all = match value {
        Value::Null => return Ok(BTreeSet::new()),
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    if all.len() > MOST_MEMBERS {
        return Err(too_many());
    }
    let id = |one: &Value| {
        let id = one
            .as_object()
            .and_then(|parts| member(parts, "value"))
            .and_then(Value::as_str);
        let id = id.filter(|id| crate::random::is_identifier(id)).map(str::to_owned);
        id.ok_or_else(|| invalid(wrong::VALUE, "A member must be an object whose `value` is a user's id."))
    };
    all.into_iter().map(id).collect()
}

fn too_many() -> Error {
    let message = format!("At most {MOST_MEMBERS} members come or go by one request; send several.");
    Error::new(Kind::TooLarge, message).named(wrong::TOO_MANY)
}

/// Reads the body of a PATCH.
///
/// # Errors
/// A 400 with the name of what is wrong; 413 for too many members.
pub fn group_changes(body: &Map<String, Value>) -> Result<Vec<GroupChange>, Error> {
    let mut changes = Vec::new();
    for step in steps(body)? {
        changes.extend(change(&step)?);
    }
    let size = |change: &GroupChange| match change {
        GroupChange::Join(ids) | GroupChange::Leave(ids) | GroupChange::Members(ids) => ids.len(),
        _ => 0,
    };
    match changes.iter().map(size).sum::<usize>() <= MOST_MEMBERS {
        true => Ok(changes),
        false => Err(too_many()),
    }
}

fn change(step: &Step) -> Result<Option<GroupChange>, Error> {
    let refused = || invalid(wrong::PATH, "A path is none of RFC 7643's Group.");
    let (attribute, filter, sub) = match &step.path {
        PatchPath::Attr(path) => (path, None, path.sub_attr.as_deref()),
        PatchPath::Value(path) => (&path.attr, Some(&path.filter), path.sub_attr.as_deref()),
    };
    if attribute
        .uri
        .as_deref()
        .is_some_and(|uri| !uri.eq_ignore_ascii_case(GROUP))
    {
        return Ok(None);
    }
    match (known(&attribute.name).ok_or_else(refused)?, filter, sub) {
        (Known::Left, _, _) => Ok(None),
        (Known::DisplayName, None, None) if step.op == Op::Remove => {
            Err(invalid(wrong::MUTABILITY, "A group must have a `displayName`."))
        }
        (Known::DisplayName, None, None) => Ok(Some(GroupChange::Rename(display_name(step.value.as_ref())?))),
        (Known::ExternalId, None, None) => {
            let value = step.value.as_ref().filter(|_| step.op != Op::Remove);
            Ok(Some(GroupChange::ExternalId(text("externalId", value, 255)?)))
        }
        (Known::Members, None, None) => members(step.op, step.value.as_ref()).map(Some),
        (Known::Members, Some(filter), None) if step.op == Op::Remove => {
            let mut named = BTreeSet::new();
            match name(filter, &mut named) {
                true => Ok(Some(GroupChange::Leave(named))),
                false => Err(invalid(wrong::PATH, "Members are chosen by `value eq`.")),
            }
        }
        _ => Err(refused()),
    }
}

fn members(op: Op, value: Option<&Value>) -> Result<GroupChange, Error> {
    Ok(match (op, value) {
        (Op::Add, Some(value)) => GroupChange::Join(ids(value)?),
        (Op::Replace, Some(value)) => GroupChange::Members(ids(value)?),
        // Entra names those who go in the value, where RFC 7644 has them in the path. An empty list is nobody, and not everybody.
        (Op::Remove, Some(value @ (Value::Array(_) | Value::Object(_)))) => GroupChange::Leave(ids(value)?),
        (Op::Remove, None | Some(Value::Null)) => GroupChange::Members(BTreeSet::new()),
        _ => return Err(invalid(wrong::VALUE, "`members` must be a list.")),
    })
}

/// The ids that `value eq "a" or value eq "b"` names; false for any other filter.
fn name(filter: &ValFilter, named: &mut BTreeSet<String>) -> bool {
    match filter {
        ValFilter::Attr(AttrExp::Comparison(path, CompareOp::Eq, CompValue::Str(id)))
            if path.name.eq_ignore_ascii_case("value") && path.sub_attr.is_none() =>
        {
            named.insert(id.clone());
            true
        }
        ValFilter::Or(all) => all.iter().all(|one| name(one, named)),
        _ => false,
    }
}
