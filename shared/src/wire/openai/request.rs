//! A request of Chat Completions: what is read of it, what is ignored, and what is refused by name.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::content::{Content, Message};
use crate::error::Error;
use crate::wire::json::Object;

/// What a request may say that has no counterpart and changes no meaning: it is ignored, as other servers of this API do.
const IGNORED: [&str; 12] = [
    "frequency_penalty",
    "metadata",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "seed",
    "store",
    "user",
    "verbosity",
];

/// What is read.
const READ: [&str; 16] = [
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "model",
    "parallel_tool_calls",
    "reasoning_effort",
    "response_format",
    "service_tier",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "n",
];

/// What has no counterpart and would be missed: refused, unless it asks for what happens anyhow.
fn refused() -> [(&'static str, Value, &'static str); 10] {
    [
        ("n", json!(1), "only one choice is made"),
        ("logprobs", json!(false), "Bedrock tells no probabilities"),
        ("top_logprobs", json!(0), "Bedrock tells no probabilities"),
        ("logit_bias", json!({}), "Bedrock takes no bias of single tokens"),
        ("modalities", json!(["text"]), "only text is answered"),
        ("audio", Value::Null, "only text is answered"),
        (
            "functions",
            Value::Null,
            "functions are not served any more; use `tools`",
        ),
        (
            "function_call",
            Value::Null,
            "functions are not served any more; use `tool_choice`",
        ),
        ("web_search_options", Value::Null, "Bedrock searches no web"),
        ("moderation", Value::Null, "nothing is moderated here"),
    ]
}

/// A request to `/openai/v1/chat/completions`. It borrows from the body, images and files first of all.
#[derive(Debug, Deserialize)]
pub struct ChatRequest<'a> {
    /// The model as the caller named it.
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) messages: Vec<Message<'a>>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    pub(super) temperature: Option<f64>,
    #[serde(default)]
    pub(super) top_p: Option<f64>,
    #[serde(borrow, default)]
    stop: Option<Stop<'a>>,
    #[serde(borrow, default)]
    pub(super) tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow, default)]
    pub(super) tool_choice: Option<ToolChoice<'a>>,
    #[serde(default)]
    pub(super) parallel_tool_calls: Option<bool>,
    #[serde(borrow, default)]
    pub(super) response_format: Option<ResponseFormat<'a>>,
    #[serde(default)]
    pub(super) reasoning_effort: Option<Effort>,
    #[serde(default)]
    pub(super) service_tier: Option<Tier>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Stop<'a> {
    One(#[serde(borrow)] Cow<'a, str>),
    Many(#[serde(borrow)] Vec<Cow<'a, str>>),
}

/// A tool that the model may call.
#[derive(Debug, Deserialize)]
pub(super) struct Tool<'a> {
    #[serde(borrow, default)]
    pub(super) function: Option<Function<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) description: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) parameters: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) strict: Option<bool>,
}

/// A word, or an object that names a tool.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ToolChoice<'a> {
    Word(ChoiceWord),
    Named(#[serde(borrow)] NamedChoice<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChoiceWord {
    None,
    Auto,
    Required,
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedChoice<'a> {
    #[serde(borrow, default)]
    pub(super) function: Option<Name<'a>>,
    #[serde(borrow, default)]
    pub(super) allowed_tools: Option<AllowedTools<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Name<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
}

/// The tools of the request that count this time. The others stay out of the call.
#[derive(Debug, Deserialize)]
pub(super) struct AllowedTools<'a> {
    pub(super) mode: ChoiceWord,
    #[serde(borrow)]
    pub(super) tools: Vec<NamedChoice<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ResponseFormat<'a> {
    #[serde(rename = "type")]
    pub(super) kind: FormatKind,
    #[serde(borrow, default)]
    pub(super) json_schema: Option<JsonSchema<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FormatKind {
    Text,
    JsonObject,
    JsonSchema,
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonSchema<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) description: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) schema: Option<&'a RawValue>,
}

/// How hard a model that reasons is to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

/// OpenAI's service tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tier {
    Auto,
    Default,
    Flex,
    Priority,
    /// Another word for `priority`.
    Fast,
    Scale,
}

impl<'a> ChatRequest<'a> {
    /// Reads a request.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidRequest`] with words for the caller and the place that is wrong, which quote nothing of the body.
    pub fn read(body: &'a [u8]) -> Result<Self, Error> {
        check_members(&Object::parse(body)?)?;
        let mut json = serde_json::Deserializer::from_slice(body);
        let request: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| told(&error))?;
        if request.messages.is_empty() {
            return Err(wrong("messages", "at least one message is needed"));
        }
        if request.max_tokens.is_some() && request.max_completion_tokens.is_some() {
            return Err(wrong("max_tokens", "not together with `max_completion_tokens`"));
        }
        if request.longest_answer() == Some(0) {
            return Err(wrong("max_completion_tokens", "at least 1"));
        }
        Ok(request)
    }

    /// Whether the caller wants events.
    pub fn streams(&self) -> bool {
        self.stream.unwrap_or_default()
    }

    pub(super) fn include_usage(&self) -> bool {
        let options = self.stream_options.as_ref();
        options.and_then(|options| options.include_usage).unwrap_or_default()
    }

    pub(super) fn longest_answer(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    pub(super) fn stop(&self) -> Vec<&str> {
        match &self.stop {
            None => Vec::new(),
            Some(Stop::One(text)) => vec![text],
            Some(Stop::Many(texts)) => texts.iter().map(|text| &**text).collect(),
        }
    }

    /// The ids of the files that messages name, each with where it stands.
    pub fn file_ids(&self) -> Vec<(&str, String)> {
        let mut found = Vec::new();
        for (index, message) in self.messages.iter().enumerate() {
            let Some(Content::Parts(parts)) = &message.content else {
                continue;
            };
            for (place, part) in parts.iter().enumerate() {
                let id = part.file.as_ref().and_then(|file| file.file_id.as_deref());
                found.extend(id.map(|id| (id, format!("messages[{index}].content[{place}].file.file_id"))));
            }
        }
        found
    }
}

