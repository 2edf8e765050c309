//! Our own access tokens at somebody else's token endpoint, by client credentials (RFC 6749, section 4.4).
//!
//! A token is kept and used again while more than [`FRESH_SECONDS`] of its life are left. However many ask at once, one request goes
//! out, and all of them get what comes of it. Neither the secret nor a token is ever printed.

mod error;
mod exchange;
mod metering;
mod options;
mod token;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::watch;

use crate::clock::{Clock, Stopwatch};
use crate::tls::{Limits, PeerClient, Tls};

pub use error::TokenError;
pub use metering::DURATION_BUCKETS;
pub use options::{ClientSecret, Endpoint, Options, Way};
pub use token::{AccessToken, DEFAULT_LIFE_SECONDS, FRESH_SECONDS, State};

/// What all who wait for one request get.
type Outcome = Result<AccessToken, TokenError>;

/// A client of one token endpoint.
#[derive(Clone)]
pub struct TokenClient {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    http: PeerClient,
    clock: Clock,
    held: Mutex<Held>,
    /// Turns true once, when the client is closed.
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct Held {
    token: Option<AccessToken>,
    /// The request that is under way. It goes when nobody waits for it any more.
    flight: Option<WeakShared<BoxFuture<'static, Outcome>>>,
    closed: bool,
}

impl TokenClient {
    /// Connects nowhere yet.
    pub fn new(options: Options, tls: Option<Arc<Tls>>, clock: Clock) -> Self {
        let whole = Duration::from_secs(options.timeout_seconds);
        let limits = Limits {
            connect: whole,
            whole: Some(whole),
        };
        Self {
            inner: Arc::new(Inner {
                http: PeerClient::new(tls, limits),
                options,
                clock,
                held: Mutex::default(),
                closed: watch::Sender::new(false),
            }),
        }
    }

    /// A token that can be used: the one that is kept, or a new one.
    ///
    /// # Errors
    /// [`TokenError`]. All who waited for one request get its error; who asks after that tries again.
    pub async fn token(&self) -> Outcome {
        let flight = {
            let mut held = self.inner.held();
            if held.closed {
                return Err(TokenError::Closed);
            }
            if let Some(token) = self.inner.kept(&held) {
                metering::cache_hit();
                return Ok(token);
            }
            self.joined(&mut held)
        };
        flight.await
    }

    /// How it is with the token that is kept.
    pub fn state(&self) -> State {
        let now = self.inner.clock.now();
        State::of(self.inner.held().token.as_ref(), now)
    }

    /// Forgets the token if it is this one, because it was refused where it was shown.
    pub fn forget(&self, refused: &AccessToken) {
        let mut held = self.inner.held();
        if held.token.as_ref().is_some_and(|it| it.expose() == refused.expose()) {
            held.token = None;
        }
    }

    /// Forgets the token and lets go of the connections. Who waits, and who asks from now on, gets [`TokenError::Closed`].
    pub fn close(&self) {
        let mut held = self.inner.held();
        held.closed = true;
        held.token = None;
        held.flight = None;
        drop(held);
        self.inner.http.close();
        self.inner.closed.send_replace(true);
    }

    /// Waits with the others for the request that is under way, or begins one. Whoever waits drives it on, so it does not hang on
    /// the one who began it.
    fn joined(&self, held: &mut Held) -> Shared<BoxFuture<'static, Outcome>> {
        if let Some(flight) = held.flight.as_ref().and_then(WeakShared::upgrade) {
            return flight;
        }
        let inner = self.inner.clone();
        let flight = async move { inner.fly().await }.boxed().shared();
        held.flight = flight.downgrade();
        flight
    }
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, held: &Held) -> Option<AccessToken> {
        let token = held.token.as_ref();
        match State::of(token, self.clock.now()) {
            State::Valid => token.cloned(),
            State::None | State::Expired | State::Expiring => None,
        }
    }

    /// One request, from its beginning until its outcome is known to all.
    async fn fly(&self) -> Outcome {
        let stopwatch = Stopwatch::start();
        let mut closed = self.closed.subscribe();
        let outcome = tokio::select! {
            _ = closed.wait_for(|closed| *closed) => Err(TokenError::Closed),
            outcome = exchange::exchange(&self.http, &self.options, self.clock.now()) => outcome,
        };
        metering::requested(outcome.is_ok(), stopwatch.elapsed_seconds());
        let mut held = self.held();
        if held.closed {
            return Err(TokenError::Closed);
        }
        held.flight = None;
        if let Ok(token) = &outcome {
            held.token = Some(token.clone());
        }
        outcome
    }
}

impl std::fmt::Debug for TokenClient {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = out.debug_struct("TokenClient");
        debug.field("endpoint", &self.inner.options.endpoint.as_str());
        debug.field("state", &self.state()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
