//! From a request on a model route to a call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use http_body_util::BodyExt as _;
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use percent_encoding::percent_decode_str;

use super::attachments::attach;
use super::{Call, Delivery, Models, counting, listing, run};
use crate::context;
use crate::error::{Error, Kind};
use crate::http::{Caller, Outcome, require_content_type, require_identity_encoding};
use crate::price::ServiceTier;
use crate::scope::Scope;
use crate::upstream::Operation;
use crate::wire::anthropic::{beta_flags, check_invoke_body, count_request, messages_request};
use crate::wire::bedrock::{FORWARDED, FORWARDED_OF_CONVERSE, GUARDRAIL, PERFORMANCE_LATENCY, SERVICE_TIER};
use crate::wire::converse;
use crate::wire::dialect::Dialect;

/// Bedrock takes no longer body (InvokeModel, `body`).
pub(super) const LONGEST_BODY_BYTES: usize = 25_000_000;

/// What a path of Bedrock Runtime asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Call(Operation),
    Count,
}

/// What stands behind a model's id, and what it asks for.
const OPERATIONS: [(&str, Wanted); 5] = [
    ("invoke", Wanted::Call(Operation::Invoke)),
    ("invoke-with-response-stream", Wanted::Call(Operation::InvokeStream)),
    ("converse", Wanted::Call(Operation::Converse)),
    ("converse-stream", Wanted::Call(Operation::ConverseStream)),
    ("count-tokens", Wanted::Count),
];

/// A route of Bedrock Runtime: the body goes as it is, and so does the answer.
///
/// # Errors
/// What the caller did wrong, or what Bedrock or the table could not do.
pub async fn bedrock(models: &Arc<Models>, caller: Caller, request: Request) -> Outcome {
    caller.require(Scope::ModelsInvoke, &models.clock)?;
    let (parts, body) = read(request).await?;
    let (model, wanted) = wanted(parts.raw_http_path())?;
    require_identity_encoding(&parts.headers)?;
    let operation = match wanted {
        Wanted::Call(operation) => operation,
        Wanted::Count => {
            let headers = forwarded(&parts.headers, &FORWARDED_OF_CONVERSE);
            return Box::pin(counting::as_it_is(models, &caller, &model, headers, body)).await;
        }
    };
    let (tier, guardrail, headers, body) = if operation.converses() {
        (
            converse::check(&body)?,
            converse::guardrail(&body)?,
            forwarded(&parts.headers, &FORWARDED_OF_CONVERSE),
            body,
        )
    } else {
        let (tier, guardrail) = (service_tier(&parts.headers)?, guardrail(&parts.headers)?);
        check_invoke_body(&body)?;
        let body = Box::pin(attach(models, &caller, body)).await?;
        (tier, guardrail, forwarded(&parts.headers, &FORWARDED), body)
    };
    let delivery = if operation.streams() {
        Delivery::Frames
    } else {
        Delivery::Whole
    };
    Box::pin(run(
        models,
        Call {
            caller,
            dialect: Dialect::Bedrock,
            operation,
            delivery,
            model,
            tier,
            guardrail,
            headers,
            body,
        },
    ))
    .await
}

/// The Messages API.
///
/// # Errors
/// What the caller did wrong, or what Bedrock or the table could not do.
pub async fn messages(models: &Arc<Models>, caller: Caller, request: Request) -> Outcome {
    caller.require(Scope::ModelsInvoke, &models.clock)?;
    let (parts, body) = read(request).await?;
    let request = messages_request(&body, &betas(&parts.headers)?)?;
    let (operation, delivery) = if request.stream {
        (Operation::InvokeStream, Delivery::Events)
    } else {
        (Operation::Invoke, Delivery::Whole)
    };
    let model = request.model;
    let body = Box::pin(attach(models, &caller, request.body)).await?;
    Box::pin(run(
        models,
        Call {
            caller,
            dialect: Dialect::Anthropic,
            operation,
            delivery,
            model,
            tier: ServiceTier::Default,
            guardrail: None,
            headers: HeaderMap::new(),
            body,
        },
    ))
    .await
}

/// What a Messages request would count.
///
/// # Errors
/// What the caller did wrong, or what Bedrock or the table could not do.
pub async fn count_tokens(models: &Arc<Models>, caller: Caller, request: Request) -> Outcome {
    caller.require(Scope::ModelsInvoke, &models.clock)?;
    let (parts, body) = read(request).await?;
    let request = count_request(&body, &betas(&parts.headers)?)?;
    let body = Box::pin(attach(models, &caller, request.body)).await?;
    Box::pin(counting::of_messages(models, &caller, &request.model, body)).await
}

/// The flags of a request to Anthropic's API, whose body is JSON.
fn betas(headers: &HeaderMap) -> Result<Vec<&str>, Error> {
    if headers.contains_key(http::header::CONTENT_TYPE) {
        require_content_type(headers, "application/json")?;
    }
    require_identity_encoding(headers)?;
    let values = headers.get_all("anthropic-beta").iter();
    Ok(beta_flags(values.filter_map(|value| value.to_str().ok())))
}

/// The models that the credential may call, as Anthropic's API lists them.
///
/// # Errors
/// What the caller did wrong, or what the table could not do.
pub async fn list_models(models: &Arc<Models>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::ModelsInvoke, &models.clock)?;
    listing::models(models, &caller, &uri).await
}

