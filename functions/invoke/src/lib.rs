//! Model calls with one answer: `POST /bedrock/model/{id}/invoke` and `/converse`; counts of tokens, and which models there are.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::routing::{get, post};
use gateway::http::{Caller, Outcome};
use gateway::invocation::{Models, routes};

/// The function's routes.
pub fn router(models: Arc<Models>) -> Router {
    Router::new()
        .route("/bedrock/model/{*rest}", post(bedrock))
        .route("/bedrock/inference-profiles", get(inference_profiles))
        .route("/anthropic/v1/messages/count_tokens", post(count_tokens))
        .route("/anthropic/v1/models", get(list_models))
        .route("/anthropic/v1/models/{*id}", get(model))
        .with_state(models)
}

async fn bedrock(State(models): State<Arc<Models>>, caller: Caller, request: Request) -> Outcome {
    routes::bedrock(&models, caller, request).await
}

async fn inference_profiles(State(models): State<Arc<Models>>, caller: Caller, request: Request) -> Outcome {
    routes::inference_profiles(&models, caller, request).await
}

async fn count_tokens(State(models): State<Arc<Models>>, caller: Caller, request: Request) -> Outcome {
    routes::count_tokens(&models, caller, request).await
}

async fn list_models(State(models): State<Arc<Models>>, caller: Caller, uri: Uri) -> Outcome {
    routes::list_models(&models, caller, uri).await
}

async fn model(State(models): State<Arc<Models>>, caller: Caller, request: Request) -> Outcome {
    routes::model(&models, caller, request).await
}
