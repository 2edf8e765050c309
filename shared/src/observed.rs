//! What a function tells of every request: its id in each log line, a span, how long it took, how it ended. It is told before the
//! answer ends, since Lambda freezes the process behind that.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use lambda_http::request::RequestContext;

use crate::clock::Stopwatch;
use crate::context;
use crate::telemetry::trace::Remote;
use crate::telemetry::{self, Trail};

/// The outermost layer of a function's router.
pub(crate) async fn observed(request: Request, next: Next) -> Response {
    let open = Open::of(&request);
    let response = open.trail.clone().around(next.run(request)).await;
    let open = open.answered(response.status());
    response.map(|inner| {
        Body::new(Observed {
            inner,
            open: Some(open),
            finishing: None,
        })
    })
}

/// A request whose answer has not ended.
struct Open {
    trail: Trail,
    stopwatch: Stopwatch,
    status: StatusCode,
}

impl Open {
    fn of(request: &Request) -> Self {
        let request_id = context::request_id(request.extensions().get::<RequestContext>());
        let route = request
            .extensions()
            .get::<MatchedPath>()
            .map_or("no route", MatchedPath::as_str);
        let lambda = request.extensions().get::<lambda_runtime::Context>();
        let remote = Remote::of(|name| request.headers().get(name)?.to_str().ok());
        let remote = remote.or_xray(lambda.and_then(|it| it.xray_trace_id.as_deref()));
        let trail = Trail::of(&request_id, &format!("{} {route}", method(request)), &remote);
        trail.span.set("http.request.method", method(request));
        trail.span.set("http.route", route.to_owned());
        Self {
            trail,
            stopwatch: Stopwatch::start(),
            status: StatusCode::OK,
        }
    }

    fn answered(mut self, status: StatusCode) -> Self {
        self.trail
            .span
            .set("http.response.status_code", i64::from(status.as_u16()));
        self.status = status;
        self
    }

    fn close(self) {
        let class = match self.status.as_u16() {
            ..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        metrics::counter!("requests_total", "class" => class).increment(1);
        metrics::histogram!("request_duration_seconds").record(self.stopwatch.elapsed_seconds());
        self.trail.span.end();
    }
}

/// A method that HTTP knows: a caller may make up others.
fn method(request: &Request) -> &'static str {
    use http::Method;
    let known = [
        (Method::GET, "GET"),
        (Method::HEAD, "HEAD"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::PATCH, "PATCH"),
        (Method::DELETE, "DELETE"),
        (Method::OPTIONS, "OPTIONS"),
    ];
    let found = known.into_iter().find(|(method, _)| method == request.method());
    found.map_or("_OTHER", |(_, name)| name)
}

/// A body that ends when all is told.
struct Observed {
    inner: Body,
    open: Option<Open>,
    finishing: Option<BoxFuture<'static, ()>>,
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(open) = &self.open {
            let trail = open.trail.clone();
            let frame = ready!(trail.enter(|| Pin::new(&mut self.inner).poll_frame(task)));
            if frame.is_some() {
                return Poll::Ready(frame);
            }
            if let Some(open) = self.open.take() {
                open.close();
            }
            self.finishing = Some(telemetry::finish().boxed());
        }
        if let Some(finishing) = &mut self.finishing {
            ready!(finishing.as_mut().poll(task));
            self.finishing = None;
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.open.is_none() && self.finishing.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Observed {
    /// Nobody reads on. What the body does when it is dropped is still a part of the request.
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.trail.enter(|| drop(std::mem::take(&mut self.inner)));
            open.close();
            telemetry::flush();
        }
    }
}
