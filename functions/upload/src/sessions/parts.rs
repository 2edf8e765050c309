//! The parts of an upload: where they are to go, and those that go through this function because the storage has no URLs of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State as Extract};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, Whole, json, read_json, require_identity_encoding};
use gateway::large_objects::{PartWrite, WantedPart};
use gateway::objects::Sha256;
use gateway::objects::service::REPR_DIGEST;
use gateway::secret::hex;
use gateway::store::UploadSession;
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json as object};

use super::open::digest;
use super::{own, place, require_pending};
use crate::State;

/// How long a URL takes its part. On Lambda it ends with the credentials of the process that signed it, if they end before.
const URL_LIVES: Duration = Duration::from_secs(3600);
/// So many parts are answered at once.
const MOST_PARTS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    number: u64,
    sha256: String,
}

/// `POST /api/v1/files/sessions/{id}/parts`. A part that is there already is replaced by one that comes again.
pub(crate) async fn urls(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    let session = own(&state, &caller, &id).await?;
    let wish: Wish = read_json(&headers, &body)?;
    if !(1..=MOST_PARTS).contains(&wish.parts.len()) {
        return Err(Error::invalid("`parts` must be 1 to 100 parts."));
    }
    let now = state.clock.now();
    require_pending(&session, now)?;
    let mut urls: Vec<Value> = Vec::with_capacity(wish.parts.len());
    for part in wish.parts {
        let part = wanted(&session, part.number, digest(&part.sha256)?)?;
        urls.push(url(&state, &session, &part, now).await?);
    }
    json(StatusCode::OK, &object!({"parts": urls}))
}

async fn url(state: &State, session: &UploadSession, part: &WantedPart, now: Timestamp) -> Result<Value, Error> {
    let url = state
        .large
        .part_url(place(session), &session.storage_id, part, URL_LIVES)
        .await?;
    let (url, headers, ends_at) = match url {
        Some(url) => {
            let lives = SignedDuration::try_from(URL_LIVES).map_err(Error::internal)?;
            (url.url, url.headers, now + lives)
        }
        // Relative to the URL that was asked, whichever domain and stage it has (RFC 3986, section 5.2).
        None => {
            let digest = (REPR_DIGEST.to_string(), format!("sha-256=:{}:", part.sha256));
            (format!("parts/{}", part.number), vec![digest], session.ends_at)
        }
    };
    let headers = headers.into_iter().map(|(name, value)| (name, value.into()));
    Ok(object!({
        "number": part.number, "method": "PUT", "url": url, "headers": headers.collect::<serde_json::Map<_, _>>(),
        "size_bytes": part.size_bytes, "ends_at": ends_at,
    }))
}

/// `PUT /api/v1/files/sessions/{id}/parts/{number}`: hands a part on to a storage that has no URLs.
pub(crate) async fn put(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Outcome {
    let Path((id, number)) = path.map_err(|_| Error::not_found("path"))?;
    let session = own(&state, &caller, &id).await?;
    require_pending(&session, state.clock.now())?;
    require_identity_encoding(request.headers())?;
    let number = number.parse().map_err(|_| no_such_part(&session))?;
    let part = wanted(&session, number, told(request.headers())?)?;
    let bytes = bytes(request, &part).await?;
    let write = state
        .large
        .put_part(place(&session), &session.storage_id, &part, bytes)
        .await?;
    match write {
        PartWrite::Done => Ok(there(&part)),
        PartWrite::Gone => Err(Error::new(Kind::Conflict, "The upload session is over.")),
        PartWrite::ByUrlAlone => Err(Error::new(
            Kind::Conflict,
            "The parts of this upload go to the URLs that `POST …/parts` gives.",
        )),
    }
}

/// The header `Repr-Digest` (RFC 9530, section 3).
fn told(headers: &HeaderMap) -> Result<Sha256, Error> {
    let digest = headers.get(REPR_DIGEST).and_then(|value| value.to_str().ok());
    digest
        .and_then(Sha256::from_repr_digest)
        .ok_or_else(|| Error::invalid("The header `Repr-Digest` must be `sha-256=:BASE64:` of the part's bytes."))
}

/// The bytes of a request, if they are those of the part.
async fn bytes(request: Request, part: &WantedPart) -> Result<Bytes, Error> {
    let size = usize::try_from(part.size_bytes).map_err(Error::internal)?;
    let wrong = || Error::invalid(format!("The part has {size} bytes, no fewer and no more."));
    let bytes = axum::body::to_bytes(request.into_body(), size)
        .await
        .map_err(|_| wrong())?;
    if bytes.len() != size {
        return Err(wrong());
    }
    if Sha256::of(&bytes).base64() != part.sha256 {
        return Err(Error::invalid(
            "The bytes have another SHA-256 than `Repr-Digest` says.",
        ));
    }
    Ok(bytes)
}

fn there(part: &WantedPart) -> Response {
    let digest = [(REPR_DIGEST, format!("sha-256=:{}:", part.sha256))];
    (StatusCode::NO_CONTENT, digest).into_response()
}

fn wanted(session: &UploadSession, number: u64, sha256: Sha256) -> Result<WantedPart, Error> {
    let size = session.part_bytes(number).ok_or_else(|| no_such_part(session))?;
    Ok(WantedPart {
        number: i32::try_from(number).map_err(Error::internal)?,
        size_bytes: i64::try_from(size).map_err(Error::internal)?,
        sha256: sha256.base64(),
    })
}

fn no_such_part(session: &UploadSession) -> Error {
    Error::invalid(format!("There are parts 1 to {}.", session.parts()))
}

/// A digest as it is shown; storages have it in base64.
pub(super) fn hex_of(base64: &str) -> Option<String> {
    Some(hex(&BASE64_STANDARD.decode(base64).ok()?))
}
