//! A temporary file becomes permanent in two phases, as one step of a change that spans several systems: prepared, it surely is there
//! when the others have done their part; committed, it stays.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, Whole, json, read_json};
use gateway::store::{Finalization, StoredFile};
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;

use crate::State;
use crate::owned::own;

/// How long a prepared file is kept for its commit.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    phase: Phase,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Prepare,
    Commit,
}

/// `GET /api/v1/files/{id}/finalize`
pub(crate) async fn status(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    shown(&state, &own(&state, &caller, &id).await?)
}

/// `POST /api/v1/files/{id}/finalize`. To do a phase again changes nothing.
pub(crate) async fn finalize(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    let file = own(&state, &caller, &id).await?;
    let wish: Wish = read_json(&headers, &body)?;
    let now = state.clock.now();
    let done = match (wish.phase, file.finalization(now)) {
        (_, Finalization::Committed) | (Phase::Prepare, Finalization::Prepared(_)) => true,
        (Phase::Prepare, Finalization::None) => {
            require_bytes(&state, &file).await?;
            state.store.prepare_file(&file, now + KEPT).await?
        }
        (Phase::Commit, Finalization::Prepared(_)) => state.store.commit_file(&file, now).await?,
        (Phase::Commit, Finalization::None) => {
            return Err(Error::new(
                Kind::Conflict,
                "The file's finalization is not prepared, or was too long ago.",
            ));
        }
    };
    // Where it was not done another request has changed the file: what it has become answers this one too.
    let file = own(&state, &caller, &id).await?;
    if !done && file.finalization(now) == Finalization::None {
        return Err(Error::new(Kind::Conflict, "The file was changed meanwhile; try again."));
    }
    shown(&state, &file)
}

/// Who prepares promises that it can be committed: so the bytes must be there, all of them.
async fn require_bytes(state: &State, file: &StoredFile) -> Result<(), Error> {
    let stored = state.objects.info(&file.owner, &file.file_id).await?;
    if stored.is_some_and(|stored| stored.size == file.stored_bytes()) {
        Ok(())
    } else {
        Err(Error::internal("a listed file without all of its bytes"))
    }
}

fn shown(state: &State, file: &StoredFile) -> Outcome {
    let (phase, until) = match file.finalization(state.clock.now()) {
        Finalization::None => ("none", None),
        Finalization::Prepared(until) => ("prepared", Some(until)),
        Finalization::Committed => ("committed", None),
    };
    json(
        StatusCode::OK,
        &serde_json::json!({
            "file_id": file.file_id, "finalization": phase, "prepared_until": until,
            "finalized_at": file.finalized_at, "ends_at": file.ends_at,
        }),
    )
}
