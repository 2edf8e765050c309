//! The body of `Converse`: parsed, and refused where Bedrock would.

use serde_json::Value;

use super::error::Refusal;
use super::request::MAX_BODY_BYTES;

/// Parses a body.
///
/// # Errors
/// A `ValidationException`.
pub(super) fn body(bytes: &[u8]) -> Result<Value, Refusal> {
    if bytes.len() > MAX_BODY_BYTES {
        return Err(Refusal::validation("The request body is too large"));
    }
    let body: Value = serde_json::from_slice(bytes)
        .map_err(|_| Refusal::new(400, "SerializationException", "the body is not JSON"))?;
    check(&body).map_err(Refusal::validation)?;
    Ok(body)
}

fn check(body: &Value) -> Result<(), &'static str> {
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or(
        "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
    )?;
    if messages[0]["role"] != "user" {
        return Err(
            "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
        );
    }
    for message in messages {
        let blocks = message["content"].as_array().filter(|blocks| !blocks.is_empty());
        let blocks = blocks.ok_or("The content field in the Message object is empty. Add a ContentBlock object to the content field and try again.")?;
        if blocks.iter().any(|block| block["text"] == "") {
            return Err(
                "The text field in the ContentBlock object is blank. Add text to the text field, and try again.",
            );
        }
    }
    let max_tokens = &body["inferenceConfig"]["maxTokens"];
    if !max_tokens.is_null() && max_tokens.as_u64().is_none_or(|tokens| tokens == 0) {
        return Err(
            "Value at 'inferenceConfig.maxTokens' failed to satisfy constraint: Member must have value greater than or equal to 1",
        );
    }
    Ok(())
}

/// The longest answer that a body of either form asks for.
pub(super) fn max_tokens(body: &Value) -> Option<u64> {
    let own = body["max_tokens"].as_u64();
    own.or_else(|| body["inferenceConfig"]["maxTokens"].as_u64())
}
