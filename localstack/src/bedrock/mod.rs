//! A Bedrock Runtime that answers on the wire as the real one does, fails on demand and keeps a ledger.
//!
//! `InvokeModel`, `InvokeModelWithResponseStream` and `CountTokens` for Anthropic models, `Converse` and `ConverseStream` for every
//! model of the price list. The answers are made up; their form, their
//! checksums, their token counts and what they cost are not. How to script it and how to ask it: `docs/local-mock.md`.
//!
//! The wire form was taken from the Smithy model inside `aws-sdk-bedrockruntime` (headers, errors, the stream's
//! exceptions) and from answers of the real service quoted in public issue trackers: padding `p` behind the chunk's
//! `bytes`, `msg_bdrk_` ids, the order and names in `amazon-bedrock-invocationMetrics`, whose `inputTokenCount` leaves
//! out what came from or went into the cache, the `:http://internal.amazon.com/coral/...` tail of `x-amzn-ErrorType`,
//! and the refusals' words.

mod access;
mod answer;
mod block;
mod cache;
mod control;
mod converse;
mod count;
mod directive;
mod error;
mod frame;
mod holds;
mod invocation;
mod ledger;
mod log;
mod metadata;
mod play;
mod prices;
mod record;
mod regions;
mod request;
mod signature;
mod wire;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;

use crate::aws::server::Server;
use crate::privileges::Privileges;

pub use answer::ToolUse;
pub use directive::{CountScript, Directive, ExceptionAfter};
pub use ledger::{CacheCreation, Call, Ledger, Totals, Usage};
pub use log::{LogOptions, LogSettings};
pub use record::Recorded;
pub use regions::{BetaScript, Naming, RegionScript};
pub use signature::sign;

/// An application inference profile that the mock knows from the start.
pub const APPLICATION_PROFILE_ARN: &str =
    "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/tollgate";
/// The model behind [`APPLICATION_PROFILE_ARN`].
pub const APPLICATION_PROFILE_MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// How to start the mock.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port on the loopback interface; 0 takes a free one.
    pub port: u16,
    /// The price list, as JSON in the form of `shared/data/prices.json`. Its ids are the models that are known.
    pub prices: String,
    /// Application inference profiles: ARN, or its last part, to the id of a priced model.
    pub application_profiles: HashMap<String, String>,
    /// Where to write the model invocation log; nowhere without it.
    pub invocation_log: Option<LogOptions>,
    /// What functions are held to.
    pub privileges: Privileges,
}

impl Default for Options {
    fn default() -> Self {
        let profile = (APPLICATION_PROFILE_ARN.to_owned(), APPLICATION_PROFILE_MODEL.to_owned());
        Self {
            port: 0,
            prices: include_str!("../../../shared/data/prices.json").to_owned(),
            application_profiles: HashMap::from([profile]),
            invocation_log: None,
            privileges: Privileges::default(),
        }
    }
}

