//! What an operator says by invoking the function, past API Gateway: that somebody is an admin. So a company gets its first one, and
//! another one when all are gone. Only whom IAM lets invoke the function can say it: every event that comes by way of API Gateway has
//! members of API Gateway's, and is no command.

use gateway::error::Error;
use gateway::principal::Subject;
use gateway::random;
use gateway::role::Role;
use gateway::store::{AuditEntry, Identity, RolesFrom, User, UserChange, UserStatus, UserWrite};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::State;
use crate::users::{NewIdentity, told};

/// Who acts, for the audit trail. No service account has this id: theirs are made here, and begin with `client_`.
const ACTOR: &str = "client:operator";
/// So often it is tried, if somebody else writes the same person at the same moment.
const MOST_TRIES: u32 = 4;

/// `{"command": "make_admin", "user_id"}` of somebody who has signed in, or `{"command": "make_admin", "identity": {"provider",
/// "subject"}}` of somebody who has not.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    command: Name,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    identity: Option<NewIdentity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    MakeAdmin,
}

/// The command of an event, if it is one.
pub(crate) fn command(event: &str) -> Option<Command> {
    serde_json::from_str(event).ok()
}

/// Does it, and tells who is an admin now.
pub(crate) async fn handle(state: &State, command: &Command, request_id: &str) -> Result<Value, Error> {
    let Name::MakeAdmin = command.command;
    for _ in 0..MOST_TRIES {
        let (before, identities) = meant(state, command).await?;
        let now = state.clock.now();
        let mut after = match &before {
            Some(user) => user.clone(),
            None => User::new(random::identifier("u")?, now),
        };
        after.status = UserStatus::Active;
        if !after.roles.contains(&Role::Admin) {
            after.roles.push(Role::Admin);
            after.roles_from = RolesFrom::Admin;
        }
        let told = (before.as_ref().map(told), Some(told(&after)));
        let actor: Subject = ACTOR.parse().map_err(Error::internal)?;
        let target = after.user_id.clone();
        let audit = AuditEntry::new(now, actor, "user.make_admin", target, told, request_id.to_owned())?;
        let change = UserChange {
            before: before.as_ref(),
            after: &after,
            identities: &identities,
            keep_an_admin: false,
            audit: Some(&audit),
        };
        if state.store.change_user(&change).await? == UserWrite::Written {
            return Ok(json!({
                "user_id": after.user_id, "roles": after.roles, "status": after.status, "active": after.is_active(),
            }));
        }
    }
    Err(Error::unavailable("the person was changed by others at every try"))
}

async fn meant(state: &State, command: &Command) -> Result<(Option<User>, Vec<Identity>), Error> {
    match (&command.user_id, &command.identity) {
        (Some(user_id), None) if random::is_identifier(user_id) => {
            let user = state.store.user(user_id).await?;
            Ok((Some(user.ok_or_else(|| Error::not_found("user"))?), Vec::new()))
        }
        (None, Some(identity)) => {
            let identity = identity.known_to(state)?;
            let user = state.store.user_of_identity(&identity).await?;
            let new = user.is_none().then_some(identity);
            Ok((user, Vec::from_iter(new)))
        }
        _ => Err(Error::invalid("The command must name one of `user_id` and `identity`.")),
    }
}
