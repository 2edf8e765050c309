//! An HTTP server on the loopback interface that lives as long as its handle.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long [`Server::stop`] waits for requests in flight.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running server. Dropping it makes it stop accepting and end once its requests have ended.
#[derive(Debug)]
pub(crate) struct Server {
    /// Scheme, host and port.
    pub(crate) url: String,
    stop: oneshot::Sender<()>,
    finished: oneshot::Receiver<()>,
}

/// The other end of a [`Server`], for what serves.
pub(crate) struct Serving {
    /// Resolves, with an error or not, when the server is to stop.
    pub(crate) stopped: oneshot::Receiver<()>,
    /// To be dropped when the last request has ended.
    pub(crate) finished: oneshot::Sender<()>,
}

impl Server {
    /// A handle for what will serve at `address`, and the end that tells it when to stop.
    pub(crate) fn handle(address: SocketAddr) -> (Self, Serving) {
        let (stop, stopped) = oneshot::channel();
        let (finished_sender, finished) = oneshot::channel();
        let url = format!("http://{address}");
        (
            Self { url, stop, finished },
            Serving {
                stopped,
                finished: finished_sender,
            },
        )
    }

    /// Serves `router` on `port` of the loopback interface; 0 takes a free one.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub(crate) async fn start(router: Router, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let (server, serving) = Self::handle(listener.local_addr()?);
        // Nagle's algorithm would hold back the small frames of a stream.
        let listener = listener.tap_io(|socket| {
            let _ = socket.set_nodelay(true);
        });
        tokio::spawn(async move {
            let Serving { stopped, finished } = serving;
            let shutdown = async move {
                let _ = stopped.await;
            };
            let _ = axum::serve(listener, router).with_graceful_shutdown(shutdown).await;
            drop(finished);
        });
        Ok(server)
    }

    /// Stops accepting and waits, for some seconds at most, until requests in flight have ended.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.finished).await;
    }
}
