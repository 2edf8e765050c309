//! API Gateway's REST APIs (version 1) as a client and a function see them: routes, authorizer, events, answers, limits.
//! What AWS documents is followed as documented; where it documents nothing, what is known of its behaviour is.

mod authorizer;
mod call;
mod client_certificate;
mod event;
mod headers;
mod integration;
mod log;
mod policy;
mod proxy_answer;
mod refusal;
mod routes;
mod streaming;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway::clock::Clock;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::lambda::{Failure, Lambda};
use crate::net;
use crate::template::{Api, IdentitySource};

pub use log::Log;

use call::Call;
use refusal::{Kind, Refusal};
use routes::{Match, Routes};
use streaming::StreamLog;

/// The body of an answer. Its error means that the answer is cut off, and ends the client's connection.
type Body = UnsyncBoxBody<Bytes, Failure>;
type Reply = Response<Body>;

/// The limits of a REST API. They are AWS's; tests shorten the times.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest request body, in bytes.
    pub body_bytes: usize,
    /// The largest request line and headers together, in bytes.
    pub head_bytes: usize,
    /// How long a buffered integration may take.
    pub buffered: Duration,
    /// How long a streamed integration may take from its beginning to its end.
    pub streamed: Duration,
    /// How long a stream may be silent.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 10 * 1024 * 1024,
            head_bytes: 10_240,
            buffered: Duration::from_secs(29),
            streamed: Duration::from_secs(15 * 60),
            idle: Duration::from_secs(5 * 60),
        }
    }
}

/// A REST API, ready to be served.
#[derive(Debug)]
pub struct Gateway {
    api: Api,
    routes: Routes,
    lambda: Lambda,
    cache: authorizer::Cache,
    limits: Limits,
    log: Log,
}

/// How a client reached the gateway.
#[derive(Debug, Clone)]
struct Connection {
    peer: SocketAddr,
    port: u16,
    tls: bool,
    /// Whether it came to the endpoint that every API has, and not to a domain of the deployment's own.
    is_default_endpoint: bool,
    /// What the events tell of the client's certificate, if the handshake had one.
    certificate: Option<Arc<Value>>,
}

impl Connection {
    fn new(peer: SocketAddr, port: u16) -> Self {
        Self {
            peer,
            port,
            tls: false,
            is_default_endpoint: true,
            certificate: None,
        }
    }
}

impl Gateway {
    /// The gateway of an API whose functions are behind `lambda`. `authorizer_ttl_seconds` overrides the template's; with a
    /// time but no identity sources in the template, answers are cached by `Authorization`, because AWS caches by sources only.
    /// How long, `clock` tells.
    #[must_use]
    pub fn new(
        mut api: Api,
        lambda: Lambda,
        authorizer_ttl_seconds: Option<u64>,
        clock: Clock,
        limits: Limits,
        log: Log,
    ) -> Arc<Self> {
        for authorizer in api.routes.iter_mut().filter_map(|route| route.authorizer.as_mut()) {
            authorizer.ttl_seconds = authorizer_ttl_seconds.unwrap_or(authorizer.ttl_seconds);
            if authorizer.ttl_seconds > 0 && authorizer.identity_sources.is_empty() {
                authorizer
                    .identity_sources
                    .push(IdentitySource::Header("Authorization".to_owned()));
            }
        }
        let routes = Routes::new(&api.routes);
        let cache = authorizer::Cache::new(clock);
        Arc::new(Self {
            api,
            routes,
            lambda,
            cache,
            limits,
            log,
        })
    }

