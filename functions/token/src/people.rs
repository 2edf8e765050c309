//! The people of sessions and grants, as long as anything of theirs counts.

use gateway::error::Error;
use gateway::store::{Session, User};

use crate::State;

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
