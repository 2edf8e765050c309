//! People and groups as they are shown to the directory (RFC 7643, section 4).

use gateway::error::Error;
use gateway::scim::{GROUP, USER, UserFields};
use gateway::store::{DirectoryGroup, DirectoryRecord, User};
use serde_json::{Map, Value, json};

use super::version;

/// What is kept of a person in the directory.
pub(super) fn fields(record: &DirectoryRecord) -> Result<UserFields, Error> {
    let attributes = match record.attributes.as_str() {
        "" => Map::new(),
        text => serde_json::from_str(text).map_err(Error::internal)?,
    };
    Ok(UserFields {
        user_name: record.user_name.clone(),
        external_id: record.external_id.clone(),
        active: Some(record.active),
        attributes,
    })
}

pub(super) fn user(base: &str, user: &User, record: &DirectoryRecord) -> Result<Value, Error> {
    let mut shown = fields(record)?.document();
    let groups = record.groups.iter().map(|(id, names)| {
        json!({"value": id, "display": names.display_name, "type": "direct", "$ref": format!("{base}/Groups/{id}")})
    });
    shown.insert("groups".into(), groups.collect::<Vec<_>>().into());
    shown.insert("schemas".into(), json!([USER]));
    shown.insert("id".into(), user.user_id.clone().into());
    shown.insert(
        "meta".into(),
        json!({
            "resourceType": "User", "created": record.created_at, "lastModified": record.changed_at,
            "version": version(user.revision), "location": format!("{base}/Users/{}", user.user_id),
        }),
    );
    Ok(shown.into())
}

/// A group; `members` by id, where they are wanted.
pub(super) fn group(base: &str, group: &DirectoryGroup, members: Option<&[String]>) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("schemas".into(), json!([GROUP]));
    shown.insert("id".into(), group.group_id.clone().into());
    shown.insert("displayName".into(), group.names.display_name.clone().into());
    if let Some(id) = &group.names.external_id {
        shown.insert("externalId".into(), id.clone().into());
    }
    if let Some(members) = members {
        let of = |id: &String| json!({"value": id, "type": "User", "$ref": format!("{base}/Users/{id}")});
        shown.insert("members".into(), members.iter().map(of).collect::<Vec<_>>().into());
    }
    shown.insert(
        "meta".into(),
        json!({
            "resourceType": "Group", "created": group.created_at, "lastModified": group.changed_at,
            "version": version(group.revision), "location": format!("{base}/Groups/{}", group.group_id),
        }),
    );
    shown
}