    /// Serves plain connections for as long as the program runs: the default endpoint.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let port = listener.local_addr().map_or(0, |address| address.port());
        loop {
            let (stream, peer) = net::accept(&listener).await;
            tokio::spawn(Arc::clone(&self).serve_connection(stream, Connection::new(peer, port)));
        }
    }

    /// Serves TLS connections for as long as the program runs: a domain of the deployment's own. Where `acceptor` asks for clients'
    /// certificates, the events tell of them; without the right one there is no connection.
    pub async fn serve_tls(self: Arc<Self>, listener: TcpListener, acceptor: TlsAcceptor) {
        let port = listener.local_addr().map_or(0, |address| address.port());
        loop {
            let (stream, peer) = net::accept(&listener).await;
            let (gateway, acceptor) = (Arc::clone(&self), acceptor.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let certificate = shown.map(|certificate| client_certificate::told(certificate));
                if certificate == Some(None) {
                    return;
                }
                let connection = Connection {
                    tls: true,
                    is_default_endpoint: false,
                    certificate: certificate.flatten().map(Arc::new),
                    ..Connection::new(peer, port)
                };
                gateway.serve_connection(stream, connection).await;
            });
        }
    }

    async fn serve_connection<I>(self: Arc<Self>, io: I, connection: Connection)
    where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        net::serve(io, move |request| {
            // In a task of its own: a client that leaves drops its connection's handlers, but not what it has set in motion.
            let answer = tokio::spawn(Arc::clone(&self).answer(request, connection.clone()));
            async move { answer.await.unwrap_or_else(|_| failed()) }
        })
        .await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>, connection: Connection) -> Reply {
        let (head, body) = request.into_parts();
        let is_off = connection.is_default_endpoint && self.api.default_endpoint_is_off;
        let mut call = Call::new(&head, connection, &self.api.stage);
        if is_off {
            return switched_off(&call);
        }
        if call.head_bytes() > self.limits.head_bytes {
            return head_too_large(&call, self.limits.head_bytes);
        }
        let (mut reply, problem) = match self.route(&mut call, body).await {
            Ok(reply) => (reply, None),
            Err(refusal) => (refusal.render(&call, &self.api.responses), Some(refusal.problem())),
        };
        call.mark(reply.headers_mut());
        self.log.answered(&call, reply.status().as_u16(), problem.as_deref());
        reply
    }

    async fn route(&self, call: &mut Call, body: Incoming) -> Result<Reply, Refusal> {
        let Match { route, parameters } = self
            .routes
            .find(&call.method, &call.path)
            .ok_or_else(|| call.no_route())?;
        call.matched(route, parameters);
        let body = self.read(body).await?;
        if let Some(authorizer) = &route.authorizer {
            call.principal = Some(self.authorize(authorizer, call).await?);
        }
        let event = event::proxy(call, &body, &self.api.binary_media_types);
        if route.streamed {
            let log = StreamLog {
                log: self.log.clone(),
                request_id: call.request_id.clone(),
            };
            streaming::integrate(&self.lambda, &route.function, event, self.limits, log).await
        } else {
            integration::integrate(&self.lambda, &route.function, event, call, &self.api, &self.limits).await
        }
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Refusal> {
        match Limited::new(body, self.limits.body_bytes).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Refusal::of(Kind::RequestTooLarge)),
            // The client broke off; nobody reads what it is told.
            Err(_) => Err(Refusal::of(Kind::BadRequestBody)),
        }
    }
}

/// API Gateway refuses a head that is too large before it knows of any API: no gateway response shapes this.
fn head_too_large(call: &Call, limit_bytes: usize) -> Reply {
    let mut reply = Response::new(full(format!("HTTP header is larger than {limit_bytes} bytes.")));
    *reply.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    call.mark(reply.headers_mut());
    reply
}

/// What a default endpoint says that `DisableExecuteApiEndpoint` has switched off. No gateway response shapes this either.
fn switched_off(call: &Call) -> Reply {
    let mut reply = Response::new(full("{\"message\":\"Forbidden\"}"));
    *reply.status_mut() = StatusCode::FORBIDDEN;
    call.mark(reply.headers_mut());
    reply
}

/// A fault of this program.
fn failed() -> Reply {
    let mut reply = Response::new(full("{\"message\":\"Internal server error\"}"));
    *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    reply
}

fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests;
