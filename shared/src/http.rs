//! HTTP at the functions' edge: from an event to a router, from an error to an answer in the caller's dialect.

mod asked;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, StreamAdapter};
use lambda_runtime::tower::ServiceBuilder;
use lambda_runtime::{LambdaEvent, Service, StreamResponse};

use crate::context;
use crate::error::{Error, Kind};
use crate::observed::observed;
use crate::shutdown;
use crate::telemetry::trace;
use crate::wire::dialect::{self, DROPPED, Dialect};

pub use asked::{
    Caller, Id, PageQuery, Shown, Whole, json, query, read_json, require_content_type, require_identity_encoding,
};

/// The request's id, in every answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The same, as OpenAI's clients look for it.
const OPENAI_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a handler gives: an answer, or an error that becomes one in the caller's dialect.
pub type Outcome = Result<Response, Error>;

/// Serves a router whose answers stream. A handler under the streaming runtime always answers as a stream.
///
/// # Errors
/// When the runtime cannot go on.
pub async fn serve_streaming(router: Router) -> Result<(), lambda_runtime::Error> {
    shutdown::run(streaming(router)).await
}

/// Serves a router whose answers come whole.
///
/// # Errors
/// When the runtime cannot go on.
pub async fn serve_buffered(router: Router) -> Result<(), lambda_runtime::Error> {
    shutdown::run(buffered(router)).await
}

/// What [`serve_streaming`] runs: from an event to an answer that streams.
pub fn streaming(
    router: Router,
) -> impl Service<
    LambdaEvent<LambdaRequest>,
    Response = StreamResponse<impl Stream<Item = Result<Bytes, axum::Error>> + Send + Unpin + use<>>,
    Error = Infallible,
    Future: Send,
> {
    ServiceBuilder::new()
        .map_request(sanitised_event)
        .service(StreamAdapter::from(finished(router)))
}

/// What [`serve_buffered`] runs: from an event to an answer in API Gateway's JSON.
pub fn buffered(
    router: Router,
) -> impl Service<LambdaEvent<LambdaRequest>, Response = impl serde::Serialize + use<>, Error = Infallible, Future: Send>
{
    ServiceBuilder::new()
        .map_request(sanitised_event)
        .service(Adapter::from(finished(router)))
}

/// The router with what every function's router has: unknown paths and methods are refused, and errors are shaped, in
/// the dialect of the path.
pub fn finished(router: Router) -> Router {
    router
        .fallback(|| async { Error::not_found("path") })
        .method_not_allowed_fallback(|| async {
            Error::new(Kind::MethodNotAllowed, "The path does not take this method.")
        })
        .layer(from_fn(shape_errors))
        .layer(from_fn(observed))
}

fn sanitised_event(event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    LambdaEvent {
        payload: sanitised(event.payload),
        context: event.context,
    }
}

/// Takes out of an event what `lambda_http` would build the URI from and a caller can choose (the host, the scheme), or what
/// no route here begins with (the stage), and keeps repeated headers, which it would fold into the last one.
pub fn sanitised(event: LambdaRequest) -> LambdaRequest {
    match event {
        LambdaRequest::ApiGatewayV1(mut request) => {
            if request.multi_value_headers.is_empty() {
                request.multi_value_headers = std::mem::take(&mut request.headers);
            } else {
                request.headers.clear();
            }
            request.request_context.domain_name = None;
            request.request_context.stage = None;
            if !request.path.as_deref().is_some_and(|path| path.starts_with('/')) {
                request.path = Some("/".to_owned());
            }
            LambdaRequest::ApiGatewayV1(request)
        }
        other => other,
    }
}

/// The dialect that a path speaks.
pub fn dialect_of(path: &str) -> Dialect {
    let under = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if under("/anthropic") {
        Dialect::Anthropic
    } else if under("/bedrock") {
        Dialect::Bedrock
    } else if under("/openai") {
        Dialect::OpenAi
    } else if under("/scim") {
        Dialect::Scim
    } else if ["/oauth", "/api/v1/auth", "/auth/token", "/auth/refresh"]
        .into_iter()
        .any(under)
    {
        Dialect::OAuth
    } else {
        Dialect::Problem
    }
}

/// Errors travel to the outermost layer as an extension of an empty answer, and become HTTP there, in one place.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

async fn shape_errors(request: Request, next: Next) -> Response {
    let dialect = dialect_of(request.uri().path());
    let request_id = context::request_id(request.extensions().get::<RequestContext>());
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<Arc<Error>>() {
        log(&error, &request_id);
        let told = [header::WWW_AUTHENTICATE, header::CONTENT_RANGE, DROPPED];
        let told = told.map(|name| (response.headers_mut().remove(&name), name));
        response = shaped(&error, dialect, &request_id);
        for (value, name) in told {
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        }
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        if dialect == Dialect::OpenAi {
            headers.insert(OPENAI_REQUEST_ID, value.clone());
        }
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if dialect == Dialect::OAuth {
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    }
    response
}

fn shaped(error: &Error, dialect: Dialect, request_id: &str) -> Response {
    let answer = dialect::answer(error, dialect, request_id);
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn log(error: &Error, request_id: &str) {
    let kind = error.kind.label();
    metrics::counter!("errors_total", "kind" => kind).increment(1);
    trace::current().fail(kind);
    match error.kind {
        Kind::Internal | Kind::Unavailable => tracing::error!(request_id, kind, error = ?error, "request failed"),
        _ => tracing::info!(request_id, kind, "request refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_speaks_the_dialect_of_its_own_tree() {
        assert_eq!(dialect_of("/anthropic/v1/messages"), Dialect::Anthropic);
        assert_eq!(dialect_of("/anthropicx"), Dialect::Problem);
        assert_eq!(dialect_of("/bedrock/model/x/invoke"), Dialect::Bedrock);
        assert_eq!(dialect_of("/api/v1/auth/token"), Dialect::OAuth);
        assert_eq!(dialect_of("/api/keys"), Dialect::Problem);
        assert_eq!(dialect_of("/openai/v1/models"), Dialect::OpenAi);
        assert_eq!(dialect_of("/scim/v2/Users"), Dialect::Scim);
    }
}
