//! Real handshakes with a real server on loopback.

mod agreeing;
mod configuring;
mod files;
mod health;
mod peers;
mod reloading;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use jiff::Timestamp;
use peer::{Authority, Connection, Identity, Leaf, Server, Wire};
use tempfile::TempDir;

use super::{Limits, MinimumVersion, Options, PeerClient, Tls, TlsFailure};
use crate::clock::Clock;

/// 2026-11-25T00:00:00Z
pub(super) const NOW: i64 = 1_795_564_800;
const DAY: i64 = 86_400;

/// An authority, what it has signed, and the files that tell a client of it.
pub(super) struct Scene {
    pub(super) folder: TempDir,
    pub(super) authority: Authority,
    pub(super) server: Identity,
    pub(super) client: Identity,
    pub(super) clock: Clock,
    pub(super) seen: Arc<Mutex<Vec<Connection>>>,
}

impl Scene {
    pub(super) fn new() -> Self {
        let authority = Authority::new("Scene");
        let folder = tempfile::tempdir().unwrap();
        let client = authority.issue(&Leaf::new("client"));
        authority.write(folder.path(), "ca.pem");
        client.write(folder.path(), "client");
        Self {
            server: authority.issue(&Leaf::new("localhost")),
            client,
            authority,
            folder,
            clock: Clock::held_at(Timestamp::from_second(NOW).unwrap()),
            seen: Arc::default(),
        }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Trusts the authority and shows the client's certificate.
    pub(super) fn options(&self) -> Options {
        Options {
            ca_file: Some(self.file("ca.pem")),
            certificate_file: Some(self.file("client.pem")),
            key_file: Some(self.file("client.key")),
            ..Options::default()
        }
    }

    pub(super) fn wire(&self) -> Wire<'_> {
        Wire::of(&self.server).mutual(&self.authority)
    }

    pub(super) fn tls(&self, options: Options) -> Arc<Tls> {
        Arc::new(Tls::new("peer", options, self.clock.clone()).unwrap())
    }

    pub(super) fn client(&self, options: Options) -> PeerClient {
        PeerClient::new(Some(self.tls(options)), limits())
    }

    /// `/` notes which connection the request came by.
    pub(super) async fn serve(&self, wire: &Wire<'_>) -> Server {
        let seen = self.seen.clone();
        let note = move |Extension(connection): Extension<Connection>| async move {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        };
        Server::tls(wire, Router::new().route("/", get(note))).await
    }

    /// The connection by which the last request came.
    pub(super) fn last(&self) -> Connection {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last()
            .unwrap()
            .clone()
    }
}

pub(super) fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(20),
        whole: None,
    }
}

/// One request. The error is why there was no TLS; any other fault is the test's.
pub(super) async fn ask(client: &PeerClient, url: &str) -> Result<(), TlsFailure> {
    match client.client().unwrap().get(url).send().await {
        Ok(answer) => {
            assert_eq!(answer.status(), 200);
            Ok(())
        }
        Err(error) => Err(client.failure(&error).unwrap_or_else(|| panic!("{error:?}"))),
    }
}

pub(super) fn minimum_13(options: Options) -> Options {
    Options {
        minimum_version: MinimumVersion::Tls13,
        ..options
    }
}

pub(super) fn suites(options: Options, names: &[&str]) -> Options {
    Options {
        cipher_suites: names.iter().map(|name| (*name).to_owned()).collect(),
        ..options
    }
}