/// One model, by any of its names.
///
/// # Errors
/// What the caller did wrong, or what the table could not do.
pub async fn model(models: &Arc<Models>, caller: Caller, request: Request) -> Outcome {
    caller.require(Scope::ModelsInvoke, &models.clock)?;
    let id = request.raw_http_path().strip_prefix("/anthropic/v1/models/");
    let id = percent_decode_str(id.unwrap_or_default()).decode_utf8();
    listing::model(models, &caller, &id.map_err(|_| Error::not_found("model"))?).await
}

/// Bedrock's inference profiles of the models that the credential may call.
///
/// # Errors
/// What the caller did wrong, or what the table could not do.
pub async fn inference_profiles(models: &Arc<Models>, caller: Caller, request: Request) -> Outcome {
    caller.require(Scope::ModelsInvoke, &models.clock)?;
    let account = context::account(request.extensions().get::<RequestContext>());
    listing::inference_profiles(models, &caller, request.uri(), &account).await
}

pub(super) async fn read(request: Request<Body>) -> Result<(Parts, Bytes), Error> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|_| Error::invalid("The body broke off."))?
        .to_bytes();
    if body.len() > LONGEST_BODY_BYTES {
        return Err(too_large());
    }
    Ok((parts, body))
}

pub(super) fn too_large() -> Error {
    Error::new(
        Kind::TooLarge,
        "The body is larger than Bedrock takes (25,000,000 bytes).",
    )
}

/// The model id between `/bedrock/model/` and the operation, percent-decoded once, and the operation. An ARN may come with its
/// slashes encoded or not, so the operation is what stands behind the last one. What is decoded is what is looked up, priced and sent.
fn wanted(raw_path: &str) -> Result<(String, Wanted), Error> {
    let no_path = || Error::not_found("path");
    let rest = raw_path.strip_prefix("/bedrock/model/").ok_or_else(no_path)?;
    let (id, name) = rest.rsplit_once('/').ok_or_else(no_path)?;
    let (_, wanted) = OPERATIONS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(no_path)?;
    let decoded = percent_decode_str(id)
        .decode_utf8()
        .map_err(|_| Error::invalid("model: not a model id"))?;
    Ok((decoded.into_owned(), *wanted))
}

/// The tier that the caller asks for. What changes the price otherwise has none here, and is refused.
fn service_tier(headers: &HeaderMap) -> Result<ServiceTier, Error> {
    let usual = |value: &HeaderValue| value.as_bytes() == b"standard";
    if headers.get_all(PERFORMANCE_LATENCY).iter().any(|value| !usual(value)) {
        return Err(Error::invalid("A latency mode changes the price, and has none here."));
    }
    let mut tiers = headers.get_all(SERVICE_TIER).iter();
    match (tiers.next(), tiers.next()) {
        (None, _) => Ok(ServiceTier::Default),
        (Some(tier), None) => tier
            .to_str()
            .ok()
            .and_then(|tier| ServiceTier::from_header(tier).ok())
            .ok_or_else(|| Error::invalid("The service tier must be one of: default, flex, priority.")),
        (Some(_), Some(_)) => Err(Error::invalid("There are two service tiers.")),
    }
}

/// The guardrail that the caller names, if any.
fn guardrail(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let mut named = headers.get_all(GUARDRAIL).iter();
    match (named.next(), named.next()) {
        (None, _) => Ok(None),
        // What is no text has no price.
        (Some(named), None) => Ok(Some(named.to_str().unwrap_or_default().to_owned())),
        (Some(_), Some(_)) => Err(Error::invalid("There are two guardrails.")),
    }
}

fn forwarded(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    names
        .iter()
        .filter_map(|name| headers.get(name).map(|value| (name.clone(), value.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(path: &str) -> Result<String, Kind> {
        wanted(path).map(|(id, _)| id).map_err(|error| error.kind)
    }

    #[test]
    fn what_stands_behind_the_id_is_the_operation() {
        for (name, expected) in OPERATIONS {
            let path = format!("/bedrock/model/arn:aws:bedrock:us-east-1::foundation-model/a.b/{name}");
            let (id, wanted) = wanted(&path).unwrap();
            assert_eq!(
                (id.as_str(), wanted),
                ("arn:aws:bedrock:us-east-1::foundation-model/a.b", expected)
            );
        }
    }

    #[test]
    fn a_model_id_is_decoded_exactly_once() {
        assert_eq!(model("/bedrock/model/a.b-v1:0/invoke").unwrap(), "a.b-v1:0");
        assert_eq!(model("/bedrock/model/a.b-v1%3A0/invoke").unwrap(), "a.b-v1:0");
        assert_eq!(
            model("/bedrock/model/arn%3Aaws%3Abedrock%2Fx/invoke").unwrap(),
            "arn:aws:bedrock/x"
        );
        assert_eq!(model("/bedrock/model/a%253A0/invoke").unwrap(), "a%3A0");
        assert_eq!(model("/bedrock/model/%ff/invoke"), Err(Kind::InvalidRequest));
        assert_eq!(model("/bedrock/model/a/nothing"), Err(Kind::NotFound));
        assert_eq!(model("/bedrock/models/a/invoke"), Err(Kind::NotFound));
    }

    #[test]
    fn only_listed_headers_reach_bedrock() {
        let names = [
            "accept",
            "authorization",
            "cookie",
            "x-api-key",
            "x-forwarded-for",
            "host",
            "x-amzn-bedrock-trace",
        ];
        let given = HeaderMap::from_iter(names.map(|name| (name.parse().unwrap(), "v".parse().unwrap())));
        let mut sent: Vec<_> = forwarded(&given, &FORWARDED)
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        sent.sort();
        assert_eq!(sent, ["accept", "x-amzn-bedrock-trace"]);
    }
}