/// Why the mock did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The price list is not JSON in the expected form.
    #[error("the price list: {0}")]
    Prices(#[from] serde_json::Error),
    /// The port could not be bound.
    #[error("cannot bind the Bedrock mock: {0}")]
    Bind(#[from] io::Error),
}

/// The running mock. Dropping it stops it.
#[derive(Debug)]
pub struct Mock {
    /// Scheme, host and port.
    pub url: String,
    state: Arc<State>,
    server: Option<Server>,
}

/// What all calls share. No lock is held across an await.
#[derive(Debug)]
struct State {
    prices: prices::Prices,
    profiles: Mutex<HashMap<String, String>>,
    ledger: ledger::Book,
    log: log::InvocationLog,
    cache: Mutex<cache::PromptCache>,
    requests: Mutex<record::Records>,
    answers: Mutex<record::Answers>,
    faults: Mutex<VecDeque<Directive>>,
    /// How `CountTokens` answers where the body says nothing of it.
    counts: Mutex<Option<CountScript>>,
    holds: holds::Holds,
    scripts: regions::Scripts,
    privileges: Privileges,
}

impl State {
    fn new(options: Options) -> Result<Self, Error> {
        Ok(Self {
            prices: prices::Prices::parse(&options.prices)?,
            profiles: Mutex::new(options.application_profiles),
            ledger: ledger::Book::default(),
            log: log::InvocationLog::start(options.invocation_log),
            cache: Mutex::default(),
            requests: Mutex::default(),
            answers: Mutex::default(),
            faults: Mutex::default(),
            counts: Mutex::default(),
            holds: holds::Holds::default(),
            scripts: regions::Scripts::default(),
            privileges: options.privileges,
        })
    }
}

/// Locks; a panic elsewhere leaves data that is still good for a mock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the mock on a free port with the repository's price list.
///
/// # Errors
/// See [`start_with`].
pub async fn start() -> Result<Mock, Error> {
    start_with(Options::default()).await
}

/// Starts the mock.
///
/// # Errors
/// When the price list cannot be read or the port be bound.
pub async fn start_with(options: Options) -> Result<Mock, Error> {
    let port = options.port;
    let state = Arc::new(State::new(options)?);
    let router = Router::new()
        .nest("/_mock", control::routes())
        .fallback(invocation::answer)
        .with_state(state.clone());
    let server = Server::start(router, port).await?;
    Ok(Mock {
        url: server.url.clone(),
        state,
        server: Some(server),
    })
}

impl Mock {
    /// All calls so far and their sums.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.state.ledger()
    }

    /// The last requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.state.requests).all()
    }

    /// Scripts the next call that brings no directive of its own.
    pub fn queue(&self, directive: Directive) {
        lock(&self.state.faults).push_back(directive);
    }

    /// Scripts every `CountTokens` from now on that brings no directive of its own; nothing ends that.
    pub fn script_counts(&self, script: Option<CountScript>) {
        *lock(&self.state.counts) = script;
    }

    /// Scripts every call to a region from now on, whatever it brings itself; nothing ends that.
    pub fn script_region(&self, region: &str, script: Option<RegionScript>) {
        self.state.scripts.set_region(region, script);
    }

    /// Refuses beta flags and members from now on.
    pub fn script_betas(&self, script: BetaScript) {
        self.state.scripts.set_betas(script);
    }

    /// Lets every stream go on, now and later, that holds under `name`.
    pub fn release(&self, name: &str) {
        self.state.holds.release(name);
    }

    /// Changes how the invocation log is written.
    pub fn change_log(&self, change: impl FnOnce(&mut LogSettings)) {
        self.state.log.change(change);
    }

    /// Returns when the records of all calls that are not open are in S3.
    ///
    /// # Errors
    /// What S3 said.
    pub async fn flush_log(&self) -> Result<(), String> {
        self.state.log.flush().await
    }

    /// Forgets calls, requests, queued directives, holds and cached prompts.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Ends held streams, lets the other calls finish, and stops.
    pub async fn stop(mut self) {
        self.state.holds.close();
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        let _ = self.state.log.flush().await;
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // A held stream would keep its connection, and with it the server, for ever.
        self.state.holds.close();
    }
}

impl State {
    fn ledger(&self) -> Ledger {
        let mut ledger = self.ledger.ledger();
        // Looked at after the calls: a record is counted before its call is settled, so none is missed.
        ledger.totals.unlogged = self.log.unwritten();
        ledger
    }

    fn reset(&self) {
        self.ledger.clear();
        self.log.forget();
        *lock(&self.requests) = record::Records::default();
        *lock(&self.answers) = record::Answers::default();
        lock(&self.faults).clear();
        *lock(&self.counts) = None;
        *lock(&self.cache) = cache::PromptCache::default();
        self.holds.reset();
        self.scripts.reset();
    }
}

#[cfg(test)]
mod tests;
