//! A server on loopback for an axum router: plain, or over TLS as a test says, in HTTP/2 and HTTP/1.1.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{CipherSuite, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::authority::{Authority, Identity};

/// How a server speaks.
pub struct Wire<'a> {
    /// Who it says it is.
    pub identity: &'a Identity,
    /// Whose client certificates it wants; without, it wants none.
    pub clients_of: Option<&'a Authority>,
    /// The versions of TLS that it speaks.
    pub versions: &'a [&'static SupportedProtocolVersion],
    /// The only cipher suites that it knows; empty: all.
    pub suites: &'a [CipherSuite],
    /// The protocols that it offers, the best one first.
    pub protocols: &'a [&'a str],
}

impl<'a> Wire<'a> {
    /// TLS 1.2 and 1.3, HTTP/2 and 1.1, and no client certificate.
    pub fn of(identity: &'a Identity) -> Self {
        Self {
            identity,
            clients_of: None,
            versions: rustls::ALL_VERSIONS,
            suites: &[],
            protocols: &["h2", "http/1.1"],
        }
    }

    /// The same, and every client must show a certificate of this authority.
    #[must_use]
    pub fn mutual(self, authority: &'a Authority) -> Self {
        Self {
            clients_of: Some(authority),
            ..self
        }
    }
}

/// What a handler can ask of the connection that a request came by: an axum extension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// Its number, from 1.
    pub number: usize,
    /// The version of TLS, for example `TLSv1_3`; empty without TLS.
    pub tls: String,
    /// The cipher suite.
    pub suite: String,
    /// The protocol that was agreed on.
    pub protocol: String,
    /// The certificate that the client showed.
    pub client: Option<CertificateDer<'static>>,
}

/// A server. Dropping it ends it with its connections.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    tls: Mutex<Option<TlsAcceptor>>,
    connections: AtomicUsize,
    refused: Mutex<Vec<String>>,
}

impl Server {
    /// Serves without TLS.
    pub async fn plain(router: Router) -> Self {
        Self::start(None, router).await
    }

    /// Serves over TLS.
    pub async fn tls(wire: &Wire<'_>, router: Router) -> Self {
        Self::start(Some(acceptor(wire)), router).await
    }

    async fn start(tls: Option<TlsAcceptor>, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            tls: Mutex::new(tls),
            connections: AtomicUsize::new(0),
            refused: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone(), router));
        Self {
            address,
            scheme,
            shared,
            accepting,
        }
    }

    /// Its URL by the name `localhost`.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on new connections are spoken to otherwise.
    pub fn speak(&self, wire: &Wire<'_>) {
        *locked(&self.shared.tls) = Some(acceptor(wire));
    }

    /// How many connections have been made that could be spoken on.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Why handshakes failed, from this side.
    pub fn refused(&self) -> Vec<String> {
        locked(&self.shared.refused).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, router: Router) {
    // They end with this one.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(connection(stream, shared.clone(), router.clone()));
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, router: Router) {
    let _ = stream.set_nodelay(true);
    let tls = locked(&shared.tls).clone();
    let Some(tls) = tls else {
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let connection = Connection {
            number,
            ..Connection::default()
        };
        return serve(stream, router, connection).await;
    };
    match tls.accept(stream).into_fallible().await {
        Err((error, stream)) => {
            locked(&shared.refused).push(error.to_string());
            hang_up(stream).await;
        }
        Ok(stream) => {
            let session = stream.get_ref().1;
            let suite = session.negotiated_cipher_suite().map(|it| format!("{:?}", it.suite()));
            let connection = Connection {
                number: shared.connections.fetch_add(1, Ordering::SeqCst) + 1,
                tls: session
                    .protocol_version()
                    .map(|it| format!("{it:?}"))
                    .unwrap_or_default(),
                suite: suite.unwrap_or_default(),
                protocol: String::from_utf8_lossy(session.alpn_protocol().unwrap_or_default()).into_owned(),
                client: session
                    .peer_certificates()
                    .and_then(|it| it.first())
                    .map(|it| it.clone().into_owned()),
            };
            serve(stream, router, connection).await;
        }
    }
}

/// Ends a connection so that what was said last is heard: closed with bytes unread it would be reset, and the alert lost.
async fn hang_up(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

async fn serve<I>(io: I, router: Router, connection: Connection)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router.layer(Extension(connection)));
    let builder = auto::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(io), service).await;
}

fn acceptor(wire: &Wire<'_>) -> TlsAcceptor {
    let mut provider = aws_lc_rs::default_provider();
    if !wire.suites.is_empty() {
        provider.cipher_suites.retain(|it| wire.suites.contains(&it.suite()));
    }
    let provider = Arc::new(provider);
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(wire.versions).unwrap();
    let builder = match wire.clients_of {
        None => builder.with_no_client_auth(),
        Some(authority) => builder.with_client_cert_verifier(verifier(authority, &provider)),
    };
    let chain = vec![wire.identity.certificate.clone()];
    let mut config = builder.with_single_cert(chain, wire.identity.key()).unwrap();
    config.alpn_protocols = wire.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

fn verifier(
    authority: &Authority,
    provider: &Arc<CryptoProvider>,
) -> Arc<dyn rustls::server::danger::ClientCertVerifier> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .unwrap()
}
