//! Whom the people are here that come from providers.

use gateway::error::{Error, Kind};
use gateway::random;
use gateway::store::{Session, User, UserStatus};

use crate::State;
use crate::provider::Person;
use gateway::login::{Provider, Users};

/// Whom the provider's person is here, after their rules.
pub(crate) async fn signed_in(state: &State, provider: &Provider, person: &Person) -> Result<User, Error> {
    let refused = || Error::new(Kind::AccessDenied, "This account may not sign in here.");
    let verified = person.email.as_deref().filter(|_| person.email_verified);
    let given = provider.rules.give(verified, &person.groups);
    let policy = state.configured.users;
    let now = state.clock.now();
    let found = state.store.user_of_identity(&person.identity).await?;
    let is_new = found.is_none();
    if is_new && (policy == Users::MustExist || given.roles.is_empty()) {
        return Err(refused());
    }
    let mut user = match found {
        Some(user) => user,
        None => User {
            user_id: random::identifier("u")?,
            name: None,
            email: None,
            email_verified: false,
            team: None,
            roles: Vec::new(),
            status: UserStatus::Active,
            created_at: now,
            last_login_at: None,
        },
    };
    user.name.clone_from(&person.name);
    user.email.clone_from(&person.email);
    user.email_verified = person.email_verified;
    user.last_login_at = Some(now);
    if policy == Users::FirstLogin {
        user.team = given.team;
        user.roles = given.roles;
    }
    // What the rules no longer give is written down too, so that nothing older of theirs counts.
    let written = if is_new {
        state.store.create_user(&user, &person.identity).await?
    } else {
        state.store.record_login(&user).await?
    };
    match (written, is_new) {
        (true, _) if !user.scopes().is_empty() => Ok(user),
        // Another first login of the same person was faster.
        (false, true) => state
            .store
            .user_of_identity(&person.identity)
            .await?
            .ok_or_else(refused),
        _ => Err(refused()),
    }
}

/// The person, if anything of theirs counts.
pub(crate) async fn living(state: &State, user_id: &str) -> Result<Option<User>, Error> {
    let user = state.store.user(user_id).await?;
    Ok(user.filter(|user| !user.scopes().is_empty()))
}

/// The person of a session.
pub(crate) async fn user_of(state: &State, session: &Session) -> Result<Option<User>, Error> {
    match session.subject.as_str().strip_prefix("user:") {
        Some(user_id) => living(state, user_id).await,
        None => Ok(None),
    }
}
