//! Whose credential it is, and whether they still count: asked of the table at each request.

use gateway::jwt::Claims;
use gateway::model::AllowedModels;
use gateway::principal::{PrincipalKind, Subject};
use gateway::store::{User, UserStatus};

use crate::{Closed, State};

impl State {
    /// The person of a user's subject; none for a program, and for somebody who never signed in.
    async fn person(&self, subject: &Subject) -> Result<Option<User>, Closed> {
        match subject.as_str().strip_prefix("user:") {
            Some(user_id) => self.store.user(user_id).await.map_err(Closed::Unknown),
            None => Ok(None),
        }
    }

    /// A key counts as long as its owner does. One who never signed in, or was no account here, is known by the key alone. Which
    /// models the owner may call comes back.
    pub(crate) async fn require_owner(&self, owner: &Subject) -> Result<Option<AllowedModels>, Closed> {
        let (counts, models) = match owner.as_str().strip_prefix("client:") {
            Some(client_id) => {
                let client = self.store.client(client_id).await.map_err(Closed::Unknown)?;
                let counts = client.as_ref().is_none_or(|client| client.is_alive(self.clock.now()));
                (counts, client.and_then(|client| client.models))
            }
            None => {
                let person = self.person(owner).await?;
                (person.is_none_or(|person| person.status == UserStatus::Active), None)
            }
        };
        if counts { Ok(models) } else { Err(Closed::Unauthorized) }
    }

    /// A person's token counts as long as its session does and the person is active. Both are asked at every request, so that a
    /// logout and a suspension count from the next one on.
    pub(crate) async fn require_session(&self, claims: &Claims) -> Result<(), Closed> {
        let subject: Subject = claims.sub.parse().map_err(|_| Closed::Unauthorized)?;
        let Some(session_id) = &claims.sid else {
            // A person's token of ours always belongs to a session.
            return match subject.kind() {
                PrincipalKind::Client => Ok(()),
                PrincipalKind::User => Err(Closed::Unauthorized),
            };
        };
        let session = async { self.store.session(&subject, session_id).await.map_err(Closed::Unknown) };
        let (session, user) = tokio::try_join!(session, self.person(&subject))?;
        let alive = session.is_some_and(|session| session.is_alive(self.clock.now()));
        let active = user.is_some_and(|user| user.status == UserStatus::Active);
        if alive && active {
            Ok(())
        } else {
            Err(Closed::Unauthorized)
        }
    }
}
