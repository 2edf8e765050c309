//! A file's bytes: small answers from here, large ones by a URL of the storage's own.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State as Extract;
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use gateway::error::{Error, Kind};
use gateway::files;
use gateway::http::{Caller, Id, Outcome};
use gateway::large_objects::Place;
use gateway::objects::{ByteRange, Opened};
use gateway::store::StoredFile;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::State;
use crate::owned::own;
use crate::range::{Wanted, wanted};

/// What is longer goes by a URL: it would pass through the function's memory, and leave Lambda at 2 MB a second.
const DIRECT_BYTES: u64 = 6 * 1024 * 1024;
/// How long such a URL opens the file.
const URL_LIVES: Duration = Duration::from_secs(300);

/// `GET …/{id}/content`
pub(crate) async fn content(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Outcome {
    let file = own(&state, &caller, &id).await?;
    let tag = tag(&file);
    match wanted(&headers, &tag, file.size_bytes) {
        Wanted::Nothing => Ok(not_satisfiable(file.size_bytes)),
        Wanted::Part(first, last) if last - first < DIRECT_BYTES || !state.large.has_urls() => {
            // A part of a part says itself which one it is (RFC 9110, section 15.3.7).
            let last = last.min(first + DIRECT_BYTES - 1);
            let bytes = part(&state, &file, first, last).await?;
            let mut response = direct(bytes, &tag);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes {first}-{last}/{}", file.size_bytes),
            );
            Ok(response)
        }
        Wanted::Whole | Wanted::Changed if file.size_bytes <= DIRECT_BYTES => {
            Ok(direct(files::whole(&state.objects, &file).await?, &tag))
        }
        // The range would go along to the storage, and there would be nobody to leave it out.
        Wanted::Changed => Err(Error::new(
            Kind::Conflict,
            "`If-Range` names other bytes than the file's, which never change. Ask without `Range`.",
        )),
        Wanted::Whole | Wanted::Part(..) => elsewhere(&state, &file).await,
    }
}

/// The entity tag: the storage's own for what may be read from there, so that it means the same in both places.
fn tag(file: &StoredFile) -> String {
    file.storage_tag
        .clone()
        .unwrap_or_else(|| format!("\"{}\"", file.sha256))
}

async fn part(state: &State, file: &StoredFile, first: u64, last: u64) -> Result<Bytes, Error> {
    if file.compression.is_none() {
        let range = ByteRange::Between(first, last);
        let Opened::Found(object) = state.objects.open(&file.owner, &file.file_id, Some(range)).await? else {
            return Err(Error::not_found("file"));
        };
        let length = usize::try_from(object.length).map_err(Error::internal)?;
        let add = |mut bytes: BytesMut, chunk: Bytes| async move {
            bytes.extend_from_slice(&chunk);
            Ok(bytes)
        };
        let bytes = object.chunks.try_fold(BytesMut::with_capacity(length), add).await?;
        return Ok(bytes.freeze());
    }
    let whole = files::whole(&state.objects, file).await?;
    let place = |at: u64| usize::try_from(at).map_err(Error::internal);
    let (first, last) = (place(first)?, place(last)?);
    (last < whole.len())
        .then(|| whole.slice(first..=last))
        .ok_or_else(|| Error::internal("a file that is shorter than its item says"))
}

fn direct(bytes: Bytes, tag: &str) -> Response {
    // Never the stored type: what somebody uploaded is not to run in a browser under our name.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::ACCEPT_RANGES, "bytes"),
    ];
    let mut response = (headers, bytes).into_response();
    set(&mut response, header::ETAG, tag);
    response
}

async fn elsewhere(state: &State, file: &StoredFile) -> Outcome {
    let place = Place {
        owner: &file.owner,
        file_id: &file.file_id,
    };
    let url = state.large.url(place, URL_LIVES).await?.ok_or_else(|| {
        Error::invalid("The file is longer than 6 MiB: ask for it in ranges (`Range: bytes=0-6291455`, and so on).")
    })?;
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    set(&mut response, header::LOCATION, &url);
    Ok(response)
}

/// RFC 9110, section 15.5.17.
fn not_satisfiable(size: u64) -> Response {
    let mut response = Error::new(Kind::RangeNotSatisfiable, "The file has no such bytes.").into_response();
    set(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

fn set(response: &mut Response<Body>, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
