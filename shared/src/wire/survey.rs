//! What a request to a Claude model may cost at the most, read from its body alone.
//!
//! Claude's tokenizer works on bytes: every token of text stands for at least one byte of it, so a text has at most as many tokens
//! as bytes of UTF-8, and JSON never has fewer bytes than the text that it holds. What is not text is counted apart: an image by
//! the most that Anthropic's documentation lets one take, and what cannot be told from the body (a PDF, a source elsewhere, a kind
//! of block that is not known here) as unbounded, that is, as all that fits into the model's context.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::Object;
use crate::error::Error;

/// For how long a request asks for parts of its prompt to be cached; caching is dearer than plain input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caching {
    /// Not at all.
    #[default]
    None,
    /// For 5 minutes.
    FiveMinutes,
    /// For an hour, at least in part.
    Hour,
}

/// What a body says of what the call may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// No fewer than all bytes of text in the prompt.
    pub text_bytes: u64,
    /// Images.
    pub images: u64,
    /// Definitions of tools.
    pub tools: u64,
    /// Whether something stands in the prompt whose length cannot be told from here.
    pub unbounded: bool,
    /// The longest answer that is asked for.
    pub max_tokens: Option<u64>,
    /// Whether a shorter answer can be asked for in its place.
    pub can_be_shortened: bool,
    /// Of that, what is set aside for thinking.
    pub thinking_tokens: u64,
    /// Whether and how the prompt is to be cached.
    pub caching: Caching,
    /// Whether the answer may be compacted on the way, which runs the model twice.
    pub compacts: bool,
    /// Whether the context of a million tokens is asked for by a beta flag.
    pub million_tokens: bool,
}

/// Blocks whose text is all that they hold.
const TEXTUAL: [&str; 8] = [
    "text",
    "tool_use",
    "thinking",
    "redacted_thinking",
    "search_result",
    "server_tool_use",
    "mcp_tool_use",
    "tool_reference",
];

/// Surveys a body as it goes to Bedrock.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for what is no JSON object.
pub fn survey(body: &[u8]) -> Result<Survey, Error> {
    let object = Object::parse(body)?;
    let mut survey = Survey {
        text_bytes: length(body),
        caching: caching(body),
        ..Survey::default()
    };
    let number = |name: &str| object.read::<u64>(name).and_then(Result::ok);
    survey.max_tokens = number("max_tokens").or_else(|| number("max_tokens_to_sample"));
    survey.can_be_shortened = survey.max_tokens.is_some();
    if let Some(Ok(thinking)) = object.read::<Thinking>("thinking") {
        survey.thinking_tokens = thinking.budget_tokens.unwrap_or_default();
    }
    if let Some(tools) = object.text("tools") {
        // They are rendered in another form, with white space that the JSON need not have: at most as much again.
        survey.text_bytes = survey.text_bytes.saturating_add(length(tools.as_bytes()));
        survey.tools = serde_json::from_str::<Vec<&RawValue>>(tools).map_or(1, |tools| length_of(&tools));
    }
    survey.compacts = object
        .text("context_management")
        .is_some_and(|text| may_say(text, "compact"));
    survey.million_tokens = object
        .text("anthropic_beta")
        .is_some_and(|text| may_say(text, "context-1m"));
    for name in ["messages", "system"] {
        match (name, object.text(name)) {
            ("messages", Some(text)) => survey.messages(text),
            (_, Some(text)) => survey.blocks(text),
            (_, None) => {}
        }
    }
    Ok(survey)
}

#[derive(Deserialize)]
struct Thinking {
    #[serde(default)]
    budget_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

impl Survey {
    fn messages(&mut self, text: &str) {
        match serde_json::from_str::<Vec<Message<'_>>>(text) {
            Ok(messages) => messages.iter().for_each(|message| self.blocks(message.content.get())),
            Err(_) => self.unbounded = true,
        }
    }

