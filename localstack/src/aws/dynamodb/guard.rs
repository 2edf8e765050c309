//! Before the table: a request of a function is passed on if its role allows it.
//!
//! `dynoxide` serves a listener by itself and has no place for a look at requests, so this listens and passes on, one connection there for
//! each one here. Only functions come this way; the stack itself and tests have the direct one.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::asked;
use crate::net;
use crate::privileges::{Asked, Caller, Privileges};

const TARGET_PREFIX: &str = "DynamoDB_20120810.";
const JSON: &str = "application/x-amz-json-1.0";

/// What listens for functions.
pub(super) struct Guard {
    listener: TcpListener,
    shared: Arc<Shared>,
}

struct Shared {
    table: SocketAddr,
    privileges: Privileges,
}

/// A connection to the table, made when it is needed.
type Onward = Arc<Mutex<Option<SendRequest<Full<Bytes>>>>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Guard {
    /// Before the DynamoDB at `table`.
    pub(super) fn new(listener: TcpListener, table: SocketAddr, privileges: Privileges) -> Self {
        let shared = Arc::new(Shared { table, privileges });
        Self { listener, shared }
    }

    /// Serves for as long as the runtime lives.
    pub(super) async fn serve(self) {
        let Ok(listener) = tokio::net::TcpListener::from_std(self.listener) else {
            return;
        };
        loop {
            let (stream, _) = net::accept(&listener).await;
            let (shared, onward) = (Arc::clone(&self.shared), Onward::default());
            let answer = move |request| {
                let (shared, onward) = (Arc::clone(&shared), Arc::clone(&onward));
                async move { shared.answer(request, &onward).await }
            };
            tokio::spawn(net::serve(stream, answer));
        }
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>, onward: &Onward) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await else {
            return refusal("SerializationException", "the body broke off");
        };
        let body = body.to_bytes();
        if let Err(message) = self.check(&parts.headers, &body) {
            return refusal("AccessDeniedException", &message);
        }
        let passed_on = self.pass_on(Request::from_parts(parts, Full::new(body)), onward).await;
        passed_on.unwrap_or_else(|error| {
            let mut answer = refusal("InternalServerError", &error.to_string());
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            answer
        })
    }

    /// Whether who calls may do all that the request takes. Requests that nobody known here has signed are the table's own affair.
    fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let caller = text(AUTHORIZATION.as_str()).and_then(Caller::of_header);
        let Some(caller @ Caller::Function(_)) = caller else {
            return Ok(());
        };
        let operation = text("x-amz-target").and_then(|target| target.strip_prefix(TARGET_PREFIX));
        let operation = operation.unwrap_or("Unknown");
        // What is not understood is denied like what nothing allows.
        let unknown = || vec![Asked::new(format!("dynamodb:{operation}"), "*")];
        let asked = asked::of(operation, body).unwrap_or_else(unknown);
        asked
            .iter()
            .try_for_each(|asked| self.privileges.check(caller, asked))
            .map_err(|denial| denial.to_string())
    }

    async fn pass_on(&self, request: Request<Full<Bytes>>, onward: &Onward) -> Result<Response<Full<Bytes>>, Failure> {
        let mut onward = onward.lock().await;
        if onward.as_ref().is_none_or(SendRequest::is_closed) {
            *onward = Some(self.connect().await?);
        }
        let Some(connection) = onward.as_mut() else {
            return Err("there is no connection".into());
        };
        connection.ready().await?;
        let (parts, body) = connection.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(parts, Full::new(body)))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = TcpStream::connect(self.table).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// An error in DynamoDB's form.
fn refusal(kind: &str, message: &str) -> Response<Full<Bytes>> {
    let body = json!({"__type": format!("com.amazon.coral.service#{kind}"), "Message": message}).to_string();
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}
