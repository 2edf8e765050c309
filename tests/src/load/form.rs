//! The forms of a model call.

use gateway::wire::dialect::Dialect;
use serde_json::{Value, json};

use crate::local::{ALIAS, MODEL};

/// A model of another vendor, which `Converse` and OpenAI's API serve.
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";
/// What several calls have in common, which the cache keeps.
const COMMON: &str = "What all of them are told, to the letter. ";
/// So many calls in a row have it in common.
const IN_COMMON: usize = 300;

/// A form of model call: an API, in one piece or streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// Anthropic's Messages.
    Messages,
    /// The same, server-sent events.
    MessagesStream,
    /// Bedrock's `InvokeModel`.
    Invoke,
    /// `InvokeModelWithResponseStream`.
    InvokeStream,
    /// Bedrock's `Converse`.
    Converse,
    /// `ConverseStream`.
    ConverseStream,
    /// OpenAI's Chat Completions.
    Chat,
    /// The same, streamed.
    ChatStream,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Messages,
        Self::MessagesStream,
        Self::Invoke,
        Self::InvokeStream,
        Self::Converse,
        Self::ConverseStream,
        Self::Chat,
        Self::ChatStream,
    ];

    /// Whose words it speaks.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::MessagesStream => Dialect::Anthropic,
            Self::Chat | Self::ChatStream => Dialect::OpenAi,
            _ => Dialect::Bedrock,
        }
    }

    /// What Bedrock is asked for.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Messages | Self::Invoke => "InvokeModel",
            Self::MessagesStream | Self::InvokeStream => "InvokeModelWithResponseStream",
            Self::Converse | Self::Chat => "Converse",
            Self::ConverseStream | Self::ChatStream => "ConverseStream",
        }
    }

    /// Whether the answer comes in events.
    pub fn is_streamed(self) -> bool {
        matches!(
            self,
            Self::MessagesStream | Self::InvokeStream | Self::ConverseStream | Self::ChatStream
        )
    }

    /// Its name in the report.
    pub fn label(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::MessagesStream => "messages, streamed",
            Self::Invoke => "Bedrock invoke",
            Self::InvokeStream => "Bedrock invoke, streamed",
            Self::Converse => "Bedrock converse",
            Self::ConverseStream => "Bedrock converse, streamed",
            Self::Chat => "OpenAI chat",
            Self::ChatStream => "OpenAI chat, streamed",
        }
    }

    /// The model of the call of this number. What is no Claude is served by `Converse` alone.
    pub fn model(self, number: usize) -> &'static str {
        match (self, number.is_multiple_of(2)) {
            (_, true) => MODEL,
            (Self::Converse | Self::ConverseStream | Self::Chat | Self::ChatStream, false) => NOVA,
            (_, false) => ALIAS,
        }
    }

    /// The path of a call to `model`.
    pub fn path(self, model: &str) -> String {
        match self {
            Self::Messages | Self::MessagesStream => "/anthropic/v1/messages".to_owned(),
            Self::Chat | Self::ChatStream => "/openai/v1/chat/completions".to_owned(),
            Self::Invoke => format!("/bedrock/model/{model}/invoke"),
            Self::InvokeStream => format!("/bedrock/model/{model}/invoke-with-response-stream"),
            Self::Converse => format!("/bedrock/model/{model}/converse"),
            Self::ConverseStream => format!("/bedrock/model/{model}/converse-stream"),
        }
    }

    /// The body of a call to `model` with this text from the user.
    pub fn body(self, model: &str, text: &str) -> Value {
        let messages = json!([{ "role": "user", "content": text }]);
        match self {
            Self::Messages => json!({ "model": model, "max_tokens": 1000, "messages": messages }),
            Self::MessagesStream => json!({ "model": model, "max_tokens": 1000, "stream": true, "messages": messages }),
            Self::Invoke | Self::InvokeStream => {
                json!({ "anthropic_version": "bedrock-2023-05-31", "max_tokens": 1000, "messages": messages })
            }
            Self::Converse | Self::ConverseStream => {
                let messages = json!([{ "role": "user", "content": [{ "text": text }] }]);
                json!({ "inferenceConfig": { "maxTokens": 1000 }, "messages": messages })
            }
            Self::Chat => json!({ "model": model, "max_tokens": 1000, "messages": messages }),
            Self::ChatStream => {
                let options = json!({ "include_usage": true });
                json!({ "model": model, "max_tokens": 1000, "stream": true, "stream_options": options, "messages": messages })
            }
        }
    }

    /// Lets the cache keep what many calls have in common, for five minutes or, where the API tells that apart in its answers, for an hour.
    pub fn cache(self, model: &str, number: usize, body: &mut Value) {
        let common = format!("{} {}", number / IN_COMMON, COMMON.repeat(20));
        match self {
            Self::Messages | Self::MessagesStream | Self::Invoke | Self::InvokeStream => {
                let ttl = if number.is_multiple_of(4) { "1h" } else { "5m" };
                let control = json!({ "type": "ephemeral", "ttl": ttl });
                body["system"] = json!([{ "type": "text", "text": common, "cache_control": control }]);
            }
            Self::Converse | Self::ConverseStream if model != NOVA => {
                body["system"] = json!([{ "text": common }, { "cachePoint": { "type": "default" } }]);
            }
            _ => {}
        }
    }
}
