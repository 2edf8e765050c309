//! The REQUEST authorizer behind API Gateway: a credential in, a principal out.
//!
//! The policy it answers with allows the whole stage, since API Gateway may reuse one answer for every route. What a
//! principal may do is in its scopes, which the function behind each route checks, together with the credential's end.

mod credential;
mod event;

use gateway::aws::Aws;
use gateway::clock::{Clock, Stopwatch};
use gateway::config::{ConfigError, Variables};
use gateway::context::field;
use gateway::error::Error;
use gateway::jwt::{Claims, Refusal};
use gateway::principal::{PrincipalKind, Subject};
use gateway::secret::Secret;
use gateway::signing::Signing;
use gateway::standing::Standings;
use gateway::store::{ApiKey, Store, User, UserStatus};
use gateway::trusted::{Identity, Trusted};
use serde_json::{Map, Value, json};

use credential::{Credential, NoCredential};
pub use event::AuthorizerRequest;

/// What the authorizer works with.
pub struct State {
    store: Store,
    signing: Signing,
    standings: Standings,
    trusted: Trusted,
    clock: Clock,
}

/// Why a caller does not get in.
#[derive(Debug)]
pub enum Closed {
    /// The credential does not count. API Gateway turns exactly this error message into 401.
    Unauthorized,
    /// Whether it counts cannot be found out: the door stays closed.
    Unknown(Error),
}

impl std::fmt::Display for Closed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unauthorized => out.write_str("Unauthorized"),
            Self::Unknown(_) => out.write_str("The credential cannot be checked right now."),
        }
    }
}

impl std::error::Error for Closed {}

impl State {
    /// Reads the configuration and builds the clients. Nothing goes out before the first request.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn new(aws: &Aws, variables: &Variables, clock: Clock) -> Result<Self, ConfigError> {
        let store = Store::new(aws.dynamodb(), variables.table()?);
        Ok(Self {
            standings: Standings::new(store.clone(), clock.clone()),
            store,
            signing: Signing::new(aws, variables)?,
            trusted: Trusted::new(variables)?,
            clock,
        })
    }

    /// See [`Signing::refuse_weak_secret`].
    ///
    /// # Errors
    /// When the secret is too weak for HS256, or cannot be read.
    pub async fn refuse_weak_secret(&self) -> Result<(), Error> {
        self.signing.refuse_weak_secret(self.clock.now()).await
    }

    /// Answers API Gateway.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn authorize(&self, request: &AuthorizerRequest) -> Result<Value, Closed> {
        let credential = credential::from_headers(request).map_err(|NoCredential| Closed::Unauthorized)?;
        let context = match credential {
            Credential::ApiKey(secret) => self.by_api_key(&secret).await?,
            Credential::Jwt(token) => self.by_token(&token).await?,
        };
        allow(request, &context).ok_or(Closed::Unauthorized)
    }

    async fn by_api_key(&self, secret: &Secret) -> Result<Map<String, Value>, Closed> {
        let found = self.store.api_key(&secret.digest()).await.map_err(Closed::Unknown)?;
        match found {
            Some(key) if key.digest.matches(&secret.digest()) && key.is_alive(self.clock.now()) => {
                self.require_owner(&key.owner).await?;
                Ok(key_context(&key))
            }
            _ => Err(Closed::Unauthorized),
        }
    }

    async fn by_token(&self, token: &str) -> Result<Map<String, Value>, Closed> {
        let stopwatch = Stopwatch::start();
        let foreign = self.trusted.verify(token, self.clock.now()).await;
        if let Some(verdict) = foreign.map_err(Closed::Unknown)? {
            count(&verdict, stopwatch);
            return verdict
                .map(|identity| foreign_context(&identity))
                .map_err(|_| Closed::Unauthorized);
        }
        self.signing.ring(self.clock.now()).await.map_err(Closed::Unknown)?;
        let stopwatch = Stopwatch::start();
        let verdict = self
            .signing
            .verify(token, self.clock.now())
            .await
            .map_err(Closed::Unknown)?;
        count(&verdict, stopwatch);
        let claims = verdict.map_err(|_| Closed::Unauthorized)?;
        if !self.standings.stands(&claims).await.map_err(Closed::Unknown)? {
            return Err(Closed::Unauthorized);
        }
        self.require_session(&claims).await?;
        let mut context = Map::new();
        context.insert(field::SUBJECT.into(), claims.sub.into());
        context.insert(field::SCOPES.into(), claims.scope.into());
        context.insert(field::EXPIRES.into(), claims.exp.to_string().into());
        context.insert(field::CLIENT_ID.into(), claims.client_id.into());
        if let Some(session_id) = claims.sid {
            context.insert(field::SESSION_ID.into(), session_id.into());
        }
        if let Some(team) = claims.team {
            context.insert(field::TEAM.into(), team.into());
        }
        Ok(context)
    }
}

