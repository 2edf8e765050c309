//! TLS as the files say now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rustls::ClientConfig;

use super::expiry::{CertificateHealth, first_end};
use super::files::{Contents, TlsError};
use super::options::Options;
use crate::clock::Clock;

/// The files are looked at once in so many seconds at the most, when a connection is to be made.
pub const CHECK_SECONDS: i64 = 30;

/// TLS towards one peer. Files that change count within [`CHECK_SECONDS`]; while they cannot be used, the old ones count on.
pub struct Tls {
    peer: &'static str,
    options: Options,
    clock: Clock,
    held: Mutex<Held>,
}

struct Held {
    current: Current,
    /// What the files held when they were last looked at, used or not.
    seen: Option<Contents>,
    checked_at: Timestamp,
    /// What was last told of the certificates, so that it is told once a day and not at every look.
    told: Vec<CertificateHealth>,
}

/// What is spoken by, and how often that has changed.
#[derive(Clone)]
pub(super) struct Current {
    pub(super) generation: u64,
    pub(super) config: Arc<ClientConfig>,
    client_ends_at: Option<i64>,
    ca_ends_at: Option<i64>,
}

impl Tls {
    /// Reads the files. The peer's name is a label in logs and metrics.
    ///
    /// # Errors
    /// [`TlsError`]: nothing is spoken rather than something else.
    pub fn new(peer: &'static str, options: Options, clock: Clock) -> Result<Self, TlsError> {
        let contents = Contents::read(&options)?;
        let current = Current::of(&contents, &options, &clock, 0)?;
        let tls = Self {
            peer,
            held: Mutex::new(Held {
                current,
                seen: Some(contents),
                checked_at: clock.now(),
                told: Vec::new(),
            }),
            options,
            clock,
        };
        tls.tell(&mut tls.held());
        Ok(tls)
    }

    /// The peer's name.
    pub fn peer(&self) -> &'static str {
        self.peer
    }

    /// What rustls is to speak by now, for a client that makes its connections itself.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        self.current().config
    }

    /// How the certificates in use are: our own, and those of the authorities that we trust by name.
    pub fn health(&self) -> Vec<CertificateHealth> {
        self.held().current.health(self.clock.now())
    }

    /// What counts now. A clock that was set back makes nothing fresh.
    pub(super) fn current(&self) -> Current {
        let now = self.clock.now();
        let mut held = self.held();
        let fresh = (0..CHECK_SECONDS).contains(&(now.as_second() - held.checked_at.as_second()));
        if fresh {
            return held.current.clone();
        }
        held.checked_at = now;
        self.look(&mut held);
        self.tell(&mut held);
        held.current.clone()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the files. What they hold is tried once, so a fault is told once and not every half minute.
    fn look(&self, held: &mut Held) {
        let contents = match Contents::read(&self.options) {
            Ok(contents) if held.seen.as_ref() == Some(&contents) => return,
            Ok(contents) => contents,
            Err(error) => {
                if held.seen.take().is_some() {
                    self.warn_of(&error);
                }
                return;
            }
        };
        match self.renewed(&contents, held.current.generation + 1) {
            Ok(current) => {
                tracing::info!(peer = self.peer, "certificates have changed; the new ones count");
                held.current = current;
            }
            Err(error) => self.warn_of(&error),
        }
        held.seen = Some(contents);
    }

    /// An authority's file that was there and has gone is no wish to trust nobody.
    fn renewed(&self, contents: &Contents, generation: u64) -> Result<Current, TlsError> {
        match (&self.options.ca_file, &contents.ca) {
            (Some(file), None) => Err(TlsError::Unreadable {
                file: file.clone(),
                reason: std::io::ErrorKind::NotFound,
            }),
            _ => Current::of(contents, &self.options, &self.clock, generation),
        }
    }

    fn warn_of(&self, error: &TlsError) {
        tracing::warn!(peer = self.peer, %error, "changed certificates cannot be used; the old ones count on");
    }

    /// Sets the metric, and warns of a certificate that needs somebody.
    fn tell(&self, held: &mut Held) {
        let health = held.current.health(self.clock.now());
        for it in &health {
            #[expect(clippy::cast_precision_loss, reason = "days are few")]
            let days = it.days_to_expiry as f64;
            let (peer, certificate) = (self.peer, it.certificate);
            metrics::gauge!("tls_certificate_days_to_expiry", "peer" => peer, "certificate" => certificate).set(days);
            if it.status != "healthy" && !held.told.contains(it) {
                tracing::warn!(peer, certificate, days, "a certificate is about to end, or has ended");
            }
        }
        held.told = health;
    }
}

impl Current {
    fn of(contents: &Contents, options: &Options, clock: &Clock, generation: u64) -> Result<Self, TlsError> {
        Ok(Self {
            generation,
            config: Arc::new(contents.client_config(options, clock)?),
            client_ends_at: first_end(&contents.chain(options)?),
            ca_ends_at: first_end(&contents.authorities(options)?),
        })
    }

    fn health(&self, now: Timestamp) -> Vec<CertificateHealth> {
        let ends = [("client", self.client_ends_at), ("ca", self.ca_ends_at)];
        let known = ends
            .into_iter()
            .filter_map(|(certificate, ends_at)| Some((certificate, ends_at?)));
        known
            .map(|(certificate, ends_at)| CertificateHealth::of(certificate, ends_at, now))
            .collect()
    }
}
