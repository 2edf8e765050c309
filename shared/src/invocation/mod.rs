//! The flow of a model call: resolve → may it be called → price → admit → call → observe → settle → deliver.
//!
//! Whole and streamed answers share everything but how their bytes leave. Invariants:
//! - one call to Bedrock leaves one usage row, also when it fails, when its caller leaves, or when its answer breaks off;
//! - a body ends only after its row is written;
//! - no call goes out before it is written down and the most that it may cost is held;
//! - bytes that need no change are not changed.

mod admission;
mod ahead;
mod attachments;
mod attempts;
mod betas;
mod cost;
mod counting;
mod deliver;
mod incoming;
mod known_models;
mod listing;
mod live;
mod metadata;
mod meter;
pub mod openai;
mod plan;
mod rests;
mod room;
pub mod routes;
mod settlement;

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use crate::aws::Aws;
use crate::bound::LARGEST;
use crate::cache::Cache;
use crate::clock::{Clock, Stopwatch};
use crate::config::{ConfigError, Variables, tree};
use crate::context;
use crate::error::{Error, Kind};
use crate::http::Caller;
use crate::limits::Limits;
use crate::model::{ModelError, ResolvedModel};
use crate::objects::Objects;
use crate::price::{Guardrails, PriceError, ServiceTier};
use crate::pricing::Prices;
use crate::random;
use crate::store::Store;
use crate::telemetry::trace;
use crate::upstream::config::UpstreamConfig;
use crate::upstream::{Bedrock, NoAnswer, Operation, Upstream};
use crate::usage::Outcome;
use crate::wire::bedrock::upstream_error;
use crate::wire::dialect::Dialect;
use crate::wire::openai::Reading;

use admission::{Admission, Wish, admit};
use attempts::{Made, Sending};
use betas::KnownBetas;
use known_models::KnownModels;
use live::Live;
use metadata::Metadata;
use plan::{Asked, Plan};
use rests::Rests;

/// What model calls need: their own clients, the price list and the catalog.
#[derive(Debug)]
pub struct Models {
    /// Where tokens are counted: the function's own region.
    pub bedrock: Bedrock,
    /// Where calls go.
    pub upstream: Upstream,
    /// Which beta flags Bedrock refuses.
    pub betas: KnownBetas,
    /// What environments tell each other of targets that rest.
    rests: Rests,
    /// Where usage is written.
    pub store: Store,
    /// Where the bytes of files are that messages name.
    pub objects: Objects,
    /// What tokens cost.
    pub prices: Prices,
    /// Which guardrails calls may name, and what they cost.
    pub guardrails: Guardrails,
    /// Which models there are.
    pub models: KnownModels,
    /// The time.
    pub clock: Clock,
    /// The region that Bedrock is called in; a caller never chooses it.
    pub region: String,
    /// Which budgets hold.
    pub limits: Limits,
    /// How long a call may take: after that its function is surely dead.
    pub call_seconds: u32,
    /// How long usage rows are kept.
    pub retention_days: u32,
    /// An answer that a budget shortens has at least so many tokens.
    pub least_answer_tokens: u32,
    /// After how long a silence an event stream says `ping`.
    pub ping_after: Duration,
}

/// A model function cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// A variable is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The price list that was built in cannot be read.
    #[error(transparent)]
    Prices(#[from] PriceError),
}

impl Models {
    /// Reads the configuration and builds the clients. Nothing goes out before the first call.
    ///
    /// # Errors
    /// [`SetUpError`], naming what is wrong.
    pub fn new(aws: &Aws, variables: &Variables, clock: Clock) -> Result<Self, SetUpError> {
        let ping = tree::SSE_PING_SECONDS.get(variables)?;
        let cache = Cache::read(aws, variables, &clock)?;
        let store = Store::new(aws.dynamodb(), variables.table()?).with_cache(cache);
        let prices = Prices::new(store.clone(), clock.clone())?;
        let region = tree::AWS_REGION.get(variables)?.to_string();
        let upstream = UpstreamConfig::read(variables, &region)?;
        Ok(Self {
            bedrock: Bedrock::new(aws.bedrockruntime()),
            upstream: Upstream::new(aws, upstream),
            betas: KnownBetas::new(store.clone(), clock.clone()),
            rests: Rests::default(),
            objects: Objects::read_from(aws, variables, &clock)?,
            limits: Limits::new(store.clone(), clock.clone()),
            store,
            call_seconds: tree::CALL_SECONDS.get(variables)?,
            retention_days: tree::USAGE_RETENTION_DAYS.get(variables)?,
            least_answer_tokens: tree::LEAST_ANSWER_TOKENS.get(variables)?,
            models: KnownModels::new(prices.seed(), tree::MODELS_APPLICATION_PROFILES.find(variables)?),
            guardrails: tree::MODELS_GUARDRAILS.find(variables)?.unwrap_or_default(),
            prices,
            clock,
            region,
            ping_after: Duration::from_secs(ping.get()),
        })
    }
}

