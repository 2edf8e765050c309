//! What a caller or a test may ask of the mock: how to answer, and how to fail.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::ToolUse;

/// What a text must contain in front of the JSON of a directive.
const MARK: &str = "mock:{";

/// The script of one call. Every field is optional; a field that is not known is refused, so that a typing error
/// does not become a test that cannot fail.
///
/// "Frame" counts event frames of the stream from 1, so "after 0 frames" is right after the head.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Directive {
    /// Output tokens to report. Without `text`, that much text is made up.
    pub output_tokens: Option<u64>,
    /// The text of the answer.
    pub text: Option<String>,
    /// A thinking block with a signature, before the text.
    pub thinking: Option<String>,
    /// A tool call, after the text.
    pub tool_use: Option<ToolUse>,
    /// Further tool calls, after that one.
    pub more_tool_uses: Vec<ToolUse>,
    /// Adds an event and a content block of types that nobody knows.
    pub unknown_event: bool,
    /// Tokens in each delta; 5 if not given.
    pub delta_tokens: Option<u64>,
    /// The stop reason to report.
    pub stop_reason: Option<String>,
    /// Stop reason `refusal`.
    pub refusal: bool,
    /// Milliseconds before the head.
    pub delay_ms: u64,
    /// Milliseconds before each frame but the first.
    pub event_delay_ms: u64,
    /// Frames after which the stream holds until `hold` is released. An answer in one piece holds before its head.
    pub hold_after: Option<usize>,
    /// The name to release; `default` if not given.
    pub hold: Option<String>,
    /// Never goes on, after `hold_after` frames or after the first.
    pub stall: bool,
    /// Bytes in each write to the socket.
    pub split: Option<usize>,
    /// An error instead of the head: its status.
    pub status: Option<u16>,
    /// An error instead of the head: its type in the service's model.
    pub error_type: Option<String>,
    /// The message of the error or refused call.
    pub message: Option<String>,
    /// The `retry-after` header of the error, a number of seconds or a date.
    pub retry_after: Option<Value>,
    /// An exception inside the stream.
    pub exception_after: Option<ExceptionAfter>,
    /// Frames after which the connection breaks.
    pub cut_after: Option<usize>,
    /// Number of the frame inside of which the connection breaks.
    pub truncate_frame: Option<usize>,
    /// Frames after which the body ends as if it were complete.
    pub end_after: Option<usize>,
    /// Number of the frame whose checksum is wrong.
    pub corrupt_crc: Option<usize>,
    /// Headers to add to the answer.
    pub extra_headers: BTreeMap<String, String>,
    /// How `CountTokens` answers for a body with this directive. All else concerns calls alone.
    pub count_tokens: Option<CountScript>,
}

/// The script of a `CountTokens`. Status and type complete each other; without both it counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountScript {
    /// Status of an error.
    pub status: Option<u16>,
    /// Type of an error in the service's model.
    pub error_type: Option<String>,
    /// Its message.
    pub message: Option<String>,
    /// Its `retry-after` header.
    pub retry_after: Option<Value>,
    /// Milliseconds before the answer.
    pub delay_ms: u64,
}

/// An exception frame in place of the rest of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceptionAfter {
    /// Frames before it.
    pub events: usize,
    /// `internalServerException`, `modelStreamErrorException`, `validationException`, `throttlingException`,
    /// `modelTimeoutException`, `serviceUnavailableException`, or something the service does not have.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its message.
    #[serde(default)]
    pub message: Option<String>,
}

impl Directive {
    /// The frame count after which the stream holds or stalls.
    pub(super) fn holds_after(&self) -> Option<usize> {
        self.hold_after
            .or_else(|| self.stall.then_some(1))
            .or_else(|| self.hold.is_some().then_some(1))
    }
}

/// The directive in any text of the last user message, if there is one.
///
/// # Errors
/// Why what looks like a directive is none.
pub(super) fn in_last_user_message(messages: &Value) -> Result<Option<Directive>, String> {
    let last = messages
        .as_array()
        .into_iter()
        .flatten()
        .rev()
        .find(|message| message["role"] == "user");
    let mut texts = Vec::new();
    if let Some(message) = last {
        collect_texts(&message["content"], &mut texts);
    }
    let found = texts.into_iter().find_map(|text| text.split_once(MARK));
    found.map(|(_, rest)| parse(rest)).transpose()
}

/// `rest` is what follows the mark, whose brace it lacks.
fn parse(rest: &str) -> Result<Directive, String> {
    let json = format!("{{{rest}");
    let mut values = serde_json::Deserializer::from_str(&json).into_iter::<Directive>();
    let first = values.next().unwrap_or_else(|| Ok(Directive::default()));
    first.map_err(|error| format!("mock directive: {error}"))
}

fn collect_texts<'a>(content: &'a Value, texts: &mut Vec<&'a str>) {
    match content {
        Value::String(text) => texts.push(text),
        Value::Array(blocks) => blocks.iter().for_each(|block| collect_texts(block, texts)),
        Value::Object(block) => {
            for field in ["text", "content", "toolResult"] {
                block
                    .get(field)
                    .into_iter()
                    .for_each(|inner| collect_texts(inner, texts));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_found_in_the_last_user_message_only() {
        let messages = json!([
            { "role": "user", "content": "mock:{\"output_tokens\":1}" },
            { "role": "assistant", "content": "ok" },
            { "role": "user", "content": [
                { "type": "text", "text": "please" },
                { "type": "tool_result", "content": [{ "type": "text", "text": "x mock:{\"output_tokens\":2} y" }] },
            ] },
            { "role": "assistant", "content": "mock:{\"output_tokens\":3}" },
        ]);
        assert_eq!(in_last_user_message(&messages).unwrap().unwrap().output_tokens, Some(2));
        let plain = json!([messages[0], { "role": "user", "content": "plain" }]);
        assert_eq!(in_last_user_message(&plain), Ok(None));
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let messages = json!([{ "role": "user", "content": "mock:{\"output_token\":1}" }]);
        let error = in_last_user_message(&messages).unwrap_err();
        assert!(error.contains("unknown field `output_token`"), "{error}");
    }
}