/// What is asked of the table about people.
impl State {
    /// The person of a user's subject; none for a program, and for somebody who never signed in.
    async fn person(&self, subject: &Subject) -> Result<Option<User>, Closed> {
        match subject.as_str().strip_prefix("user:") {
            Some(user_id) => self.store.user(user_id).await.map_err(Closed::Unknown),
            None => Ok(None),
        }
    }

    /// A key counts as long as its owner does. One who never signed in, or was no account here, is known by the key alone.
    async fn require_owner(&self, owner: &Subject) -> Result<(), Closed> {
        let counts = match owner.as_str().strip_prefix("client:") {
            Some(client_id) => {
                let client = self.store.client(client_id).await.map_err(Closed::Unknown)?;
                client.is_none_or(|client| client.is_alive(self.clock.now()))
            }
            None => {
                let person = self.person(owner).await?;
                person.is_none_or(|person| person.status == UserStatus::Active)
            }
        };
        if counts { Ok(()) } else { Err(Closed::Unauthorized) }
    }

    /// A person's token counts as long as its session does and the person is active. Both are asked at every request, so that a
    /// logout and a suspension count from the next one on.
    async fn require_session(&self, claims: &Claims) -> Result<(), Closed> {
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

fn key_context(key: &ApiKey) -> Map<String, Value> {
    let mut context = Map::new();
    context.insert(field::SUBJECT.into(), key.owner.as_str().into());
    context.insert(field::SCOPES.into(), key.scopes.to_string().into());
    context.insert(field::KEY_ID.into(), key.key_id.clone().into());
    if let Some(team) = &key.team {
        context.insert(field::TEAM.into(), team.as_str().into());
    }
    if let Some(end) = key.ends_at {
        context.insert(field::EXPIRES.into(), end.as_second().to_string().into());
    }
    context
}

fn foreign_context(identity: &Identity) -> Map<String, Value> {
    let mut context = Map::new();
    context.insert(field::SUBJECT.into(), identity.subject.as_str().into());
    context.insert(field::SCOPES.into(), identity.scopes.to_string().into());
    context.insert(field::EXPIRES.into(), identity.expires_at.to_string().into());
    if let Some(team) = &identity.team {
        context.insert(field::TEAM.into(), team.as_str().into());
    }
    context
}

/// B-15, B-16
fn count<T>(verdict: &Result<T, Refusal>, stopwatch: Stopwatch) {
    let result = match verdict {
        Ok(_) => "success",
        Err(Refusal::Expired) => "expired",
        Err(Refusal::Invalid) => "failure",
    };
    metrics::counter!("jwt_validation_total", "result" => result).increment(1);
    metrics::histogram!("jwt_validation_duration_seconds").record(stopwatch.elapsed_seconds());
}

/// `None` when the method's ARN has another form than API Gateway's.
fn allow(request: &AuthorizerRequest, context: &Map<String, Value>) -> Option<Value> {
    let resource = whole_stage(request.method_arn()?)?;
    Some(json!({
        "principalId": context.get(field::SUBJECT)?,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": resource}],
        },
        "context": context,
    }))
}

/// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH` → the same up to the stage, and all behind it.
fn whole_stage(method_arn: &str) -> Option<String> {
    let mut parts = method_arn.splitn(4, '/');
    let (api, stage, _method) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = api.starts_with("arn:") && api.contains(":execute-api:") && !stage.is_empty() && !stage.contains('*');
    fits.then(|| format!("{api}/{stage}/*"))
}

/// Logs a refusal, without the credential.
pub fn log(closed: &Closed) {
    match closed {
        Closed::Unauthorized => tracing::info!("credential refused"),
        Closed::Unknown(error) => tracing::error!(error = ?error, "credential could not be checked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_right_on_every_route_of_the_stage() {
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abc123/prod/POST/anthropic/v1/messages";
        assert_eq!(
            whole_stage(arn).unwrap(),
            "arn:aws:execute-api:us-east-1:123456789012:abc123/prod/*"
        );
        for bad in [
            "",
            "arn:aws:execute-api:us-east-1:1:abc",
            "arn:aws:s3:::b/k/v",
            "x/prod/GET/",
            "arn:aws:execute-api:r:1:a/*/GET/",
        ] {
            assert_eq!(whole_stage(bad), None, "{bad}");
        }
    }
}
