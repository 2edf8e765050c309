//! OpenAI's API: chat completions on `Converse`, and the models that a credential may call.

use std::sync::Arc;

use axum::extract::Request;
use http::{HeaderMap, StatusCode};

use super::attachments::contents;
use super::routes::read;
use super::{Call, Delivery, Models, refused_model, run};
use crate::error::{Error, Kind};
use crate::http::{Caller, Outcome, json, require_content_type, require_identity_encoding};
use crate::model::{ModelError, ResolvedModel};
use crate::scope::Scope;
use crate::upstream::Operation;
use crate::wire::dialect::Dialect;
use crate::wire::openai::{self, ChatRequest};

/// `POST /openai/v1/chat/completions`.
///
/// # Errors
/// What the caller did wrong, or what Bedrock or the table could not do.
pub async fn chat_completions(models: &Arc<Models>, caller: Caller, request: Request) -> Outcome {
    caller.require(Scope::ModelsInvoke, &models.clock)?;
    let (parts, body) = read(request).await?;
    if parts.headers.contains_key(http::header::CONTENT_TYPE) {
        require_content_type(&parts.headers, "application/json")?;
    }
    require_identity_encoding(&parts.headers)?;
    let request = ChatRequest::read(&body)?;
    let model = callable(models, &caller, &request.model).await?;
    let files = Box::pin(contents(models, &caller, &request.file_ids())).await?;
    let translated = request.to_converse(&model.base, &files)?;
    let (operation, delivery) = if request.streams() {
        (Operation::ConverseStream, Delivery::Chunks(translated.reading))
    } else {
        (Operation::Converse, Delivery::Completion(translated.reading))
    };
    Box::pin(run(
        models,
        Call {
            caller,
            dialect: Dialect::OpenAi,
            operation,
            delivery,
            model: model.requested,
            tier: translated.tier,
            guardrail: None,
            headers: HeaderMap::new(),
            body: translated.body,
        },
    ))
    .await
}

/// `GET /openai/v1/models`: those that the credential may call.
///
/// # Errors
/// [`crate::error::Kind::Denied`] without the scope for calls, [`crate::error::Kind::Unavailable`] when the table cannot say.
pub async fn list_models(models: &Models, caller: &Caller) -> Outcome {
    caller.require(Scope::ModelsInvoke, &models.clock)?;
    let book = models.prices.book().await?;
    let catalog = models.models.catalog(&book);
    let callable = |id: &&str| {
        let model = catalog.resolve(id);
        model.is_ok_and(|model| caller.principal.require_model(&model.base).is_ok())
    };
    json(StatusCode::OK, &openai::models(catalog.ids().filter(callable)))
}

/// `GET /openai/v1/models/{id}`, by any name that a call may have.
///
/// # Errors
/// As a call with this model would be refused.
pub async fn model(models: &Models, caller: &Caller, id: &str) -> Outcome {
    caller.require(Scope::ModelsInvoke, &models.clock)?;
    let model = callable(models, caller, id).await?;
    json(StatusCode::OK, &openai::model(&model.requested))
}

async fn callable(models: &Models, caller: &Caller, name: &str) -> Result<ResolvedModel, Error> {
    let book = models.prices.book().await?;
    let model = models.models.catalog(&book).resolve(name).map_err(unknown)?;
    caller.principal.require_model(&model.base)?;
    Ok(model)
}

/// By OpenAI's own word, where it has one.
fn unknown(error: ModelError) -> Error {
    let error = refused_model(error);
    if error.kind == Kind::NotFound {
        error.named("model_not_found")
    } else {
        error
    }
}
