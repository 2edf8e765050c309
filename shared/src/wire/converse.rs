//! The body of `Converse` and `ConverseStream`, which is the same for all models: what is refused before a call, and what the gateway
//! reads and writes in it.
//!
//! Source: Amazon Bedrock Runtime API, `Converse`. What headers say of `InvokeModel` (service tier, latency, metadata) stands in the
//! body here.

mod survey;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::apart;
use super::json::{self, Object};
use crate::error::Error;
use crate::price::ServiceTier;

pub use survey::survey;

/// Fields of a model's own that make it answer more than once, or at another price.
const PRICED_APART: [&str; 6] = [
    "n",
    "best_of",
    "num_generations",
    "num_return_sequences",
    "service_tier",
    "speed",
];

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InferenceConfig {
    #[serde(default)]
    max_tokens: Option<u64>,
}

/// Checks a body, and tells the service tier that it asks for.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] with words for the caller: for what no model takes; for what has a price beside its tokens;
/// and for a source in S3, which Bedrock would read with the gateway's own rights.
pub fn check(body: &[u8]) -> Result<ServiceTier, Error> {
    let object = Object::parse(body)?;
    let messages = object
        .read::<Vec<Message<'_>>>("messages")
        .ok_or_else(|| Error::invalid("messages: Field required"))?
        .map_err(|_| Error::invalid("messages: Input should be a list of objects with `role` and `content`"))?;
    if messages.is_empty() {
        return Err(Error::invalid("messages: at least one message is required"));
    }
    let system = optional::<Vec<&RawValue>>(&object, "system", "a list of blocks")?;
    for block in messages
        .iter()
        .flat_map(|message| &message.content)
        .chain(system.iter().flatten())
    {
        check_block(block.get())?;
    }
    let inference = optional::<InferenceConfig>(&object, "inferenceConfig", "an object with whole `maxTokens`")?;
    if inference.is_some_and(|inference| inference.max_tokens == Some(0)) {
        return Err(Error::invalid("inferenceConfig.maxTokens: Input should be at least 1"));
    }
    check_tools(&object)?;
    check_additional(&object)?;
    check_latency(&object)?;
    service_tier(&object)
}

fn optional<'s, T: Deserialize<'s>>(object: &'s Object<'_>, name: &str, form: &str) -> Result<Option<T>, Error> {
    object
        .read::<Option<T>>(name)
        .transpose()
        .map(Option::flatten)
        .map_err(|_| Error::invalid(format!("{name}: Input should be {form}")))
}

/// What a caller writes (text, a tool's input and result) may hold anything; all else may not name a place in S3.
fn check_block(block: &str) -> Result<(), Error> {
    let members = json::members(block).map_err(|_| Error::invalid("A content block is no object."))?;
    for (kind, value) in members {
        match kind.as_str() {
            "text" | "toolUse" => {}
            "toolResult" => {
                for content in results(value.get())? {
                    check_result(content.get())?;
                }
            }
            _ => refuse_places(value.get())?,
        }
    }
    Ok(())
}

fn check_result(block: &str) -> Result<(), Error> {
    let members = json::members(block).map_err(|_| Error::invalid("A tool result's block is no object."))?;
    for (kind, value) in members {
        if !["text", "json"].contains(&kind.as_str()) {
            refuse_places(value.get())?;
        }
    }
    Ok(())
}

/// The blocks of a tool's result, in however many members of that name they stand.
fn results(result: &str) -> Result<Vec<&RawValue>, Error> {
    let bad = || Error::invalid("toolResult.content: Input should be a list of blocks");
    let members = json::members(result).map_err(|_| bad())?;
    let mut blocks = Vec::new();
    for (name, value) in members {
        if name == "content" {
            blocks.extend(serde_json::from_str::<Vec<&RawValue>>(value.get()).map_err(|_| bad())?);
        }
    }
    Ok(blocks)
}

fn refuse_places(value: &str) -> Result<(), Error> {
    if json::names(value, "s3Location") {
        return Err(Error::invalid(
            "Sources of type `s3Location` are not read here; send the bytes themselves.",
        ));
    }
    Ok(())
}

