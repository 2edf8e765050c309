//! Whose credential it is, and whether they still count: asked of the table at each request, or of the cache if one is configured.

use gateway::certificate::Confirmation;
use gateway::jwt::Claims;
use gateway::lookups::Person;
use gateway::model::AllowedModels;
use gateway::principal::{PrincipalKind, Subject, Team};
use gateway::scope::Scopes;
use gateway::standing::Standing;

use crate::{AuthorizerRequest, Closed, State};

/// A token that is bound to a certificate is whose certificate it is, and on this connection (RFC 8705, section 3).
pub(crate) fn require_certificate(bound_to: Option<&Confirmation>, request: &AuthorizerRequest) -> Result<(), Closed> {
    let Some(bound_to) = bound_to else { return Ok(()) };
    let certificate = request.certificate().map_err(|error| {
        tracing::warn!(%error, "a client's certificate cannot be read");
        Closed::Unauthorized
    })?;
    if bound_to.is_of(certificate.as_ref()) {
        Ok(())
    } else {
        Err(Closed::Unauthorized)
    }
}

/// The most that a holder may do now, whatever the credential says: everything that it says, where a member is `None`.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) scopes: Option<Scopes>,
    pub(crate) models: Option<AllowedModels>,
}

impl Bounds {
    fn of(person: Person) -> Self {
        Self {
            scopes: Some(person.scopes),
            models: person.models,
        }
    }

    /// With what the token's service account may do, if it is one's.
    pub(crate) fn and_account(self, standing: &Standing) -> Self {
        let scopes = self.scopes.or_else(|| standing.scopes.clone());
        Self { scopes, ..self }.and_models(standing.models.as_ref())
    }

    /// With one more list of models, which must allow a model too.
    pub(crate) fn and_models(self, models: Option<&AllowedModels>) -> Self {
        let models = AllowedModels::of_all([self.models.as_ref(), models]);
        Self { models, ..self }
    }
}

impl State {
    /// With the models of the team on whose account the caller works.
    pub(crate) async fn and_team(&self, bounds: Bounds, team: Option<&Team>) -> Result<Bounds, Closed> {
        let Some(team) = team else { return Ok(bounds) };
        let models = self.standings.models_of_team(team).await.map_err(Closed::Unknown)?;
        Ok(bounds.and_models(models.as_ref()))
    }

    /// The person of a user's subject; none for a program, and for somebody who never signed in.
    async fn person(&self, subject: &Subject) -> Result<Option<Person>, Closed> {
        match subject.as_str().strip_prefix("user:") {
            Some(user_id) => self.lookups.person(user_id).await.map_err(Closed::Unknown),
            None => Ok(None),
        }
    }

    /// A key counts as long as its owner does. One who never signed in, or was no account here, is known by the key alone.
    pub(crate) async fn require_owner(&self, owner: &Subject) -> Result<Bounds, Closed> {
        if let Some(client_id) = owner.as_str().strip_prefix("client:") {
            return match self.lookups.account(client_id).await.map_err(Closed::Unknown)? {
                None => Ok(Bounds::default()),
                Some(account) if account.is_alive(self.clock.now()) => Ok(Bounds {
                    scopes: None,
                    models: account.models,
                }),
                Some(_) => Err(Closed::Unauthorized),
            };
        }
        match self.person(owner).await? {
            None => Ok(Bounds::default()),
            Some(person) if person.active => Ok(Bounds::of(person)),
            Some(_) => Err(Closed::Unauthorized),
        }
    }

    /// A person's token counts as long as its session does and the person is active. Both are asked at every request, so that a
    /// logout, a suspension and a role that was taken away count from the next one on.
    pub(crate) async fn require_session(&self, claims: &Claims) -> Result<Bounds, Closed> {
        let subject: Subject = claims.sub.parse().map_err(|_| Closed::Unauthorized)?;
        let Some(session_id) = &claims.sid else {
            // A person's token of ours always belongs to a session.
            return match subject.kind() {
                PrincipalKind::Client => Ok(Bounds::default()),
                PrincipalKind::User => Err(Closed::Unauthorized),
            };
        };
        let session = async { self.store.session(&subject, session_id).await.map_err(Closed::Unknown) };
        let (session, user) = tokio::try_join!(session, self.person(&subject))?;
        let alive = session.is_some_and(|session| session.is_alive(self.clock.now()));
        match user.filter(|person| person.active) {
            Some(person) if alive => Ok(Bounds::of(person)),
            _ => Err(Closed::Unauthorized),
        }
    }
}
