//! Whom the provider's person is here.

use gateway::error::{Error, Kind};
use gateway::login::{Provider, Users};
use gateway::random;
use gateway::store::{RolesFrom, User, UserChange, UserWrite};

use crate::State;
use crate::provider::Person;

/// So often a login is written down, if somebody else writes the same person at the same moment.
const MOST_TRIES: u32 = 10;

fn refused() -> Error {
    Error::new(Kind::AccessDenied, "This account may not sign in here.")
}

/// Whom the provider's person is here, after their rules.
pub(crate) async fn signed_in(state: &State, provider: &Provider, person: &Person) -> Result<User, Error> {
    for _ in 0..MOST_TRIES {
        let found = state.store.user_of_identity(&person.identity).await?;
        let user = updated(state, provider, person, found.as_ref())?;
        let identities = match found {
            Some(_) => &[][..],
            None => std::slice::from_ref(&person.identity),
        };
        let change = UserChange {
            before: found.as_ref(),
            after: &user,
            identities,
            // What the provider says now holds, whoever is left: see docs/login.md for a first admin.
            keep_an_admin: false,
            audit: None,
        };
        match state.store.change_user(&change).await? {
            UserWrite::Written if user.scopes().is_empty() => return Err(refused()),
            UserWrite::Written => return Ok(user),
            // Another login of the same person, or an administrator, was faster.
            UserWrite::Overtaken | UserWrite::Taken | UserWrite::LastAdmin => {}
        }
    }
    Err(Error::unavailable("a person was changed by others at every try"))
}

/// The person as this login makes them. What the rules no longer give is written down too, so that nothing older of theirs counts.
fn updated(state: &State, provider: &Provider, person: &Person, found: Option<&User>) -> Result<User, Error> {
    let verified = person.email.as_deref().filter(|_| person.email_verified);
    let given = provider.rules.give(verified, &person.groups);
    let (policy, now) = (state.configured.users, state.clock.now());
    let mut user = match found {
        Some(user) if user.is_active() => user.clone(),
        Some(_) => return Err(refused()),
        None if policy == Users::MustExist || given.roles.is_empty() => return Err(refused()),
        None => User::new(random::identifier("u")?, now),
    };
    user.name.clone_from(&person.name);
    user.email.clone_from(&person.email);
    user.email_verified = person.email_verified;
    user.last_login_at = Some(now);
    if policy == Users::FirstLogin && user.roles_from == RolesFrom::Login {
        user.team = given.team;
        user.roles = given.roles;
    }
    Ok(user)
}
