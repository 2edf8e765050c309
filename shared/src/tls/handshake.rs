//! Handshakes, counted and timed.

use std::error::Error as StdError;
use std::future::Future;
use std::io;

use super::began;
use super::failure::{TlsFailure, failure, is_io};

/// Counts how a connection over TLS comes to be, and how long its handshake takes: from the first byte of TLS until both sides may speak.
pub(super) async fn metered<T>(
    peer: &'static str,
    connecting: impl Future<Output = Result<T, Box<dyn StdError + Send + Sync>>>,
) -> Result<T, Box<dyn StdError + Send + Sync>> {
    let (outcome, took) = began::timed(connecting).await;
    match &outcome {
        Ok(_) => {
            count(peer, "success");
            if let Some(seconds) = took {
                metrics::histogram!("tls_handshake_duration_seconds", "peer" => peer).record(seconds);
            }
        }
        Err(error) => {
            if let Some(failure) = broken_or(error.as_ref()) {
                count(peer, failure.label());
            }
        }
    }
    outcome
}

/// Counts a peer that took the handshake of TLS 1.3 to its end and refused us only then (RFC 8446, section 4.4.2.4).
pub(super) fn failed_late(peer: &'static str, failure: TlsFailure) {
    count(peer, failure.label());
}

fn count(peer: &'static str, result: &'static str) {
    metrics::counter!("tls_handshakes_total", "peer" => peer, "result" => result).increment(1);
}

const HUNG_UP: [io::ErrorKind; 4] = [
    io::ErrorKind::UnexpectedEof,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::BrokenPipe,
];

/// A peer that hangs up in the middle says nothing of TLS; one that is not there began none.
fn broken_or(error: &(dyn StdError + 'static)) -> Option<TlsFailure> {
    failure(error).or_else(|| is_io(error, &HUNG_UP).then_some(TlsFailure::Broken))
}
