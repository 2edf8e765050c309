//! Where the parts of an upload are to go.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Extract;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway::error::Error;
use gateway::http::{Caller, Id, Outcome, Whole, json, read_json};
use gateway::large_objects::WantedPart;
use gateway::secret::hex;
use gateway::store::UploadSession;
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json as object};

use super::open::checked_digest;
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
    let ends_at = now + SignedDuration::try_from(URL_LIVES).map_err(Error::internal)?;
    let mut urls: Vec<Value> = Vec::with_capacity(wish.parts.len());
    for part in wish.parts {
        let part = wanted(&session, &part)?;
        let url = state
            .large()?
            .part_url(place(&session), &session.storage_id, &part, URL_LIVES)
            .await?;
        let headers: serde_json::Map<_, _> = url
            .headers
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        urls.push(object!({
            "number": part.number, "method": "PUT", "url": url.url, "headers": headers,
            "size_bytes": part.size_bytes, "ends_at": ends_at,
        }));
    }
    json(StatusCode::OK, &object!({"parts": urls}))
}

fn wanted(session: &UploadSession, part: &Part) -> Result<WantedPart, Error> {
    let size = session
        .part_bytes(part.number)
        .ok_or_else(|| Error::invalid(format!("There are parts 1 to {}.", session.parts())))?;
    let digest = checked_digest(&part.sha256)?;
    Ok(WantedPart {
        number: i32::try_from(part.number).map_err(Error::internal)?,
        size_bytes: i64::try_from(size).map_err(Error::internal)?,
        sha256: base64_of(&digest).ok_or_else(|| Error::internal("a digest that is none"))?,
    })
}

/// S3 has digests in base64.
fn base64_of(hex: &str) -> Option<String> {
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes = (0..hex.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>()?;
    Some(BASE64_STANDARD.encode(bytes))
}

/// The other way round.
pub(super) fn hex_of(base64: &str) -> Option<String> {
    Some(hex(&BASE64_STANDARD.decode(base64).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_same_in_both_forms() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let base64 = base64_of(digest).unwrap();
        assert_eq!(base64, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(hex_of(&base64).unwrap(), digest);
    }
}
