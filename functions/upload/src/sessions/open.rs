//! Opens an upload session.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Outcome, Whole, json, read_json};
use gateway::objects::Sha256;
use gateway::principal::Subject;
use gateway::random;
use gateway::scope::Scope;
use gateway::store::{FileWrite, UploadSession, UploadState};
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{place, shown};
use crate::{State, fields, name};

/// What can be verified in one request, at the pace of Lambda and S3.
const LONGEST_FILE_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// S3 gives up what is older than a day (the bucket's lifecycle).
const LIVES: SignedDuration = SignedDuration::from_hours(24);
/// So long after its end the sweep looks at a session: whoever completes one at the last moment is done by then.
const GRACE: SignedDuration = SignedDuration::from_mins(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    filename: String,
    size_bytes: u64,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    metadata: Option<Box<RawValue>>,
    #[serde(default)]
    retention_policy: Option<String>,
    #[serde(default)]
    storage_mode: Option<String>,
    #[serde(default)]
    ttl_days: Option<u64>,
}

/// `POST /api/v1/files/sessions`
pub(crate) async fn open(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Files, &state.clock)?;
    let wish: Wish = read_json(&headers, &body)?;
    let mut session = checked(&state, caller.principal.subject, wish)?;
    session.storage_id = state.large.begin(place(&session), &session.session_id).await?;
    // What the storage has begun is nothing yet, and goes by itself after a day if nobody knows of it.
    match state.store.open_upload(&session, GRACE, &state.limits).await? {
        FileWrite::Done => json(StatusCode::CREATED, &shown(&session, Some(Vec::new()))),
        FileWrite::Taken => Err(Error::new(Kind::Conflict, "The id is taken; try again.")),
        FileWrite::LimitReached => {
            state.large.abort(place(&session), &session.storage_id).await?;
            Err(state.limit_reached())
        }
    }
}

fn checked(state: &State, owner: Subject, wish: Wish) -> Result<UploadSession, Error> {
    let now = state.clock.now();
    let days = wish.ttl_days.map(|days| days.to_string());
    let (policy, mode) = (wish.retention_policy.as_deref(), wish.storage_mode.as_deref());
    let metadata = wish.metadata.map(|json| json.get().to_owned());
    Ok(UploadSession {
        session_id: random::identifier("upload")?,
        file_id: random::timed_identifier("file", now)?,
        owner,
        filename: name::checked(Some(&wish.filename))?,
        content_type: fields::content_type(wish.content_type.as_deref())?,
        description: wish.description.map(fields::description).transpose()?,
        metadata: metadata.map(fields::metadata).transpose()?,
        ttl_days: fields::ttl_days(policy, mode, days.as_deref())?,
        size_bytes: checked_size(wish.size_bytes)?,
        part_size_bytes: state.large.part_bytes(),
        sha256: wish.sha256.as_deref().map(checked_digest).transpose()?,
        storage_id: String::new(),
        state: UploadState::Pending,
        verifying_until: None,
        reason: None,
        created_at: now,
        ends_at: now + LIVES,
        counted: true,
    })
}

fn checked_size(bytes: u64) -> Result<u64, Error> {
    match bytes {
        0 => Err(Error::invalid("The file is empty.")),
        1..=LONGEST_FILE_BYTES => Ok(bytes),
        _ => Err(Error::new(Kind::TooLarge, "A file can be 5 GiB at the most.")),
    }
}

/// A SHA-256 in hexadecimal.
fn checked_digest(text: &str) -> Result<String, Error> {
    digest(text).map(|digest| digest.hex())
}

pub(super) fn digest(text: &str) -> Result<Sha256, Error> {
    Sha256::from_hex(text).ok_or_else(|| Error::invalid("`sha256` must be 64 hexadecimal digits."))
}
