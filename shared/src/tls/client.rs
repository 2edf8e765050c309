//! An HTTP client over [`Tls`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use tower::util::MapFutureLayer;

use super::failure::{TlsFailure, failure, is_not_taken};
use super::handshake;
use super::live::{Current, Tls};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// All of a request, if that is bounded.
    pub whole: Option<Duration>,
}

/// A pool of connections to one peer: HTTP/2 where the peer speaks it. It follows nothing and goes by no proxy. When certificates
/// change it begins anew, so that nothing goes on under the old ones but what is under way.
pub struct PeerClient {
    tls: Option<Arc<Tls>>,
    limits: Limits,
    held: Mutex<Option<(u64, Client)>>,
}

impl PeerClient {
    /// Connects nowhere yet. Without `tls` the machine's authorities are trusted, and no certificate of ours is shown.
    pub fn new(tls: Option<Arc<Tls>>, limits: Limits) -> Self {
        let held = Mutex::default();
        Self { tls, limits, held }
    }

    /// The client that is to be used for the next request.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn client(&self) -> Result<Client, reqwest::Error> {
        let current = self.tls.as_ref().map(|tls| tls.current());
        let generation = current.as_ref().map_or(0, |it| it.generation);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some((its, client)) if *its == generation => Ok(client.clone()),
            _ => {
                let client = self.build(current)?;
                *held = Some((generation, client.clone()));
                Ok(client)
            }
        }
    }

    /// Lets go of all connections. What is under way ends by itself.
    pub fn close(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The failure of TLS that an error of a request is, if it is one. One that came after the handshake is counted here.
    pub fn failure(&self, error: &reqwest::Error) -> Option<TlsFailure> {
        let late = self.tls.as_ref().filter(|_| !error.is_connect());
        let hung_up = || (late.is_some() && is_not_taken(error)).then_some(TlsFailure::HungUp);
        let failure = failure(error).or_else(hung_up);
        if let (Some(tls), Some(failure)) = (late, failure) {
            handshake::failed_late(tls.peer(), failure);
        }
        failure
    }

    fn build(&self, current: Option<Current>) -> Result<Client, reqwest::Error> {
        let builder = ClientBuilder::new()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(self.limits.connect)
            .user_agent("tollgate");
        let builder = match self.limits.whole {
            Some(whole) => builder.timeout(whole),
            None => builder,
        };
        match (current, &self.tls) {
            (Some(current), Some(tls)) => {
                let peer = tls.peer();
                builder
                    .https_only(true)
                    .tls_backend_preconfigured(current.config.as_ref().clone())
                    .connector_layer(MapFutureLayer::new(move |connecting| {
                        handshake::metered(peer, connecting)
                    }))
                    .build()
            }
            _ => builder.build(),
        }
    }
}
