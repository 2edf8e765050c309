//! The REQUEST authorizer behind API Gateway: a credential in, a principal out.
//!
//! The policy it answers with allows the whole stage, since API Gateway may reuse one answer for every route. What a
//! principal may do is in its scopes, which the function behind each route checks, together with the credential's end.

mod answer;
mod credential;
mod event;
mod holder;

use gateway::aws::Aws;
use gateway::cache::Cache;
use gateway::clock::{Clock, Stopwatch};
use gateway::config::{ConfigError, Variables};
use gateway::context;
use gateway::error::Error;
use gateway::jwt::Refusal;
use gateway::lookups::Lookups;
use gateway::principal::Team;
use gateway::secret::Secret;
use gateway::signing::Signing;
use gateway::standing::Standings;
use gateway::store::Store;
use gateway::telemetry::trace::Remote;
use gateway::telemetry::{self, Trail};
use gateway::trusted::Trusted;
use lambda_runtime::LambdaEvent;
use serde_json::{Map, Value};

use credential::{Credential, NoCredential};
pub use event::AuthorizerRequest;
use holder::Bounds;

/// What the authorizer works with.
pub struct State {
    store: Store,
    lookups: Lookups,
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
        let cache = Cache::read(aws, variables, &clock)?;
        let store = Store::new(aws.dynamodb(), variables.table()?).with_cache(cache);
        Ok(Self {
            lookups: Lookups::new(&store, &clock),
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

    /// Answers an event of API Gateway's, and tells of it.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn answer(&self, event: &LambdaEvent<AuthorizerRequest>) -> Result<Value, Closed> {
        let request = &event.payload;
        let remote = Remote::of(|name| request.header_values(name).first().copied());
        let remote = remote.or_xray(event.context.xray_trace_id.as_deref());
        let request_id = context::checked_request_id(request.request_id());
        let trail = Trail::of(&request_id, "authorize", &remote);
        let answer = trail.around(self.authorize(request)).await;
        let result = match &answer {
            Ok(_) => "allowed",
            Err(Closed::Unauthorized) => "refused",
            Err(Closed::Unknown(_)) => "failed",
        };
        metrics::counter!("authorizations_total", "result" => result).increment(1);
        if let Err(closed) = &answer {
            trail.span.fail(result);
            trail.enter(|| log(closed));
        }
        trail.span.end();
        telemetry::finish().await;
        answer
    }

    /// Answers API Gateway.
    ///
    /// # Errors
    /// [`Closed`]
    pub async fn authorize(&self, request: &AuthorizerRequest) -> Result<Value, Closed> {
        let credential = credential::from_headers(request).map_err(|NoCredential| Closed::Unauthorized)?;
        let context = match credential {
            Credential::ApiKey(secret) => Box::pin(self.by_api_key(&secret)).await?,
            Credential::Jwt(token) => Box::pin(self.by_token(&token, request)).await?,
        };
        answer::allow(request, &context).ok_or(Closed::Unauthorized)
    }

    async fn by_api_key(&self, secret: &Secret) -> Result<Map<String, Value>, Closed> {
        let found = self.lookups.api_key(&secret.digest()).await.map_err(Closed::Unknown)?;
        match found {
            Some(key) if key.digest.matches(&secret.digest()) && key.is_alive(self.clock.now()) => {
                let bounds = self.require_owner(&key.owner).await?.and_models(key.models.as_ref());
                let bounds = self.and_team(bounds, key.team.as_ref()).await?;
                answer::within(answer::of_key(&key), &bounds).ok_or(Closed::Unauthorized)
            }
            _ => Err(Closed::Unauthorized),
        }
    }

    async fn by_token(&self, token: &str, request: &AuthorizerRequest) -> Result<Map<String, Value>, Closed> {
        let stopwatch = Stopwatch::start();
        let foreign = self.trusted.verify(token, self.clock.now()).await;
        if let Some(verdict) = foreign.map_err(Closed::Unknown)? {
            count(&verdict, stopwatch.elapsed_seconds());
            let identity = verdict.map_err(|_| Closed::Unauthorized)?;
            holder::require_certificate(identity.bound_to.as_ref(), request)?;
            let bounds = self.and_team(Bounds::default(), identity.team.as_ref()).await?;
            return answer::within(answer::of_foreign_token(&identity), &bounds).ok_or(Closed::Unauthorized);
        }
        self.signing.ring(self.clock.now()).await.map_err(Closed::Unknown)?;
        let stopwatch = Stopwatch::start();
        let verdict = self
            .signing
            .verify(token, self.clock.now())
            .await
            .map_err(Closed::Unknown)?;
        count(&verdict, stopwatch.elapsed_seconds());
        let claims = verdict.map_err(|_| Closed::Unauthorized)?;
        holder::require_certificate(claims.cnf.as_ref(), request)?;
        let standing = self.standings.of(&claims).await.map_err(Closed::Unknown)?;
        let standing = standing.ok_or(Closed::Unauthorized)?;
        let bounds = self.require_session(&claims).await?.and_account(&standing);
        let team = claims.team.as_deref().map(str::parse::<Team>).transpose();
        let bounds = self
            .and_team(bounds, team.map_err(|_| Closed::Unauthorized)?.as_ref())
            .await?;
        answer::within(answer::of_token(claims), &bounds).ok_or(Closed::Unauthorized)
    }
}

/// A check that takes longer is told of.
const SLOW_SECONDS: f64 = 0.1;

/// Tells of a check that took so long.
fn count<T>(verdict: &Result<T, Refusal>, seconds: f64) {
    let result = match verdict {
        Ok(_) => "success",
        Err(Refusal::Expired) => "expired",
        Err(Refusal::Invalid) => "failure",
    };
    metrics::counter!("jwt_validation_total", "result" => result).increment(1);
    metrics::histogram!("jwt_validation_duration_seconds").record(seconds);
    if seconds > SLOW_SECONDS {
        tracing::warn!(seconds, "the check of an access token is slow");
    }
}

/// Logs a refusal, without the credential.
fn log(closed: &Closed) {
    match closed {
        Closed::Unauthorized => tracing::info!("credential refused"),
        Closed::Unknown(error) => tracing::error!(error = ?error, "credential could not be checked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B-16
    #[test]
    fn a_check_of_more_than_a_tenth_of_a_second_is_warned_of() {
        let logs = peer::logs::capture();
        for verdict in [Ok(()), Err(Refusal::Expired), Err(Refusal::Invalid)] {
            let before = logs.lines().len();
            count(&verdict, 0.1);
            assert_eq!(logs.lines().len(), before, "{:?}", logs.text());
            count(&verdict, 0.100_1);
            let told = logs.lines();
            assert_eq!(told.len(), before + 1);
            let last = told.last().unwrap();
            assert_eq!(
                (&last["level"], &last["message"], &last["seconds"]),
                (
                    &"WARN".into(),
                    &"the check of an access token is slow".into(),
                    &0.100_1.into()
                )
            );
        }
    }
}
