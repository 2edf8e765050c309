//! Asking a REQUEST authorizer, and keeping its answers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use gateway::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::call::Call;
use super::policy::{self, Verdict};
use super::refusal::{Kind, Refusal};
use super::{Gateway, event};
use crate::lambda::{Failure, PAYLOAD_LIMIT_BYTES};
use crate::template::{Authorizer, IdentitySource};

/// The longest method ARN that API Gateway authorizes, in bytes.
const METHOD_ARN_LIMIT_BYTES: usize = 1_600;

/// Answers of authorizers by the authorizer and the values of its identity sources, and by nothing else: one answer serves
/// every method and path that a caller reaches with the same values.
#[derive(Debug)]
pub(super) struct Cache {
    clock: Clock,
    answers: Mutex<HashMap<Key, (Timestamp, Answer)>>,
}

type Key = (String, Vec<String>);

/// What an authorizer said: its policy, and the context for the function.
#[derive(Debug, Clone)]
struct Answer {
    policy: Value,
    context: Map<String, Value>,
}

impl Cache {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            answers: Mutex::default(),
        }
    }

    fn find(&self, key: &Key) -> Option<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers
            .get(key)
            .filter(|(until, _)| *until > self.clock.now())
            .map(|(_, answer)| answer.clone())
    }

    fn keep(&self, key: Key, answer: Answer, ttl_seconds: u64) {
        let now = self.clock.now();
        let until = now + SignedDuration::from_secs(i64::try_from(ttl_seconds).unwrap_or(i64::MAX));
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (until, _)| *until > now);
        answers.insert(key, (until, answer));
    }
}

impl Gateway {
    /// The caller as the authorizer names it: `principalId` and its context, all as text.
    pub(super) async fn authorize(&self, authorizer: &Authorizer, call: &Call) -> Result<Map<String, Value>, Refusal> {
        let arn = call.method_arn();
        if arn.len() > METHOD_ARN_LIMIT_BYTES {
            return Err(Refusal::of(Kind::UriTooLong));
        }
        let identity = identity(authorizer, call).ok_or_else(|| Refusal::of(Kind::Unauthorized))?;
        let started = Instant::now();
        let answer = self.answer_of(authorizer, identity, call).await?;
        let verdict = policy::evaluate(&answer.policy, &arn);
        match verdict.ok_or_else(|| Refusal::of(Kind::AuthorizerConfigurationError))? {
            Verdict::Allowed => {
                let mut context = answer.context;
                let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                context.insert("integrationLatency".to_owned(), json!(latency_ms));
                Ok(context)
            }
            Verdict::NotAllowed => Err(Refusal::of(Kind::AccessDenied)),
            Verdict::Denied => {
                let message = "User is not authorized to access this resource with an explicit deny";
                Err(Refusal::because(Kind::AccessDenied, message))
            }
        }
    }

    async fn answer_of(&self, authorizer: &Authorizer, identity: Vec<String>, call: &Call) -> Result<Answer, Refusal> {
        let key = (authorizer.name.clone(), identity);
        if authorizer.ttl_seconds > 0
            && let Some(answer) = self.cache.find(&key)
        {
            return Ok(answer);
        }
        let answer = self.ask(authorizer, call).await?;
        if authorizer.ttl_seconds > 0 {
            self.cache.keep(key, answer.clone(), authorizer.ttl_seconds);
        }
        Ok(answer)
    }

    async fn ask(&self, authorizer: &Authorizer, call: &Call) -> Result<Answer, Refusal> {
        let asked = async {
            let answer = self
                .lambda
                .invoke(&authorizer.function, event::authorizer(call))
                .await?;
            answer.body.collect(PAYLOAD_LIMIT_BYTES).await
        };
        let answer = tokio::time::timeout(self.limits.buffered, asked).await;
        match answer.unwrap_or(Err(Failure::TimedOut {
            seconds: self.limits.buffered.as_secs(),
        })) {
            Ok(bytes) => {
                read(&bytes).ok_or_else(|| Refusal::of(Kind::AuthorizerConfigurationError).detailed("malformed answer"))
            }
            // The one message that means the caller and not the authorizer; it is never kept.
            Err(Failure::Function { message, .. }) if message == "Unauthorized" => Err(Refusal::of(Kind::Unauthorized)),
            Err(failure) => Err(Refusal::of(Kind::AuthorizerFailure).detailed(failure.to_string())),
        }
    }
}

/// The values of the identity sources; `None` if one is missing or empty.
fn identity(authorizer: &Authorizer, call: &Call) -> Option<Vec<String>> {
    let value = |source: &IdentitySource| match source {
        IdentitySource::Header(name) => call.header(name),
        IdentitySource::QueryString(name) => call.query_parameter(name),
        IdentitySource::Context(name) => call.context(name),
    };
    authorizer
        .identity_sources
        .iter()
        .map(|source| value(source).filter(|value| !value.is_empty()))
        .collect()
}

/// An authorizer's answer. Its context is flat, and reaches the function as text whatever its types were.
fn read(bytes: &[u8]) -> Option<Answer> {
    let mut answer: Value = serde_json::from_slice(bytes).ok()?;
    let mut context = Map::new();
    for (key, value) in answer.get("context").and_then(Value::as_object).into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => drop(context.insert(key.clone(), json!(text))),
            Value::Number(number) => drop(context.insert(key.clone(), json!(number.to_string()))),
            Value::Bool(flag) => drop(context.insert(key.clone(), json!(flag.to_string()))),
            Value::Array(_) | Value::Object(_) => return None,
        }
    }
    context.insert("principalId".to_owned(), json!(answer.get("principalId")?.as_str()?));
    let policy = answer.get_mut("policyDocument")?.take();
    policy.is_object().then_some(Answer { policy, context })
}