fn check_members(object: &Object<'_>) -> Result<(), Error> {
    for (name, usual, reason) in refused() {
        let given = object.read::<Value>(name).and_then(Result::ok);
        if given.is_some_and(|given| !given.is_null() && given != usual) {
            return Err(wrong(name, reason));
        }
    }
    let refused = refused();
    let known = |name: &str| {
        READ.contains(&name) || IGNORED.contains(&name) || refused.iter().any(|(refused, ..)| *refused == name)
    };
    match object.names().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(wrong(
            name.chars().filter(|it| !it.is_control()).take(64).collect::<String>(),
            "Unrecognized request argument",
        )),
    }
}

/// An error of the place `param`.
pub(super) fn wrong(param: impl Into<String>, reason: &str) -> Error {
    let param = param.into();
    Error::invalid(format!("{param}: {reason}")).about(param)
}

/// The words of `serde_json` may quote the body; the place and the names of missing members do not.
fn told(error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let text = error.inner().to_string();
    let place = match error.path().to_string() {
        path if path == "." => "body".to_owned(),
        path => path,
    };
    match text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split_once('`'))
    {
        Some((name, _)) if place == "body" => wrong(name, "is missing"),
        Some((name, _)) => wrong(format!("{place}.{name}"), "is missing"),
        None => wrong(place, "has a type or a value that is not served"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn refusal(body: &str) -> (String, String) {
        let error = ChatRequest::read(body.as_bytes()).unwrap_err();
        assert_eq!(error.kind, Kind::InvalidRequest, "{body}");
        (error.param.unwrap_or_default().into_owned(), error.message.into_owned())
    }

    fn with(member: &str) -> String {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{member}}}"#)
    }

    #[test]
    fn what_has_no_counterpart_is_refused_by_name() {
        for member in [
            r#""n":2"#,
            r#""logprobs":true"#,
            r#""top_logprobs":3"#,
            r#""logit_bias":{"5":-100}"#,
            r#""modalities":["text","audio"]"#,
            r#""audio":{"voice":"ash","format":"mp3"}"#,
            r#""functions":[{"name":"f"}]"#,
            r#""function_call":"auto""#,
            r#""web_search_options":{}"#,
            r#""moderation":{"model":"m"}"#,
            r#""never_seen":1"#,
        ] {
            let name = member.split('"').nth(1).unwrap();
            let (param, message) = refusal(&with(member));
            assert_eq!(param, name);
            assert!(message.starts_with(&format!("{name}: ")), "{message}");
        }
    }

    #[test]
    fn what_asks_for_what_happens_anyhow_is_taken() {
        let members = r#""n":1,"logprobs":false,"top_logprobs":0,"logit_bias":{},"modalities":["text"],"audio":null,
            "functions":null,"function_call":null,"web_search_options":null,"moderation":null,"stream":null,"stop":null,
            "temperature":null,"tools":null,"tool_choice":null,"response_format":null,"reasoning_effort":null,"service_tier":null"#;
        assert!(ChatRequest::read(with(members).as_bytes()).is_ok());
        let ignored: Vec<_> = IGNORED.iter().map(|name| format!(r#""{name}":"x""#)).collect();
        assert!(ChatRequest::read(with(&ignored.join(",")).as_bytes()).is_ok());
    }

    #[test]
    fn an_error_names_its_place_and_quotes_nothing() {
        let cases = [
            (with(r#""temperature":"SECRET""#), "temperature"),
            (with(r#""stream":"SECRET""#), "stream"),
            (with(r#""reasoning_effort":"SECRET""#), "reasoning_effort"),
            (
                with(r#""tools":[{"type":"function","function":{"nane":"SECRET"}}]"#),
                "tools[0].function.name",
            ),
            (with(r#""response_format":{"type":"SECRET"}"#), "response_format.type"),
            (with(r#""max_tokens":5,"max_completion_tokens":6"#), "max_tokens"),
            (with(r#""max_tokens":0"#), "max_completion_tokens"),
            (with(r#""max_tokens":-1"#), "max_tokens"),
            (
                r#"{"messages":[{"role":"user","content":"SECRET"}]}"#.to_owned(),
                "model",
            ),
            (r#"{"model":"m"}"#.to_owned(), "messages"),
            (r#"{"model":"m","messages":[]}"#.to_owned(), "messages"),
            (
                r#"{"model":"m","messages":[{"role":"SECRET","content":"x"}]}"#.to_owned(),
                "messages[0].role",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":7}]}"#.to_owned(),
                "messages[0].content",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":7}]}]}"#.to_owned(),
                "messages[0].content[0].text",
            ),
        ];
        for (body, place) in cases {
            let (param, message) = refusal(&body);
            assert_eq!(param, place, "{body}: {message}");
            assert!(!message.contains("SECRET"), "{message}");
        }
    }

    #[test]
    fn files_that_messages_name_are_found_with_their_places() {
        let body = r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[
            {"type":"text","text":"x"},{"type":"file","file":{"file_id":"file_a"}}]}]}"#;
        let request = ChatRequest::read(body.as_bytes()).unwrap();
        assert_eq!(
            request.file_ids(),
            [("file_a", "messages[1].content[1].file.file_id".to_owned())]
        );
    }
}
