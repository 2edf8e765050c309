//! Model calls that stream: `POST /bedrock/model/{id}/invoke-with-response-stream` and `/converse-stream`, and `POST
//! /anthropic/v1/messages`, whose body says whether it does.

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
        .route("/anthropic/v1/messages", post(messages))
        .with_state(models)
}

async fn bedrock(State(models): State<Arc<Models>>, caller: Caller, request: Request) -> Outcome {
    routes::bedrock(&models, caller, request).await
}

async fn messages(State(models): State<Arc<Models>>, caller: Caller, request: Request) -> Outcome {
    routes::messages(&models, caller, request).await
}
