//! OpenAI's Chat Completions on Bedrock's `Converse`: requests, answers, streams and the list of models.
//!
//! Sources: OpenAI's API reference ("Chat", "Models") as its Python client 3.57 types it; Amazon Bedrock Runtime API, `Converse` and
//! `ConverseStream`. What has no counterpart there is refused by name or ignored: `docs/openai.md` lists which.

mod abilities;
mod chunks;
mod completion;
mod content;
mod converse;
pub mod error;
mod json_text;
mod models;
mod request;
mod translate;
mod turns;
mod usage;

pub use chunks::{Chunks, DONE};
pub use completion::completion;
pub use models::{model, models};
pub use request::ChatRequest;
pub use turns::{Attached, Files};

use bytes::Bytes;

use crate::price::ServiceTier;

/// What a line that is no event says in a silence: clients skip it.
pub const PING: &[u8] = b": ping\n\n";

/// A request as `Converse` takes it, and how its answer is to be read.
#[derive(Debug)]
pub struct Translated {
    /// The body for Bedrock.
    pub body: Bytes,
    /// How the answer becomes a completion.
    pub reading: Reading,
    /// The tier that is asked for; it stands in the body too.
    pub tier: ServiceTier,
}

/// How an answer of `Converse` becomes a completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Where the answer's JSON is, for a request that wants nothing but JSON.
    pub json: Json,
    /// Of several tool calls only the first counts.
    pub one_call: bool,
    /// A stream tells the usage before its end.
    pub include_usage: bool,
}

/// Where the JSON of an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Json {
    /// The text is the answer, whatever it is: no JSON was asked for, or Bedrock sees to it.
    #[default]
    Text,
    /// In the text, which may have words or a code fence around it.
    InText,
    /// It is the input of the tool `JSON_TOOL`.
    InTool,
}

/// The tool that a model answers by where Bedrock has no other means to make it answer in JSON.
const JSON_TOOL: &str = "answer_in_json";

/// What a completion says of itself.
#[derive(Clone, Debug)]
pub struct Label {
    /// `chatcmpl-…`.
    pub id: String,
    /// When the call began, in seconds since 1970.
    pub created: i64,
    /// The model that was called.
    pub model: String,
}
