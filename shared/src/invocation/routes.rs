//! From a request on a model route to a call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use lambda_http::RequestExt as _;
use percent_encoding::percent_decode_str;

use super::attachments::attach;
use super::{Call, Delivery, Models, run};
use crate::error::{Error, Kind};
use crate::http::{Caller, Outcome, require_content_type, require_identity_encoding};
use crate::price::ServiceTier;
use crate::scope::Scope;
use crate::wire::anthropic::{beta_flags, check_invoke_body, messages_request};
use crate::wire::bedrock::{FORWARDED, PERFORMANCE_LATENCY, SERVICE_TIER};
use crate::wire::dialect::Dialect;

/// Bedrock takes no longer body (InvokeModel, `body`).
pub(super) const LONGEST_BODY_BYTES: usize = 25_000_000;

/// A route of Bedrock Runtime: the body goes as it is, and so does the answer.
///
/// # Errors
/// What the caller did wrong, or what Bedrock or the table could not do.
pub async fn bedrock(
    models: &Arc<Models>,
    caller: Caller,
    request: Request,
    suffix: &'static str,
    delivery: Delivery,
) -> Outcome {
    caller.require(Scope::ModelsInvoke, &models.clock)?;
    let (parts, body) = read(request).await?;
    let model = model_of_path(parts.raw_http_path(), suffix)?;
    require_identity_encoding(&parts.headers)?;
    let tier = service_tier(&parts.headers)?;
    check_invoke_body(&body)?;
    let body = Box::pin(attach(models, &caller, body)).await?;
    let headers = forwarded(&parts.headers);
    Box::pin(run(
        models,
        Call {
            caller,
            dialect: Dialect::Bedrock,
            delivery,
            model,
            tier,
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
    if parts.headers.contains_key(http::header::CONTENT_TYPE) {
        require_content_type(&parts.headers, "application/json")?;
    }
    require_identity_encoding(&parts.headers)?;
    let values = parts
        .headers
        .get_all("anthropic-beta")
        .iter()
        .filter_map(|value| value.to_str().ok());
    let request = messages_request(&body, &beta_flags(values))?;
    let delivery = if request.stream {
        Delivery::Events
    } else {
        Delivery::Whole
    };
    let model = request.model;
    let body = Box::pin(attach(models, &caller, request.body)).await?;
    Box::pin(run(
        models,
        Call {
            caller,
            dialect: Dialect::Anthropic,
            delivery,
            model,
            tier: ServiceTier::Default,
            headers: HeaderMap::new(),
            body,
        },
    ))
    .await
}

async fn read(request: Request<Body>) -> Result<(Parts, Bytes), Error> {
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

/// The model id between `/bedrock/model/` and the suffix, percent-decoded once. An ARN may come with its slashes
/// encoded or not. What is decoded is what is looked up, priced and sent.
fn model_of_path(raw_path: &str, suffix: &str) -> Result<String, Error> {
    let id = raw_path
        .strip_prefix("/bedrock/model/")
        .and_then(|rest| rest.strip_suffix(suffix))
        .ok_or_else(|| Error::not_found("path"))?;
    let decoded = percent_decode_str(id)
        .decode_utf8()
        .map_err(|_| Error::invalid("model: not a model id"))?;
    Ok(decoded.into_owned())
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

fn forwarded(headers: &HeaderMap) -> HeaderMap {
    FORWARDED
        .iter()
        .filter_map(|name| headers.get(name).map(|value| (name.clone(), value.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(path: &str) -> Result<String, Kind> {
        model_of_path(path, "/invoke").map_err(|error| error.kind)
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
        assert_eq!(model("/bedrock/model/a/converse"), Err(Kind::NotFound));
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
        let mut sent: Vec<_> = forwarded(&given).keys().map(|name| name.as_str().to_owned()).collect();
        sent.sort();
        assert_eq!(sent, ["accept", "x-amzn-bedrock-trace"]);
    }
}
