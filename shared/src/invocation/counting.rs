//! Counts of tokens: Bedrock's `CountTokens` as it is, and Anthropic's `count_tokens` by it. A count costs nothing, so it has neither a row
//! nor a hold; who may not call a model may not have it count either.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};

use super::cost;
use super::deliver::returned;
use super::{Models, check_operation, lost, refused_model, told_by_bedrock};
use crate::bound::{Bound, LARGEST};
use crate::error::Error;
use crate::http::Caller;
use crate::model::ResolvedModel;
use crate::upstream::{Answer, Operation};
use crate::usage::Tokens;
use crate::wire::bedrock::upstream_error;
use crate::wire::betas::Place;
use crate::wire::survey::survey;
use crate::wire::{converse, count};

/// Whether a count is Bedrock's own, or no more than the most that the prompt can have.
const TOKEN_COUNT: HeaderName = HeaderName::from_static("x-tollgate-token-count");

/// An answer to a count is a number, or some words.
const LONGEST_ANSWER_BYTES: usize = 64 * 1024;

/// `CountTokens`: body and answer go as they are. Bedrock counts for foundation models, and refuses a profile of one, so the model
/// behind what the caller named is asked.
///
/// # Errors
/// What the caller did wrong, or what Bedrock could not do.
pub(super) async fn as_it_is(
    models: &Arc<Models>,
    caller: &Caller,
    model: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    if let Some(asked) = count::converse_of(&body)? {
        converse::check(asked.as_bytes())?;
    }
    let model = allowed(models, caller, model).await?;
    let (status, headers, body) = told(models, &model, headers, body).await?;
    Ok((status, returned(&headers), body).into_response())
}

/// Anthropic's count of a prepared body: Bedrock's where it has one, else the bound that a budget would hold.
///
/// # Errors
/// What the caller did wrong, or what Bedrock could not do.
pub(super) async fn of_messages(
    models: &Arc<Models>,
    caller: &Caller,
    model: &str,
    body: Bytes,
) -> Result<Response, Error> {
    let model = allowed(models, caller, model).await?;
    check_operation(Operation::Invoke, &model)?;
    // What would be left out of a call is left out of its count.
    let known = models.betas.lessen(&model.base, &body, Place::Body).await?;
    let (body, dropped) = known.map_or((body, Vec::new()), |lessened| (lessened.body, lessened.dropped));
    match counted(models, &model, body).await {
        Ok(mut answer) => {
            cost::of_dropped(&dropped, answer.headers_mut());
            Ok(answer)
        }
        Err(error) => cost::with_dropped(&dropped, error),
    }
}

async fn counted(models: &Models, model: &ResolvedModel, body: Bytes) -> Result<Response, Error> {
    let (status, headers, answer) = told(models, model, HeaderMap::new(), count::of_invoke(&body)).await?;
    let counted = count::tokens(&answer).filter(|_| status.is_success());
    match (counted, status) {
        (Some(tokens), _) => Ok(shown(tokens, "exact")),
        // It does not count for this model, in this region, or for this account.
        (None, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
            let kind = upstream_error(status, &headers, &answer).kind.label();
            tracing::info!(model = model.base, kind, "Bedrock counts no tokens");
            Ok(shown(most(models, model, &body).await?, "upper-bound"))
        }
        (None, _) => Err(told_by_bedrock(status, &headers, &answer)),
    }
}

async fn allowed(models: &Models, caller: &Caller, model: &str) -> Result<ResolvedModel, Error> {
    let book = models.prices.book().await?;
    let model = models.models.catalog(&book).resolve(model).map_err(refused_model)?;
    caller.principal.require_model(&model.base)?;
    Ok(model)
}

async fn told(
    models: &Models,
    model: &ResolvedModel,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, HeaderMap, Bytes), Error> {
    let answer = models.bedrock.count(&model.base, headers, body).await;
    let Answer { status, headers, body } = answer.map_err(lost)?;
    let body = Limited::new(body, LONGEST_ANSWER_BYTES).collect().await;
    let body = body.map_err(|cause| Error::upstream_unavailable("Bedrock's answer broke off.", cause))?;
    Ok((status, headers, body.to_bytes()))
}

async fn most(models: &Models, model: &ResolvedModel, body: &[u8]) -> Result<Tokens, Error> {
    let book = models.prices.book().await?;
    let limits = book.limits(&model.price_key).unwrap_or(LARGEST);
    Ok(Bound::of(&survey(body)?, limits).prompt)
}

fn shown(tokens: Tokens, kind: &'static str) -> Response {
    let body = format!(r#"{{"input_tokens":{tokens}}}"#);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (TOKEN_COUNT, HeaderValue::from_static(kind)),
    ];
    (headers, body).into_response()
}
