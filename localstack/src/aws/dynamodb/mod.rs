//! DynamoDB: `dynoxide-rs` over a SQLite file, and before it, where functions are held to their roles, what looks at their requests.

mod asked;
mod guard;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use dynoxide::Database;
use rusqlite::Connection;
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

/// Indexes tables by what parallel scans go by. `dynoxide` sorts the whole table for each page of one, which makes a scan of a hundred
/// thousand rows one of forty million.
///
/// # Errors
/// When the file cannot be written, or its tables have another form than is known here.
pub(super) fn index_for_scans(file: &Path, tables: &[&str]) -> Result<(), Error> {
    let index = |table: &str| {
        let (index, table) = (name(&format!("{table}::hash")), name(table));
        format!("CREATE INDEX IF NOT EXISTS {index} ON {table} (hash_prefix, pk, sk);")
    };
    let indexes: String = tables.iter().map(|table| index(table)).collect();
    let indexed = Connection::open(file).and_then(|connection| connection.execute_batch(&indexes));
    indexed.map_err(|error| refused(error.to_string()))
}

/// A name in SQL.
fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn refused(reason: String) -> Error {
    Error::Embedded {
        service: "DynamoDB",
        reason,
    }
}

fn open(file: &Path) -> Result<Database, Error> {
    let path = file
        .to_str()
        .ok_or_else(|| refused(format!("{} is not UTF-8", file.display())))?;
    // How SQLite keeps its pages and waits for the disk is compiled into it (`.cargo/config.toml`).
    Database::new(path).map_err(|error| refused(error.to_string()))
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
