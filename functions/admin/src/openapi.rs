//! `GET /openapi.json`: every route as OpenAPI 3.1 describes it, made by `tools/openapi`.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, header};

const DOCUMENT: &str = include_str!("../openapi/openapi.json");

/// It is public, and changes with a deployment alone.
pub(crate) async fn document() -> Response {
    let mut answer = Response::new(Body::from(DOCUMENT));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    answer
}
