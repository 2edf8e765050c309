//! When a handshake begins. rustls tells it nobody, but asks its store of sessions first of all, before the first byte of TLS goes out and
//! when the connection below stands: so the store notes the time.

use std::cell::Cell;
use std::sync::Arc;

use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;

use crate::clock::Stopwatch;

/// As many as rustls keeps by itself.
const SESSIONS: usize = 256;

tokio::task_local! {
    static BEGAN: Cell<Option<Stopwatch>>;
}

/// Makes a connection, and tells how long its handshake took in seconds. `None`: there was none.
pub(super) async fn timed<T>(connecting: impl Future<Output = T>) -> (T, Option<f64>) {
    let timed = async {
        let connected = connecting.await;
        (connected, BEGAN.with(Cell::take).map(|it| it.elapsed_seconds()))
    };
    BEGAN.scope(Cell::new(None), timed).await
}

/// rustls's own resumption, with a store that notes when it is asked.
pub(super) fn resumption() -> Resumption {
    let sessions = ClientSessionMemoryCache::new(SESSIONS);
    Resumption::store(Arc::new(Noting { sessions }))
}

#[derive(Debug)]
struct Noting {
    sessions: ClientSessionMemoryCache,
}

/// A handshake asks several times; the first counts. Outside of [`timed`] nobody wants to know.
fn note() {
    let _ = BEGAN.try_with(|began| {
        let first = began.take().unwrap_or_else(Stopwatch::start);
        began.set(Some(first));
    });
}

impl ClientSessionStore for Noting {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.sessions.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        note();
        self.sessions.kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.sessions.set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        note();
        self.sessions.tls12_session(server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.sessions.remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.sessions.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        note();
        self.sessions.take_tls13_ticket(server_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_came_before_a_handshake_is_no_part_of_it() {
        let clock = Stopwatch::start();
        let (before, took) = timed(async {
            // The connection below comes to be.
            tokio::task::yield_now().await;
            while clock.elapsed_ms() < 20 {
                std::thread::yield_now();
            }
            let before = clock.elapsed_seconds();
            note();
            note();
            before
        })
        .await;
        assert!(before + took.unwrap() <= clock.elapsed_seconds());
        assert_eq!(timed(async {}).await, ((), None), "no handshake");
        note();
    }
}
