//! Model calls that stream: `POST /bedrock/model/{id}/invoke-with-response-stream` and `/converse-stream`; `POST /anthropic/v1/messages`
//! and `/openai/v1/chat/completions`, whose bodies say whether they do; and `GET /openai/v1/models`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use gateway::http::{Caller, Id, Outcome};
use gateway::invocation::{Models, openai, routes};

/// The function's routes.
pub fn router(models: Arc<Models>) -> Router {
    Router::new()
        .route("/bedrock/model/{*rest}", post(bedrock))
        .route("/anthropic/v1/messages", post(messages))
        .route("/openai/v1/chat/completions", post(chat_completions))
        .route("/openai/v1/models", get(openai_models))
        .route("/openai/v1/models/{id}", get(openai_model))
        .with_state(models)
}

async fn bedrock(State(models): State<Arc<Models>>, caller: Caller, request: Request) -> Outcome {
    routes::bedrock(&models, caller, request).await
}

async fn messages(State(models): State<Arc<Models>>, caller: Caller, request: Request) -> Outcome {
    routes::messages(&models, caller, request).await
}

async fn chat_completions(State(models): State<Arc<Models>>, caller: Caller, request: Request) -> Outcome {
    openai::chat_completions(&models, caller, request).await
}

async fn openai_models(State(models): State<Arc<Models>>, caller: Caller) -> Outcome {
    openai::list_models(&models, &caller).await
}

async fn openai_model(State(models): State<Arc<Models>>, caller: Caller, Id(id): Id) -> Outcome {
    openai::model(&models, &caller, &id).await
}
