//! HTTP at the functions' edge: from an event to a router, from an error to an answer in the caller's dialect.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, StreamAdapter};
use lambda_runtime::tower::ServiceBuilder;
use lambda_runtime::{LambdaEvent, Service, StreamResponse};

use crate::attribution::Attribution;
use crate::certificate::Certificate;
use crate::context;
use crate::error::{Error, Kind};
use crate::oauth::invalid_client;
use crate::observed::observed;
use crate::principal::Principal;
use crate::scope::Scope;
use crate::shutdown;
use crate::store::Cursor;
use crate::telemetry::trace;
use crate::wire::dialect::{self, Dialect};

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
        let told = [header::WWW_AUTHENTICATE, header::CONTENT_RANGE];
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

/// Who calls and in which request: what a handler asks for to be behind the authorizer.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// The request's id.
    pub request_id: String,
    /// When the function is killed, if that is known.
    pub deadline: Option<Timestamp>,
    /// What the caller says of the work that the request is for. Nothing is decided by it.
    pub attribution: Attribution,
}

impl Caller {
    /// Passes if the caller's credential is alive and carries `scope`.
    ///
    /// # Errors
    /// See [`Principal::require`].
    pub fn require(&self, scope: Scope, clock: &crate::clock::Clock) -> Result<(), Error> {
        self.principal.require(scope, clock.now())
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let context = parts.extensions.get::<RequestContext>();
        Ok(Self {
            principal: context::principal(context)?,
            request_id: context::request_id(context),
            deadline: context::deadline(parts.extensions.get::<lambda_runtime::Context>()),
            attribution: Attribution::of(&parts.headers),
        })
    }
}

/// The certificate by which an OAuth client may authenticate, if its connection has one: see [`context::certificate`]. One that cannot be
/// read gets the same answer as a wrong one.
#[derive(Clone, Debug)]
pub struct Shown(pub Option<Certificate>);

impl<S: Sync> FromRequestParts<S> for Shown {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        context::certificate(parts.extensions.get::<RequestContext>())
            .map(Self)
            .map_err(|_| invalid_client())
    }
}

/// A request's body in one piece. What is wrong with it is told in the caller's dialect.
#[derive(Debug)]
pub struct Whole(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let body = Bytes::from_request(request, state).await;
        body.map(Self)
            .map_err(|_| Error::new(Kind::TooLarge, "The body is too large (2 MB)."))
    }
}

/// The one parameter of a path, decoded. What cannot be decoded names nothing.
#[derive(Debug)]
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| Error::not_found("path"))
    }
}

/// An answer of JSON.
///
/// # Errors
/// [`Kind::Internal`] when `value` cannot be written as JSON.
pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Outcome {
    let body = serde_json::to_vec(value).map_err(Error::internal)?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Reads a JSON body: its content type must say so, its members must be known.
///
/// # Errors
/// [`Kind::UnsupportedMedia`] or [`Kind::InvalidRequest`].
pub fn read_json<T: serde::de::DeserializeOwned>(headers: &http::HeaderMap, body: &[u8]) -> Result<T, Error> {
    require_content_type(headers, "application/json")?;
    crate::wire::json::Object::parse(body)?;
    serde_json::from_slice(body).map_err(|error| {
        // The words of `serde_json` may quote the body; the place and the names of the wanted members do not.
        let text = error.to_string();
        let reason = if text.starts_with("missing field") {
            text
        } else {
            format!(
                "A member has the wrong type, form or name (line {}, column {}).",
                error.line(),
                error.column()
            )
        };
        Error::invalid(reason)
    })
}

/// Passes if the request has this media type, whatever its parameters.
///
/// # Errors
/// [`Kind::UnsupportedMedia`]
pub fn require_content_type(headers: &http::HeaderMap, expected: &'static str) -> Result<(), Error> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(expected) {
        return Err(Error::new(
            Kind::UnsupportedMedia,
            format!("The content type must be {expected}."),
        ));
    }
    require_identity_encoding(headers)
}

/// Passes if the body is not compressed.
///
/// # Errors
/// [`Kind::UnsupportedMedia`]
pub fn require_identity_encoding(headers: &http::HeaderMap) -> Result<(), Error> {
    match headers.get(header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(_) => Err(Error::new(
            Kind::UnsupportedMedia,
            "A content encoding is not served; send the body as it is.",
        )),
    }
}

/// The query parameters of a request, each at most once.
///
/// # Errors
/// [`Kind::InvalidRequest`] when it is malformed or names a parameter twice.
pub fn query<T: serde::de::DeserializeOwned>(uri: &http::Uri) -> Result<T, Error> {
    serde_urlencoded::from_str(uri.query().unwrap_or_default())
        .map_err(|_| Error::invalid("A query parameter is unknown, repeated, or has a wrong value."))
}

/// Which page of a list a request asks for.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How many items.
    pub limit: Option<usize>,
    /// Where the page begins: the `next_cursor` of the one before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// The size of the page: 50 unless asked for otherwise, at most 500.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`]
    pub fn size(&self) -> Result<usize, Error> {
        match self.limit {
            None => Ok(50),
            Some(limit @ 1..=500) => Ok(limit),
            Some(_) => Err(Error::invalid("`limit` must be from 1 to 500.")),
        }
    }

    /// The place to go on from.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] for a cursor that is not one of ours.
    pub fn after(&self) -> Result<Option<Cursor>, Error> {
        self.cursor.as_deref().map(Cursor::decode).transpose()
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

    ///
    #[test]
    fn a_page_has_50_records_unless_asked_for_otherwise_and_never_over_500() {
        let size = |limit| PageQuery { limit, cursor: None }.size();
        assert_eq!((size(None).unwrap(), size(Some(500)).unwrap()), (50, 500));
        assert!(size(Some(0)).is_err() && size(Some(501)).is_err());
    }

    #[test]
    fn a_content_type_counts_by_its_essence() {
        let with =
            |value: &'static str| http::HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
        assert!(require_content_type(&with("Application/JSON; charset=utf-8"), "application/json").is_ok());
        for bad in ["", "text/json", "application/jsonx", "multipart/form-data"] {
            let error = require_content_type(&with(bad), "application/json").unwrap_err();
            assert_eq!(error.kind, Kind::UnsupportedMedia);
        }
    }
}
