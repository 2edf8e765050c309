//! Files: uploaded whole or in parts, listed, read, finalized and deleted by their owners, also in the form of Anthropic's Files API.

mod anthropic;
mod content;
mod fields;
mod finalize;
mod form;
mod name;
mod owned;
mod range;
mod sessions;
mod shown;
mod storing;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as Extract};
use axum::routing::{get, post, put};
use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::{ConfigError, Variables};
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Outcome, json};
use gateway::large_objects::LargeObjects;
use gateway::objects::Objects;
use gateway::scope::Scope;
use gateway::store::{FileLimits, Store, StoredFile};
use gateway::{files, telemetry};
use http::StatusCode;

/// What the upload function works with.
pub struct State {
    store: Store,
    objects: Objects,
    /// What the storage does beyond whole objects.
    large: LargeObjects,
    limits: FileLimits,
    clock: Clock,
}

impl State {
    /// Reads the configuration and builds the clients. Nothing goes out before the first request.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn new(aws: &Aws, variables: &Variables, clock: Clock) -> Result<Self, ConfigError> {
        let objects = Objects::read_from(aws, variables, &clock)?;
        Ok(Self {
            store: Store::new(aws.dynamodb(), variables.table()?),
            large: LargeObjects::beside(&objects, aws, variables)?,
            limits: files::limits(variables)?,
            objects,
            clock,
        })
    }
}

impl State {
    /// What an owner is told who has as much as an owner may have.
    fn limit_reached(&self) -> Error {
        let FileLimits {
            stored_bytes,
            upload_sessions,
        } = self.limits;
        let message = format!(
            "Files and open uploads of one owner may take up {stored_bytes} bytes together, and {upload_sessions} uploads may be open. \
             Delete or abort some."
        );
        Error::new(Kind::Conflict, message).named("storage_quota_exceeded")
    }
}

/// The function's routes.
pub fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/api/v1/files/upload", post(upload))
        .route("/api/v1/files", get(owned::list))
        .route("/api/v1/files/{id}", get(owned::read).delete(owned::delete))
        .route("/api/v1/files/{id}/content", get(content::content))
        .route(
            "/api/v1/files/{id}/finalize",
            get(finalize::status).post(finalize::finalize),
        )
        .route("/api/v1/files/sessions", post(sessions::open::open))
        .route(
            "/api/v1/files/sessions/{id}",
            get(sessions::read).delete(sessions::abort),
        )
        .route("/api/v1/files/sessions/{id}/parts", post(sessions::parts::urls))
        .route("/api/v1/files/sessions/{id}/parts/{number}", put(sessions::parts::put))
        .route(
            "/api/v1/files/sessions/{id}/complete",
            post(sessions::complete::complete),
        )
        .route("/anthropic/v1/files", get(anthropic::list).post(anthropic::upload))
        .route(
            "/anthropic/v1/files/{id}",
            get(anthropic::read).delete(anthropic::delete),
        )
        .route("/anthropic/v1/files/{id}/content", get(content::content))
        .with_state(state)
}

/// `POST /api/v1/files/upload`
async fn upload(Extract(state): Extract<Arc<State>>, caller: Caller, request: Request) -> Outcome {
    caller.require(Scope::Files, &state.clock)?;
    let stored = async { storing::store(&state, caller.principal.subject, form::read(request).await?).await };
    let file = counted("form", stored.await)?;
    json(StatusCode::CREATED, &shown::shown(&file)?)
}

/// Counts an upload by the way that it came and by what became of it.
fn counted(way: &'static str, outcome: Result<StoredFile, Error>) -> Result<StoredFile, Error> {
    let result = match &outcome {
        Ok(_) => "stored",
        Err(error) if error.is_ours() => "failed",
        Err(_) => "refused",
    };
    metrics::counter!("uploads_total", "way" => way, "result" => result).increment(1);
    if let Ok(file) = &outcome {
        metrics::counter!("upload_bytes_total", "way" => way).increment(file.size_bytes);
    }
    telemetry::flush();
    outcome
}
