//! Files: stored, listed, read and deleted by their owners.

mod form;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as Extract};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::{ConfigError, Variables};
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, PageQuery, json, query};
use gateway::objects::Objects;
use gateway::random;
use gateway::scope::Scope;
use gateway::secret::hex;
use gateway::store::{Store, StoredFile};
use http::{StatusCode, Uri, header};

/// What the upload function works with.
pub struct State {
    store: Store,
    objects: Objects,
    clock: Clock,
}

impl State {
    /// Reads the configuration and builds the clients. Nothing goes out before the first request.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn new(aws: &Aws, variables: &Variables, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self {
            store: Store::new(aws.dynamodb(), variables.table()?),
            objects: Objects::read_from(aws, variables, &clock)?,
            clock,
        })
    }
}

/// The function's routes.
pub fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/api/v1/files/upload", post(upload))
        .route("/api/v1/files", get(list))
        .route("/api/v1/files/{id}", get(read).delete(delete))
        .route("/api/v1/files/{id}/content", get(content))
        .with_state(state)
}

async fn upload(Extract(state): Extract<Arc<State>>, caller: Caller, request: Request) -> Outcome {
    caller.require(Scope::Files, &state.clock)?;
    let upload = form::read(request).await?;
    let digest = hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &upload.bytes).as_ref());
    let owner = caller.principal.subject;
    let file = StoredFile::new(
        random::identifier("file")?,
        owner.clone(),
        upload.filename,
        upload.content_type,
        upload.description,
        upload.bytes.len() as u64,
        digest,
        state.clock.now(),
    );
    // Bytes first: a file that is listed can be read. If listing fails, the bytes go again.
    state.objects.put(&owner, &file.file_id, upload.bytes).await?;
    match state.store.create_file(&file).await {
        Ok(true) => json(StatusCode::CREATED, &file),
        Ok(false) => Err(Error::new(Kind::Conflict, "The id is taken; try again.")),
        Err(error) => {
            state.objects.delete(&owner, &file.file_id).await?;
            Err(error)
        }
    }
}

async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Files, &state.clock)?;
    let page: PageQuery = query(&uri)?;
    let page = state
        .store
        .files_of(&caller.principal.subject, page.size()?, page.after()?.as_ref())
        .await?;
    json(
        StatusCode::OK,
        &serde_json::json!({"files": page.items, "next_cursor": page.next_cursor.map(|it| it.encode())}),
    )
}

async fn read(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    json(StatusCode::OK, &own_file(&state, &caller, &id).await?)
}

async fn content(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    let file = own_file(&state, &caller, &id).await?;
    let bytes = state
        .objects
        .read(&file.owner, &file.file_id)
        .await?
        .ok_or_else(|| Error::not_found("file"))?;
    // Never the stored type: what somebody uploaded is not to run in a browser under our name.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
    ];
    Ok((headers, bytes).into_response())
}

async fn delete(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    let file = own_file(&state, &caller, &id).await?;
    // The list first: a file that cannot be read is not listed.
    state.store.delete_file(&file.owner, &file.file_id).await?;
    state.objects.delete(&file.owner, &file.file_id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A file of the caller's. Somebody else's answers like none at all, since it is not looked for.
async fn own_file(state: &State, caller: &Caller, id: &str) -> Result<StoredFile, Error> {
    caller.require(Scope::Files, &state.clock)?;
    let owner = &caller.principal.subject;
    let found = if random::is_identifier(id) {
        state.store.file(owner, id).await?
    } else {
        None
    };
    found.ok_or_else(|| Error::not_found("file"))
}