/// Tools of the system are billed by the use, beside the tokens.
fn check_tools(object: &Object<'_>) -> Result<(), Error> {
    if object
        .text("toolConfig")
        .is_some_and(|config| json::names(config, "systemTool") && has_system_tool(config))
    {
        return Err(Error::invalid(
            "toolConfig: a system tool has a price of its own, and none here",
        ));
    }
    Ok(())
}

/// Whether a tool is one of the system's; a schema may name anything.
fn has_system_tool(config: &str) -> bool {
    let Ok(config) = json::members(config) else {
        return true;
    };
    let lists = config.iter().filter(|(name, _)| name == "tools");
    lists.map(|(_, tools)| tools.get()).any(|tools| {
        let tools = serde_json::from_str::<Option<Vec<&RawValue>>>(tools);
        tools.map_or(true, |tools| tools.iter().flatten().any(|tool| is_system_tool(tool)))
    })
}

/// What is no object may be one to somebody else.
fn is_system_tool(tool: &RawValue) -> bool {
    json::members(tool.get()).map_or(true, |members| members.iter().any(|(kind, _)| kind == "systemTool"))
}

fn check_additional(object: &Object<'_>) -> Result<(), Error> {
    let Some(fields) = object.text("additionalModelRequestFields") else {
        return Ok(());
    };
    let fields = Object::parse(fields.as_bytes())
        .map_err(|_| Error::invalid("additionalModelRequestFields: Input should be an object, each member once"))?;
    if let Some(name) = fields.names().find(|name| PRICED_APART.contains(name)) {
        return Err(Error::invalid(format!(
            "additionalModelRequestFields.{name}: it changes the price, and has none here"
        )));
    }
    apart::check(&fields)
}

fn check_latency(object: &Object<'_>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Performance<'a> {
        #[serde(borrow, default)]
        latency: Option<Cow<'a, str>>,
    }
    let performance = optional::<Performance<'_>>(object, "performanceConfig", "an object with `latency`")?;
    match performance.and_then(|performance| performance.latency).as_deref() {
        None | Some("standard") => Ok(()),
        Some(_) => Err(Error::invalid("A latency mode changes the price, and has none here.")),
    }
}

fn service_tier(object: &Object<'_>) -> Result<ServiceTier, Error> {
    #[derive(Deserialize)]
    struct Tier<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    let tier = optional::<Tier<'_>>(object, "serviceTier", "an object with `type`")?;
    tier.map_or(Ok(ServiceTier::Default), |tier| {
        ServiceTier::from_header(&tier.kind)
            .map_err(|_| Error::invalid("The service tier must be one of: default, flex, priority."))
    })
}

/// The guardrail that a body names, which is billed beside the model.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for a configuration without one.
pub fn guardrail(body: &[u8]) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Configuration<'a> {
        #[serde(borrow)]
        guardrail_identifier: Cow<'a, str>,
    }
    let object = Object::parse(body)?;
    let form = "an object with `guardrailIdentifier`";
    let configuration = optional::<Configuration<'_>>(&object, "guardrailConfig", form)?;
    Ok(configuration.map(|it| it.guardrail_identifier.into_owned()))
}

/// The same body with a shorter answer.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for a body that was not checked.
pub fn with_max_tokens(body: &[u8], tokens: u64) -> Result<Bytes, Error> {
    let mut object = Object::parse(body)?;
    let config = object
        .text("inferenceConfig")
        .filter(|config| *config != "null")
        .unwrap_or("{}")
        .to_owned();
    let mut config = Object::parse(config.as_bytes())?;
    config.set("maxTokens", tokens.to_string());
    let config = config.to_json();
    object.set("inferenceConfig", config);
    Ok(Bytes::from(object.to_json()))
}

/// The JSON text of a body's own metadata of the request.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for a body that is none.
pub fn request_metadata(body: &[u8]) -> Result<Option<String>, Error> {
    let object = Object::parse(body)?;
    Ok(object.text("requestMetadata").map(str::to_owned))
}

/// The same body with other metadata of the request: `metadata` is a JSON object.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for a body that is none.
pub fn with_request_metadata(body: &[u8], metadata: String) -> Result<Bytes, Error> {
    let mut object = Object::parse(body)?;
    object.set("requestMetadata", metadata);
    Ok(Bytes::from(object.to_json()))
}

#[cfg(test)]
mod tests;