/// How an answer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// In one piece.
    Whole,
    /// As Bedrock's event-stream frames.
    Frames,
    /// As server-sent events.
    Events,
    /// As one of OpenAI's completions.
    Completion(Reading),
    /// As chunks of one, in server-sent events.
    Chunks(Reading),
}

/// One call that a caller wants made. It holds a prompt, so neither this nor what is made of it prints itself.
struct Call {
    /// Who wants it; the route has seen that the scope is there.
    caller: Caller,
    /// In whose words errors are told.
    dialect: Dialect,
    /// What is asked of Bedrock; the body is one of this operation.
    operation: Operation,
    /// How the answer leaves.
    delivery: Delivery,
    /// The model as the caller named it, decoded.
    model: String,
    /// Bedrock's service tier, which sets the price.
    tier: ServiceTier,
    /// The guardrail that it names.
    guardrail: Option<String>,
    /// Headers for Bedrock.
    headers: HeaderMap,
    /// The body for Bedrock.
    body: Bytes,
}

/// What is known of a call when it goes out.
struct Admitted {
    caller: Caller,
    dialect: Dialect,
    operation: Operation,
    delivery: Delivery,
    admission: Admission,
    /// Whether a guardrail costs something beside the model, so that what the call cost is an estimate.
    guarded: bool,
    /// When the call must have come to its end, if the function's own end is known.
    ends_at: Option<Instant>,
}

/// Makes a call and gives its answer in the caller's dialect.
///
/// # Errors
/// What the caller did wrong, or what Bedrock or the table could not do; in the last case the call has its row all the
/// same, or its loss is logged with all that the row would have held.
async fn run(models: &Arc<Models>, call: Call) -> Result<Response, Error> {
    let Call {
        mut caller,
        dialect,
        operation,
        delivery,
        model,
        tier,
        guardrail,
        mut headers,
        body,
    } = call;
    if caller.request_id == context::UNKNOWN_REQUEST {
        // Holds and rows go by the request's id, so each needs one of its own.
        caller.request_id = random::identifier("request")?;
    }
    let told = metadata::told(&models.upstream.config.metadata, &caller);
    let metadata = Metadata::of(operation, &headers, &body, &caller.request_id, told)?;
    let book = models.prices.book().await?;
    let catalog = models.models.catalog(&book);
    let model = catalog.resolve(&model).map_err(refused_model)?;
    check_operation(operation, &model)?;
    caller.principal.require_model(&model.base)?;
    let started_at = models.clock.now();
    let surcharge = guardrail.map(|it| models.guardrails.rate(&it)).transpose()?;
    let asked = Asked {
        principal: &caller.principal,
        model: &model,
        tier,
        surcharge,
        at: started_at,
        body: &body,
    };
    let plan = Plan::of(models, &book, &catalog, &asked)?;
    let (first, target, ceiling) = plan.start(&models.upstream)?;
    let wish = Wish {
        caller: &caller,
        dialect,
        operation,
        model: &first.model,
        quote: &first.quote,
        target,
        ceiling,
        tier,
        limits: book.limits(&model.price_key).unwrap_or(LARGEST),
        body,
        started_at,
    };
    let admitting = trace::step("admit").whole(admit(models, wish), |error| error.kind.label());
    let admission = Box::pin(admitting).await?;
    let admitted = Admitted {
        dialect,
        operation,
        delivery,
        guarded: surcharge.is_some(),
        ends_at: ends_at(models, &caller),
        admission,
        caller,
    };
    // It is there before the call goes out, so that a call which is given up on the way has its row too.
    let mut live = Live::new(models.clone(), admitted, Stopwatch::start());
    let body = match metadata.written(operation, &mut headers, &live.admitted().admission.body) {
        Ok(body) => body,
        Err(error) => return not_made(live, Outcome::ClientError, error).await,
    };
    let sending = Sending {
        operation,
        headers,
        body,
        ends_at: live.ends_at(),
    };
    match Box::pin(attempts::make(models, &mut live, &plan, sending)).await {
        Err(error) => not_made(live, Outcome::UpstreamError, error).await,
        Ok(Made::NoRoom(error)) => not_made(live, Outcome::Throttled, error).await,
        Ok(Made::Nothing(failure)) => no_answer(live, failure).await,
        Ok(Made::Answer(answer)) if !answer.status.is_success() => {
            live.attach(answer);
            deliver::refusal(live).await
        }
        Ok(Made::Answer(answer)) => {
            live.attach(answer);
            match delivery {
                Delivery::Whole | Delivery::Completion(_) => deliver::whole(live).await,
                Delivery::Frames | Delivery::Events | Delivery::Chunks(_) => Ok(deliver::streamed(live)),
            }
        }
    }
}

