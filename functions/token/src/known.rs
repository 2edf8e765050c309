//! Whom the provider's person is here.

use gateway::error::{Error, Kind};
use gateway::login::{Provider, Users};
use gateway::random;
use gateway::store::{Identity, RolesFrom, User, UserChange, UserWrite};

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
        let (found, new) = found(state, person).await?;
        let user = updated(state, provider, person, found.as_ref())?;
        let change = UserChange {
            before: found.as_ref(),
            after: &user,
            identities: &new,
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

/// Who it is, and which of their identities do not lead to them yet. Whom the directory has told of is found by the directory's name.
async fn found(state: &State, person: &Person) -> Result<(Option<User>, Vec<Identity>), Error> {
    let by_subject = state.store.user_of_identity(&person.identity).await?;
    let Some(other) = &person.directory_identity else {
        let new = by_subject.is_none().then(|| person.identity.clone());
        return Ok((by_subject, Vec::from_iter(new)));
    };
    let by_directory = state.store.user_of_identity(other).await?;
    let mut new = Vec::new();
    new.extend(by_subject.is_none().then(|| person.identity.clone()));
    new.extend(by_directory.is_none().then(|| other.clone()));
    match (&by_subject, &by_directory) {
        (Some(one), Some(two)) if one.user_id != two.user_id => {
            // Neither may come in the other's place: one of them is the directory's to switch off.
            tracing::error!(
                one = one.user_id,
                two = two.user_id,
                "a provider's person is two people here"
            );
            Err(refused())
        }
        _ => Ok((by_directory.or(by_subject), new)),
    }
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
    match user.roles_from {
        RolesFrom::Login if policy == Users::FirstLogin => user.take(given.team, given.roles),
        RolesFrom::Directory => user.take_from_directory(&state.configured),
        RolesFrom::Login | RolesFrom::Admin => {}
    }
    Ok(user)
}
