//! Files as their owners see them: listed, read and deleted. Somebody else's answers like none at all, since it is not looked for.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::error::Error;
use gateway::http::{Caller, Id, Outcome, PageQuery, json, query};
use gateway::random;
use gateway::scope::Scope;
use gateway::store::{FileList, StoredFile};
use http::{StatusCode, Uri};

use crate::State;
use crate::shown::shown;

/// `GET /api/v1/files`
pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Files, &state.clock)?;
    let page: PageQuery = query(&uri)?;
    let after = page.after()?;
    let wanted = FileList {
        limit: page.size()?,
        newest_first: true,
        after: after.as_ref(),
        now: state.clock.now(),
    };
    let page = state.store.files_of(&caller.principal.subject, wanted).await?;
    let files = page.items.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
    json(
        StatusCode::OK,
        &serde_json::json!({"files": files, "next_cursor": page.next_cursor.map(|it| it.encode())}),
    )
}

/// `GET /api/v1/files/{id}`
pub(crate) async fn read(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    json(StatusCode::OK, &shown(&own(&state, &caller, &id).await?)?)
}

/// `DELETE /api/v1/files/{id}`
pub(crate) async fn delete(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    let file = own(&state, &caller, &id).await?;
    remove(&state, &file).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A file of the caller's that is there.
pub(crate) async fn own(state: &State, caller: &Caller, id: &str) -> Result<StoredFile, Error> {
    caller.require(Scope::Files, &state.clock)?;
    let found = if random::is_identifier(id) {
        state.store.file(&caller.principal.subject, id).await?
    } else {
        None
    };
    found
        .filter(|file| file.is_there(state.clock.now()))
        .ok_or_else(|| Error::not_found("file"))
}

/// Takes a file off the list, and then its bytes: a file that cannot be read is not listed. Bytes that cannot be removed now are
/// removed by the sweep.
pub(crate) async fn remove(state: &State, file: &StoredFile) -> Result<(), Error> {
    let end = state.store.delete_file(file, state.clock.now()).await?;
    let end = end.ok_or_else(|| Error::not_found("file"))?;
    let removed = async {
        state.objects.delete(&file.owner, &file.file_id).await?;
        state.store.remove_file_end(&end).await
    };
    if let Err(error) = removed.await {
        tracing::warn!(file_id = file.file_id, error = ?error, "the bytes of a deleted file are left to the sweep");
    }
    Ok(())
}
