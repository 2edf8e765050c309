//! DynamoDB: `dynoxide-rs` over a SQLite file, and before it, where functions are held to their roles, what looks at their requests.

mod asked;
mod guard;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use dynoxide::Database;
use tokio::sync::oneshot;

use super::Error;
use super::server::{Server, Serving};
use crate::privileges::Privileges;
use guard::Guard;

/// Requests wait for the database's lock and for the disk on the thread that polls them, so they get a runtime of
/// their own: on a shared one a slow write would stall the streams of the gateway.
const THREADS: usize = 2;

/// The running service.
pub(super) struct Started {
    pub(super) server: Server,
    /// The URL at which functions are held to their roles, if they are.
    pub(super) guarded: Option<String>,
}

/// Opens `file`, or makes it, and serves it; with privileges a second time, for functions.
///
/// # Errors
/// When the file cannot be opened, no port be bound or no thread be started.
pub(super) fn start(file: &Path, privileges: Option<Privileges>) -> Result<Started, Error> {
    let database = open(file)?;
    let (listener, address) = listen()?;
    let (server, serving) = Server::handle(address);
    let (guard, guarded) = match privileges {
        Some(privileges) => {
            let (listener, guarded) = listen()?;
            let guard = Guard::new(listener, address, privileges);
            (Some(guard), Some(format!("http://{guarded}")))
        }
        None => (None, None),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("dynamodb")
        .enable_all()
        .build()
        .map_err(Error::io("cannot start DynamoDB"))?;
    std::thread::Builder::new()
        .name("dynamodb".to_owned())
        .spawn(move || {
            let Serving { stopped, finished } = serving;
            runtime.block_on(async move {
                if let Some(guard) = guard {
                    tokio::spawn(guard.serve());
                }
                serve(listener, database, stopped).await;
            });
            // A connection's task may keep the database open a moment longer than the server runs. The table's file is whole
            // when the last of them has ended, and only then may the program end.
            drop(runtime);
            drop(finished);
        })
        .map_err(Error::io("cannot start DynamoDB"))?;
    Ok(Started { server, guarded })
}

fn listen() -> Result<(TcpListener, SocketAddr), Error> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(Error::io("cannot bind DynamoDB"))
}

fn open(file: &Path) -> Result<Database, Error> {
    let refused = |reason: String| Error::Embedded {
        service: "DynamoDB",
        reason,
    };
    let path = file
        .to_str()
        .ok_or_else(|| refused(format!("{} is not UTF-8", file.display())))?;
    let database = Database::new(path).map_err(|error| refused(error.to_string()))?;
    // Despite its name this is what sets SQLite's `synchronous` to NORMAL: a killed process loses nothing, a power cut
    // may lose the last moments, and no write waits for the disk.
    database
        .disable_bulk_loading()
        .map_err(|error| refused(error.to_string()))?;
    Ok(database)
}

async fn serve(listener: TcpListener, database: Database, stopped: oneshot::Receiver<()>) {
    let shutdown = async move {
        let _ = stopped.await;
    };
    let served = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => dynoxide::server::serve_with_shutdown(listener, database, shutdown).await,
        Err(error) => Err(error.to_string()),
    };
    if let Err(reason) = served {
        tracing::error!(reason, "DynamoDB ended");
    }
}