    /// A string, or a list of blocks.
    fn blocks(&mut self, text: &str) {
        if text.starts_with('"') {
            return;
        }
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(blocks) => blocks.iter().for_each(|block| self.block(block.get())),
            Err(_) => self.unbounded = true,
        }
    }

    fn block(&mut self, text: &str) {
        let Ok(block) = serde_json::from_str::<Block<'_>>(text) else {
            self.unbounded = true;
            return;
        };
        match &*block.kind {
            "image" => self.image(block.source),
            "document" => self.document(block.source),
            "tool_result" => {
                if let Some(content) = block.content {
                    self.blocks(content.get());
                }
            }
            kind => self.unbounded |= !TEXTUAL.contains(&kind),
        }
    }

    /// The bytes of an image are no text.
    fn image(&mut self, source: Option<&RawValue>) {
        self.images = self.images.saturating_add(1);
        let source = source.and_then(|source| serde_json::from_str::<Source<'_>>(source.get()).ok());
        if let Some(Source {
            kind, data: Some(data), ..
        }) = source
            && kind == "base64"
        {
            // Less the quotes, which stay.
            let image = length(data.get().as_bytes()).saturating_sub(2);
            self.text_bytes = self.text_bytes.saturating_sub(image);
        }
    }

    fn document(&mut self, source: Option<&RawValue>) {
        let source = source.and_then(|source| serde_json::from_str::<Source<'_>>(source.get()).ok());
        match source {
            Some(source) if source.kind == "text" => {}
            Some(Source {
                kind,
                content: Some(content),
                ..
            }) if kind == "content" => self.blocks(content.get()),
            _ => self.unbounded = true,
        }
    }
}

/// Whether and how anything is to be cached. A name may be written with escapes; where any are of letters or digits, the dearest
/// is assumed.
fn caching(body: &[u8]) -> Caching {
    let text = String::from_utf8_lossy(body);
    if has_escaped_name(&text) {
        Caching::Hour
    } else if !text.contains("\"cache_control\"") {
        Caching::None
    } else if text.contains("\"1h\"") {
        Caching::Hour
    } else {
        Caching::FiveMinutes
    }
}

/// Whether a part of a body may hold a word, escaped or not.
pub(super) fn may_say(text: &str, word: &str) -> bool {
    text.contains(word) || has_escaped_name(text)
}

/// Whether a letter, a digit, `_` or `-` is written as `\u00XX`, as nobody does who has nothing to hide.
pub(super) fn has_escaped_name(text: &str) -> bool {
    text.match_indices("\\u00").any(|(at, found)| {
        let digits = text.get(at + found.len()..at + found.len() + 2);
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        code.is_some_and(|code| code.is_ascii_alphanumeric() || b"_-".contains(&code))
    })
}

pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

pub(super) fn length_of<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Survey {
        survey(body.as_bytes()).unwrap()
    }

    fn with(content: &str) -> Survey {
        of(&format!(
            r#"{{"max_tokens":9,"messages":[{{"role":"user","content":{content}}}]}}"#
        ))
    }

    #[test]
    fn text_is_bounded_by_its_bytes_and_tools_by_twice_theirs() {
        let plain = r#"{"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
        let survey = of(plain);
        assert_eq!((survey.text_bytes, survey.max_tokens), (plain.len() as u64, Some(9)));
        assert!(!survey.unbounded && survey.caching == Caching::None);
        let tools =
            r#"{"max_tokens":9,"tools":[{"name":"a"},{"name":"b"}],"messages":[{"role":"user","content":"hi"}]}"#;
        let survey = of(tools);
        let twice = r#"[{"name":"a"},{"name":"b"}]"#.len();
        assert_eq!((survey.text_bytes, survey.tools), ((tools.len() + twice) as u64, 2));
    }

    #[test]
    fn an_images_bytes_are_no_text_wherever_the_image_stands() {
        let image = format!(
            r#"{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{}"}}}}"#,
            "A".repeat(10_000)
        );
        for content in [
            format!("[{image}]"),
            format!(r#"[{{"type":"tool_result","tool_use_id":"t","content":[{image}]}}]"#),
            format!(r#"[{{"type":"document","source":{{"type":"content","content":[{image}]}}}}]"#),
        ] {
            let survey = with(&content);
            assert_eq!((survey.images, survey.unbounded), (1, false));
            assert!(survey.text_bytes < 500, "{}", survey.text_bytes);
        }
    }

    #[test]
    fn what_only_looks_like_an_image_counts_as_text() {
        let text = "A".repeat(10_000);
        let survey = with(&format!(
            r#"[{{"type":"tool_use","id":"t","name":"n","input":{{"type":"image","source":{{"type":"base64","data":"{text}"}}}}}}]"#
        ));
        assert!(survey.text_bytes > 10_000 && survey.images == 0);
    }

    #[test]
    fn what_cannot_be_measured_is_unbounded() {
        for content in [
            r#"[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}}]"#,
            r#"[{"type":"document","source":{"type":"file","file_id":"f"}}]"#,
            r#"[{"type":"never_seen","x":1}]"#,
            r#"[{"type":"tool_result","content":[{"type":"document","source":{"type":"url","url":"x"}}]}]"#,
            r#"[1]"#,
        ] {
            assert!(with(content).unbounded, "{content}");
        }
        assert!(
            !with(r#"[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"}}]"#).unbounded
        );
    }

    #[test]
    fn the_dearest_caching_that_may_be_asked_for_is_found_however_it_is_written() {
        let cached = |extra: &str| with(&format!(r#"[{{"type":"text","text":"a",{extra}}}]"#)).caching;
        assert_eq!(cached(r#""cache_control":{"type":"ephemeral"}"#), Caching::FiveMinutes);
        assert_eq!(
            cached(r#""cache_control":{"type":"ephemeral","ttl":"5m"}"#),
            Caching::FiveMinutes
        );
        assert_eq!(
            cached(r#""cache_control":{"type":"ephemeral","ttl":"1h"}"#),
            Caching::Hour
        );
        assert_eq!(cached(r#""\u0063ache_control":{"type":"ephemeral"}"#), Caching::Hour);
        assert_eq!(cached(r#""cache_control":{"ttl":"\u0031h"}"#), Caching::Hour);
        assert_eq!(cached(r#""citations":{"note":"\u003c\u00e9\u000a"}"#), Caching::None);
    }

    #[test]
    fn thinking_compaction_and_the_long_context_are_seen() {
        let survey = of(
            r#"{"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":8000},"anthropic_beta":["context-1m-2025-08-07"],
            "context_management":{"edits":[{"type":"compact_20260112"}]},"messages":[]}"#,
        );
        assert_eq!(survey.thinking_tokens, 8000);
        assert!(survey.compacts && survey.million_tokens);
        assert_eq!(of(r#"{"prompt":"a","max_tokens_to_sample":7}"#).max_tokens, Some(7));
    }
}
