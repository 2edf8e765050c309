//! Listening on loopback, and serving HTTP on a connection.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::error::{Context, Result};

/// Listens on a port of the loopback interface; 0 is any free one.
///
/// # Errors
/// If the port is taken.
pub(crate) async fn listen(port: u16) -> Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .await
        .doing(format!("listening on {address}"))
}

/// The URL of a listener, without a path.
///
/// # Errors
/// If the listener has no address any more.
pub(crate) fn url(listener: &TcpListener) -> Result<String> {
    Ok(format!(
        "http://{}",
        listener.local_addr().doing("asking a listener for its address")?
    ))
}

/// The next connection. A failed accept (a caller that left, no file descriptor free) is not the listener's end.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Small writes are what streaming is made of; a delay for coalescing would falsify every latency.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// The largest request head that is read at all, in bytes; API Gateway's own limit of 10,240 is checked after.
const HEAD_LIMIT_BYTES: usize = 256 * 1024;
const MAX_HEADERS: usize = 2_000;

/// Serves HTTP/1.1 and HTTP/2 on a connection until it ends. A connection's failure concerns its peer alone.
pub(crate) async fn serve<I, S, F, B>(io: I, handle: S)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Request<Incoming>) -> F + Send + Clone + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = service_fn(move |request| {
        let answer = handle(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(HEAD_LIMIT_BYTES).max_headers(MAX_HEADERS);
    builder
        .http2()
        .max_header_list_size(256 * 1024)
        .max_concurrent_streams(1_000);
    let _ = builder.serve_connection(TokioIo::new(io), service).await;
}

/// A new X-Ray trace id, in the form of the header `X-Amzn-Trace-Id`.
pub(crate) fn trace_id() -> String {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let random = uuid::Uuid::new_v4().simple().to_string();
    let parent = uuid::Uuid::new_v4().simple().to_string();
    format!(
        "Root=1-{seconds:08x}-{};Parent={};Sampled=0",
        &random[..24],
        &parent[..16]
    )
}