/// Models other than Claude have no form of their own that could be metered here.
fn check_operation(operation: Operation, model: &ResolvedModel) -> Result<(), Error> {
    if operation.converses() || model.is_claude() {
        return Ok(());
    }
    let message = "model: on this path there are Claude models alone; others are called by `converse`";
    Err(Error::new(Kind::NotFound, message))
}

/// When a call must have come to its end, so that its caller can be told and its row be written before the function is killed.
fn ends_at(models: &Models, caller: &Caller) -> Option<Instant> {
    let left = caller.deadline?.duration_since(models.clock.now());
    let left = Duration::try_from(left).unwrap_or_default();
    Some(Instant::now() + left.saturating_sub(models.upstream.config.end_before_deadline))
}

/// Nothing was sent, or nothing that was billed. The call has its row all the same.
async fn not_made(mut live: Live, outcome: Outcome, error: Error) -> Result<Response, Error> {
    let error = match live.settle_without_answer(outcome, false).await {
        Ok(()) => error,
        Err(unsettled) => unsettled,
    };
    cost::with_dropped(live.what_was_dropped(), error)
}

async fn no_answer(mut live: Live, failure: NoAnswer) -> Result<Response, Error> {
    let (outcome, maybe_billed) = match &failure {
        NoAnswer::NotSent(_) => (Outcome::UpstreamError, false),
        NoAnswer::Lost(_) => (Outcome::UpstreamError, true),
        NoAnswer::TimedOut(_) => (Outcome::Timeout, true),
    };
    let error = match live.settle_without_answer(outcome, maybe_billed).await {
        Ok(()) => lost(failure),
        Err(unsettled) => unsettled,
    };
    cost::with_dropped(live.what_was_dropped(), error)
}

/// That no answer came, as an error of ours.
fn lost(failure: NoAnswer) -> Error {
    match failure {
        NoAnswer::NotSent(_) => Error::upstream_unavailable("Bedrock cannot be reached.", failure),
        NoAnswer::Lost(_) => Error::upstream_unavailable("Bedrock's answer was lost.", failure),
        NoAnswer::TimedOut(_) => {
            Error::new(Kind::UpstreamTimeout, "Bedrock took too long to answer.").caused_by(failure)
        }
    }
}

fn refused_model(error: ModelError) -> Error {
    let error = match error {
        ModelError::Malformed => Error::invalid("model: not a model id or alias"),
        ModelError::Unknown => Error::new(Kind::NotFound, "model: there is no such model here"),
        ModelError::Unpriced => Error::new(
            Kind::NotFound,
            "model: it has no price, and what has no price is not served",
        ),
    };
    error.about("model")
}

/// What Bedrock said, as an error of ours.
fn told_by_bedrock(status: http::StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let told = upstream_error(status, headers, body);
    let mut error = Error::new(told.kind, told.message);
    error.retry_after_seconds = told.retry_after_seconds;
    error
}
