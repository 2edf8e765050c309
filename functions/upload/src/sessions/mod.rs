//! Upload sessions: files of up to 5 GiB, in parts that go straight to S3, or through this function to a storage service.
//!
//! 1. A session is opened: the size, and the SHA-256 of the whole where it is known, are announced ([`open`]).
//! 2. For each part, by its SHA-256, the session gives a URL that takes these bytes and no others ([`parts`]): one of S3's, or its own.
//! 3. It is completed: all parts are there, the storage puts them together, and what came is what was announced ([`complete`]).
//!
//! Until the last step is done nothing is listed; who breaks off asks which parts are there and goes on. A session ends after a day.

pub(crate) mod complete;
pub(crate) mod open;
pub(crate) mod parts;

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, json};
use gateway::large_objects::{Place, StoredPart};
use gateway::random;
use gateway::scope::Scope;
use gateway::store::{UploadClaim, UploadSession, UploadState};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use crate::State;

/// How far a session is, as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    session_id: &'a str,
    file_id: &'a str,
    state: UploadState,
    filename: &'a str,
    size_bytes: u64,
    part_size_bytes: u64,
    parts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    created_at: Timestamp,
    ends_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    uploaded: Option<Vec<Part>>,
}

#[derive(Serialize)]
struct Part {
    number: i32,
    size_bytes: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

fn shown(session: &UploadSession, uploaded: Option<Vec<StoredPart>>) -> Shown<'_> {
    let part = |part: StoredPart| Part {
        number: part.number,
        size_bytes: part.size_bytes,
        sha256: part.sha256.and_then(|digest| parts::hex_of(&digest)),
    };
    Shown {
        session_id: &session.session_id,
        file_id: &session.file_id,
        state: session.state,
        filename: &session.filename,
        size_bytes: session.size_bytes,
        part_size_bytes: session.part_size_bytes,
        parts: session.parts(),
        sha256: session.sha256.as_deref(),
        reason: session.reason.as_deref(),
        created_at: session.created_at,
        ends_at: session.ends_at,
        uploaded: uploaded.map(|parts| parts.into_iter().map(part).collect()),
    }
}

/// `GET /api/v1/files/sessions/{id}`: how far it is, and which parts are there.
pub(crate) async fn read(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    let session = own(&state, &caller, &id).await?;
    let uploaded = match session.state {
        UploadState::Pending => state.large.parts(place(&session), &session.storage_id).await?,
        _ => None,
    };
    json(StatusCode::OK, &shown(&session, uploaded))
}

/// `DELETE /api/v1/files/sessions/{id}`: nobody wants it. To do it again changes nothing; what is stored already stays.
pub(crate) async fn abort(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    let session = own(&state, &caller, &id).await?;
    match session.state {
        UploadState::Stored => {
            return Err(Error::new(
                Kind::Conflict,
                "The session has become a file; delete that.",
            ));
        }
        UploadState::Refused => {}
        UploadState::Pending | UploadState::Verifying => {
            let claim = state.store.end_upload(&session, state.clock.now(), "aborted").await?;
            if claim == UploadClaim::Lost {
                return Err(being_verified());
            }
        }
    }
    discard(&state, &session).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Removes what a session has brought that will never be a file.
async fn discard(state: &State, session: &UploadSession) -> Result<(), Error> {
    state.large.abort(place(session), &session.storage_id).await?;
    state.objects.delete(&session.owner, &session.file_id).await
}

fn being_verified() -> Error {
    let mut error = Error::new(Kind::Conflict, "The upload is being verified.");
    error.retry_after_seconds = Some(5);
    error
}

/// A session of the caller's. Somebody else's answers like none at all, since it is not looked for.
async fn own(state: &State, caller: &Caller, id: &str) -> Result<UploadSession, Error> {
    caller.require(Scope::Files, &state.clock)?;
    let found = if random::is_identifier(id) {
        state.store.upload_session(&caller.principal.subject, id).await?
    } else {
        None
    };
    found.ok_or_else(|| Error::not_found("upload session"))
}

/// Passes while parts may come.
fn require_pending(session: &UploadSession, now: Timestamp) -> Result<(), Error> {
    match session.state {
        UploadState::Pending if now < session.ends_at => Ok(()),
        UploadState::Pending => Err(Error::new(Kind::Conflict, "The upload session has ended.")),
        UploadState::Verifying => Err(being_verified()),
        UploadState::Stored => Err(Error::new(Kind::Conflict, "The upload is complete.")),
        UploadState::Refused => Err(refused(session)),
    }
}

fn refused(session: &UploadSession) -> Error {
    let reason = session.reason.as_deref().unwrap_or("unknown");
    Error::new(Kind::Conflict, format!("The upload was refused: {reason}."))
}

/// Where the bytes come to be.
fn place(session: &UploadSession) -> Place<'_> {
    Place {
        owner: &session.owner,
        file_id: &session.file_id,
    }
}
