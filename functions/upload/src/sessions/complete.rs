//! Completes an upload: what came is put together, compared with what was announced, and listed; or nothing of it is left.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Extract;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, json};
use gateway::large_objects::{Completion, Stored, StoredPart};
use gateway::shutdown;
use gateway::store::{StoredFile, UploadClaim, UploadSession, UploadState};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use super::{being_verified, discard, own, place, refused, require_pending};
use crate::shown::shown;
use crate::storing;
use crate::{State, counted};

/// Reading the whole may take so long: less than API Gateway lets a stream be silent, and the function lives.
const VERIFYING: Duration = Duration::from_secs(270);
/// After that whoever verifies is surely dead: the function's timeout, and a little.
const LEASE: SignedDuration = SignedDuration::from_secs(330);
/// So many missing parts are named.
const NAMED_PARTS: usize = 20;

/// What came is not what was announced.
struct Wrong(String);

/// `POST /api/v1/files/sessions/{id}/complete`. To do it again answers the same.
pub(crate) async fn complete(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    let session = own(&state, &caller, &id).await?;
    if session.state == UploadState::Stored {
        return already_stored(&state, &session).await;
    }
    let file = counted("session", Box::pin(verified(&state, &session)).await)?;
    json(StatusCode::CREATED, &shown(&file)?)
}

async fn already_stored(state: &State, session: &UploadSession) -> Outcome {
    let file = state.store.file(&session.owner, &session.file_id).await?;
    let file = file.filter(|file| file.is_there(state.clock.now()));
    json(StatusCode::OK, &shown(&file.ok_or_else(|| Error::not_found("file"))?)?)
}

async fn verified(state: &State, session: &UploadSession) -> Result<StoredFile, Error> {
    let now = state.clock.now();
    // One whose verifier died is taken over, by the claim below.
    let died = session.state == UploadState::Verifying && session.verifying_until.is_some_and(|until| until <= now);
    if !died {
        require_pending(session, now)?;
    }
    let parts = match state.large.parts(place(session), &session.storage_id).await? {
        Some(parts) => Some(complete_parts(session, parts)?),
        // It was put together before, by one who died then.
        None => None,
    };
    let until = now + LEASE;
    if state.store.verify_upload(session, now, until).await? == UploadClaim::Lost {
        return Err(being_verified());
    }
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(VERIFYING, put_together(state, session, parts)) => outcome,
        // Another may verify at once, and need not wait for the lease to end.
        () = shutdown::begun() => Ok(Err(Error::unavailable("the function ends"))),
    };
    match outcome {
        Ok(Ok(Ok(file))) => listed(state, session, file).await,
        Ok(Ok(Err(Wrong(reason)))) => Err(refuse(state, session, until, &reason).await?),
        Ok(Err(error)) => Err(release(state, session, until, error).await),
        Err(late) => Err(release(state, session, until, Error::unavailable(late)).await),
    }
}

/// All the parts that there are to be. What is missing or has another size can still come.
fn complete_parts(session: &UploadSession, parts: Vec<StoredPart>) -> Result<Vec<StoredPart>, Error> {
    let is_right = |number: u64| {
        parts.iter().any(|part| {
            u64::try_from(part.number) == Ok(number)
                && u64::try_from(part.size_bytes).ok() == session.part_bytes(number)
        })
    };
    let missing: Vec<_> = (1..=session.parts()).filter(|number| !is_right(*number)).collect();
    if missing.is_empty() {
        return Ok(parts);
    }
    let named: Vec<_> = missing.iter().take(NAMED_PARTS).map(u64::to_string).collect();
    let more = if missing.len() > NAMED_PARTS { ", …" } else { "" };
    Err(Error::new(
        Kind::Conflict,
        format!("{} parts are missing: {}{more}.", missing.len(), named.join(", ")),
    ))
}

async fn put_together(
    state: &State,
    session: &UploadSession,
    parts: Option<Vec<StoredPart>>,
) -> Result<Result<StoredFile, Wrong>, Error> {
    if let Some(parts) = parts {
        let completion = state
            .large
            .complete(place(session), &session.storage_id, &parts)
            .await?;
        if let Completion::Refused(code) = completion {
            return Ok(Err(Wrong(format!("the storage does not take the parts ({code})"))));
        }
    }
    let stored = state.large.stored(place(session)).await?;
    let Some(Stored { size_bytes, tag }) = stored else {
        return Ok(Err(Wrong("its parts are gone".to_owned())));
    };
    if size_bytes != session.size_bytes {
        return Ok(Err(Wrong(format!(
            "it is {size_bytes} bytes long and not {}",
            session.size_bytes
        ))));
    }
    let sha256 = state.large.sha256(place(session)).await?;
    let sha256 = sha256.ok_or_else(|| Error::unavailable("the object is gone"))?;
    if session.sha256.as_ref().is_some_and(|announced| *announced != sha256) {
        return Ok(Err(Wrong("its SHA-256 is not the announced one".to_owned())));
    }
    Ok(Ok(file_of(session, sha256, tag, state.clock.now())))
}

fn file_of(session: &UploadSession, sha256: String, tag: Option<String>, now: Timestamp) -> StoredFile {
    StoredFile {
        file_id: session.file_id.clone(),
        owner: session.owner.clone(),
        filename: session.filename.clone(),
        content_type: session.content_type.clone(),
        description: session.description.clone(),
        metadata: session.metadata.clone(),
        size_bytes: session.size_bytes,
        compression: None,
        stored_size_bytes: None,
        sha256,
        storage_tag: tag,
        created_at: now,
        ends_at: session.ttl_days.map(|days| now + storing::days(days)),
        prepared_until: None,
        finalized_at: None,
        counted: session.counted,
    }
}

async fn listed(state: &State, session: &UploadSession, file: StoredFile) -> Result<StoredFile, Error> {
    if state.store.finish_upload(session, &file).await? == UploadClaim::Taken {
        return Ok(file);
    }
    // Somebody took this one for dead. What became of the session is what they made of it.
    let session = state.store.upload_session(&session.owner, &session.session_id).await?;
    match session {
        Some(session) if session.state == UploadState::Stored => {
            let file = state.store.file(&session.owner, &session.file_id).await?;
            file.ok_or_else(|| Error::not_found("file"))
        }
        Some(session) if session.state != UploadState::Refused => Err(being_verified()),
        Some(session) => {
            discard(state, &session).await?;
            Err(refused(&session))
        }
        None => Err(Error::not_found("upload session")),
    }
}

/// Removes the bytes, and then writes down why: a session that says it was refused has left nothing.
async fn refuse(state: &State, session: &UploadSession, until: Timestamp, reason: &str) -> Result<Error, Error> {
    discard(state, session).await?;
    state.store.release_upload(session, until, Some(reason)).await?;
    Ok(Error::invalid(format!("The upload was refused: {reason}.")))
}

/// Lets the session go, so that it can be completed again at once. Where that fails too, it can be when the lease is over.
async fn release(state: &State, session: &UploadSession, until: Timestamp, error: Error) -> Error {
    if let Err(also) = state.store.release_upload(session, until, None).await {
        tracing::warn!(session_id = session.session_id, error = ?also, "a session stays taken until its lease is over");
    }
    error
}
