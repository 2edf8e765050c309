//! What handlers read of a request: who calls, its body, its path and query; and an answer of JSON.

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use jiff::Timestamp;
use lambda_http::request::RequestContext;

use super::Outcome;
use crate::attribution::Attribution;
use crate::certificate::Certificate;
use crate::context;
use crate::error::{Error, Kind};
use crate::oauth::invalid_client;
use crate::principal::Principal;
use crate::scope::Scope;
use crate::store::Cursor;

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
    use http::HeaderValue;

    use super::*;

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
