//! The Runtime API and the part of the Extensions API that a function's own SIGTERM handling needs. Each environment has a
//! port of its own, so `AWS_LAMBDA_RUNTIME_API` has the form it has on Lambda (`host:port`: a path after it is no URI
//! without a scheme), and the port says who is asking.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::PAYLOAD_LIMIT_BYTES;
use super::answer::{Answer, Body, Failure, Piece};
use super::environment::Environment;
use crate::net;

type Reply = Response<Full<Bytes>>;

/// Serves one environment until the task is aborted. Connections outlive the listener: what a process wrote before it ended
/// is still read.
pub(super) async fn serve(listener: TcpListener, environment: Arc<Environment>) {
    loop {
        let (stream, _) = net::accept(&listener).await;
        let environment = Arc::clone(&environment);
        tokio::spawn(net::serve(super::prompt::Prompt(stream), move |request| {
            answer(request, Arc::clone(&environment))
        }));
    }
}

async fn answer(request: Request<Incoming>, environment: Arc<Environment>) -> Reply {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => next(&environment).await,
        (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "response"]) => {
            // In a task of its own: the connection drops its handlers when the process dies, and the rest of an answer with them.
            let task = response(request, environment, (*id).to_owned());
            tokio::spawn(task)
                .await
                .unwrap_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, ""))
        }
        (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "error"]) => error(request, &environment, id).await,
        (&Method::POST, ["2018-06-01", "runtime", "init", "error"]) => init_error(request, &environment).await,
        (&Method::POST, ["2020-01-01", "extension", "register"]) => register(&environment),
        // No extension is sent events here: the wait ends with the environment, as it does for one that subscribes to none.
        (&Method::GET, ["2020-01-01", "extension", "event", "next"]) => std::future::pending().await,
        _ => text(StatusCode::NOT_FOUND, ""),
    }
}

async fn next(environment: &Arc<Environment>) -> Reply {
    let Some(invocation) = environment.next().await else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "");
    };
    let answer = Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", &invocation.id)
        .header("Lambda-Runtime-Deadline-Ms", invocation.deadline_ms.to_string())
        .header("Lambda-Runtime-Invoked-Function-Arn", &environment.function.arn)
        .header("Lambda-Runtime-Trace-Id", trace_id(&invocation.event))
        .body(Full::new(invocation.event));
    answer.unwrap_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, ""))
}

/// An invocation is in the trace that API Gateway has begun, of which its event's headers tell; every other is in one of its own.
fn trace_id(event: &[u8]) -> String {
    let own = net::trace_id();
    let event: Event = serde_json::from_slice(event).unwrap_or_default();
    let names = ["X-Amzn-Trace-Id", "x-amzn-trace-id"];
    let root = names
        .iter()
        .find_map(|name| event.headers.as_ref()?.get(*name)?.as_str());
    match (root, own.split_once(';')) {
        (Some(root), Some((_, rest))) if root.starts_with("Root=") => format!("{root};{rest}"),
        _ => own,
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Event {
    headers: Option<serde_json::Map<String, serde_json::Value>>,
}

async fn response(request: Request<Incoming>, environment: Arc<Environment>, id: String) -> Reply {
    if !environment.expects(&id) {
        return invalid_id();
    }
    let content_type = header(request.headers(), "content-type")
        .unwrap_or("application/json")
        .to_owned();
    if header(request.headers(), "lambda-runtime-function-response-mode") == Some("streaming") {
        return match environment.begin_answer(&id, content_type) {
            Some(pieces) => stream(request.into_body(), &environment, &id, &pieces).await,
            None => invalid_id(),
        };
    }
    match buffer(request.into_body()).await {
        Some(Ok(bytes)) => {
            let answer = Answer {
                streamed: false,
                content_type,
                body: Body::whole(bytes),
            };
            environment.finish(&id, Ok(answer));
            accepted()
        }
        Some(Err(failure)) => {
            let message = json!({ "errorType": "RequestEntityTooLarge", "errorMessage": failure.message() });
            environment.finish(&id, Err(failure));
            text(StatusCode::PAYLOAD_TOO_LARGE, &message.to_string())
        }
        // The process broke off; what that means is said when its end is noticed.
        None => text(StatusCode::BAD_REQUEST, ""),
    }
}

/// A buffered answer: `None` if it broke off, a failure if it is larger than Lambda takes.
async fn buffer(mut body: Incoming) -> Option<Result<Bytes, Failure>> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            if whole.len() + data.len() > PAYLOAD_LIMIT_BYTES {
                return Some(Err(Failure::TooLarge));
            }
            whole.extend_from_slice(&data);
        }
    }
    Some(Ok(whole.freeze()))
}

/// Passes on each chunk as it comes, and reads to the end also when nobody listens any more.
async fn stream(mut body: Incoming, environment: &Environment, id: &str, pieces: &mpsc::Sender<Piece>) -> Reply {
    let mut last = Piece::End;
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => {
                let _ = pieces.send(Piece::Chunk(data)).await;
            }
            Ok(Err(frame)) => {
                if let Some(failure) = frame.trailers_ref().and_then(trailing_failure) {
                    last = Piece::Failed(failure);
                }
            }
            Err(_) => {
                let broken = || Failure::Exited("the function ended before its answer did".to_owned());
                last = Piece::Failed(environment.cause().unwrap_or_else(broken));
                break;
            }
        }
    }
    let _ = pieces.send(last).await;
    // The caller has the answer by now; the reply slot is empty and only the invocation is closed.
    environment.finish(id, Err(Failure::Exited(String::new())));
    accepted()
}

/// An error that a function reports after its answer began.
fn trailing_failure(trailers: &HeaderMap) -> Option<Failure> {
    use base64::Engine as _;
    let kind = header(trailers, "lambda-runtime-function-error-type")?;
    let body = header(trailers, "lambda-runtime-function-error-body").unwrap_or_default();
    let body = base64::engine::general_purpose::STANDARD
        .decode(body)
        .unwrap_or_else(|_| body.as_bytes().to_vec());
    Some(Failure::from_posted(Some(kind), &body))
}

async fn error(request: Request<Incoming>, environment: &Environment, id: &str) -> Reply {
    if !environment.expects(id) {
        return invalid_id();
    }
    let failure = posted_failure(request).await;
    environment.finish(id, Err(failure));
    accepted()
}

async fn init_error(request: Request<Incoming>, environment: &Environment) -> Reply {
    environment.failed_to_start(posted_failure(request).await);
    accepted()
}

async fn posted_failure(request: Request<Incoming>) -> Failure {
    let kind = header(request.headers(), "lambda-runtime-function-error-type").map(str::to_owned);
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    Failure::from_posted(kind.as_deref(), &body)
}

fn register(environment: &Environment) -> Reply {
    let body = json!({
        "functionName": environment.function.name,
        "functionVersion": "$LATEST",
        "handler": "bootstrap",
        "accountId": crate::template::ACCOUNT_ID,
    });
    let answer = Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header("Lambda-Extension-Identifier", uuid::Uuid::new_v4().to_string())
        .body(Full::new(Bytes::from(body.to_string())));
    answer.unwrap_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, ""))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn accepted() -> Reply {
    text(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

fn invalid_id() -> Reply {
    text(
        StatusCode::BAD_REQUEST,
        r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#,
    )
}

fn text(status: StatusCode, body: &str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    reply
}
