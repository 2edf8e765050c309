//! `POST /2015-03-31/functions/NAME/invocations` for tools: an event in, the function's bytes out as they come. This is the
//! path of Lambda's Invoke, and like `cargo lambda watch` it streams: a streamed answer is a prelude, eight NUL bytes, body.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use super::answer::Failure;
use super::host::Host;
use crate::net;

type Reply = Response<UnsyncBoxBody<Bytes, Failure>>;

/// Serves the API for as long as the program runs.
pub(super) async fn serve(listener: TcpListener, host: Host) {
    loop {
        let (stream, _) = net::accept(&listener).await;
        let host = host.clone();
        tokio::spawn(net::serve(stream, move |request| answer(request, host.clone())));
    }
}

async fn answer(request: Request<Incoming>, host: Host) -> Reply {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    if let (&Method::GET, ["metrics"]) = (request.method(), segments.as_slice()) {
        return metrics(&host);
    }
    if let (&Method::GET, ["privileges"]) = (request.method(), segments.as_slice()) {
        return privileges(&host);
    }
    let (&Method::POST, ["2015-03-31", "functions", function, "invocations"]) = (request.method(), segments.as_slice())
    else {
        return status(StatusCode::NOT_FOUND, "");
    };
    let Ok(event) = request.into_body().collect().await else {
        return status(StatusCode::BAD_REQUEST, "");
    };
    match host.invoke(function, event.to_bytes()).await {
        Ok(answer) => {
            let frames = answer.body.map(|chunk| chunk.map(Frame::data));
            let mut reply = Response::new(StreamBody::new(frames).boxed_unsync());
            let content_type = HeaderValue::from_str(&answer.content_type);
            reply.headers_mut().insert(
                CONTENT_TYPE,
                content_type.unwrap_or(HeaderValue::from_static("application/json")),
            );
            reply
        }
        Err(Failure::Unavailable(message)) => status(StatusCode::NOT_FOUND, &message),
        // Lambda answers 200 to an invocation that failed, and says so in a header.
        Err(failure) => {
            let mut reply = status(StatusCode::OK, &failure.json().to_string());
            reply
                .headers_mut()
                .insert("X-Amz-Function-Error", HeaderValue::from_static("Unhandled"));
            reply
        }
    }
}

/// `GET /metrics`: the functions' own metric lines, summed up. This program's, and no part of Lambda.
fn metrics(host: &Host) -> Reply {
    match host.metrics() {
        Ok(text) => {
            let mut reply = status(StatusCode::OK, &text);
            let content_type = HeaderValue::from_static(gateway::telemetry::exposition::CONTENT_TYPE);
            reply.headers_mut().insert(CONTENT_TYPE, content_type);
            reply
        }
        Err(error) => status(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// `GET /privileges`: what the functions' roles allow, what of it was used, and what was refused. This program's, too.
fn privileges(host: &Host) -> Reply {
    match serde_json::to_string(&host.privileges()) {
        Ok(text) => status(StatusCode::OK, &text),
        Err(error) => status(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn status(status: StatusCode, body: &str) -> Reply {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
