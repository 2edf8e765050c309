//! Model calls with one answer: `POST /bedrock/model/{id}/invoke` and `/converse`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::post;
use gateway::http::{Caller, Outcome};
use gateway::invocation::{Models, routes};

/// The function's routes.
pub fn router(models: Arc<Models>) -> Router {
    Router::new()
        .route("/bedrock/model/{*rest}", post(bedrock))
        .with_state(models)
}

async fn bedrock(State(models): State<Arc<Models>>, caller: Caller, request: Request) -> Outcome {
    routes::bedrock(&models, caller, request).await
}
