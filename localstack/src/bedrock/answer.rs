//! The made-up answer: its blocks, its tokens, and its two forms on the wire.
//!
//! JSON is put together by hand where the order of the fields is the real one's.

mod converse;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::block::{Block, quoted};
use super::cache::tokens;
use super::converse::max_tokens;
use super::directive::Directive;
use super::ledger::Usage;
use super::wire;

pub(super) use converse::{metadata, usage_json as converse_usage_json};

/// Tokens in a delta, if nothing else is asked for.
const DELTA_TOKENS: u64 = 5;
/// What made-up text repeats.
const FILLER: &str = "All is well in here. ";
/// How much of the question the answer repeats, in characters.
const ECHO_CHARACTERS: usize = 80;

/// A tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolUse {
    /// The tool's name.
    pub name: String,
    /// Its input, an object.
    #[serde(default)]
    pub input: Value,
}

/// An answer, before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    id: String,
    model: String,
    blocks: Vec<Block>,
    stop_reason: String,
    unknown_event: bool,
    delta_bytes: usize,
    /// Bytes of all that the model "said".
    bytes: usize,
    output_tokens: u64,
}

/// An event of the stream.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The frame's type: `chunk` for what the model says in its own form.
    pub(super) name: &'static str,
    pub(super) json: String,
    /// Bytes said up to and with this event.
    pub(super) said: usize,
    pub(super) kind: EventKind,
}

/// What the player must know of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    MessageStart,
    Content,
    /// After this one the caller knows all counts.
    MessageDelta,
    /// The metrics are to be added.
    MessageStop,
    /// The last of `ConverseStream`, with all counts.
    Metadata,
}

impl Event {
    fn new(kind: EventKind, json: String, said: usize) -> Self {
        let name = "chunk";
        Self { name, json, said, kind }
    }
}

impl Answer {
    /// The answer of `model` (a priced id) to `body`, as `directive` wants it.
    pub(super) fn new(model: &str, body: &Value, directive: &Directive) -> Self {
        let blocks = blocks(model, body, directive);
        let bytes = blocks.iter().map(Block::said).sum();
        let mut answer = Self {
            id: wire::id("msg_bdrk_01"),
            model: anthropic_name(model).to_owned(),
            stop_reason: stop_reason(directive, &blocks),
            blocks,
            unknown_event: directive.unknown_event,
            delta_bytes: bytes_of(directive.delta_tokens.unwrap_or(DELTA_TOKENS).max(1)),
            bytes,
            output_tokens: directive.output_tokens.unwrap_or_else(|| tokens(bytes)),
        };
        answer.limit(max_tokens(body).unwrap_or(u64::MAX), directive);
        answer
    }

    /// A model stops at `max_tokens`. Only plain text is cut, so that tool calls stay JSON.
    fn limit(&mut self, max_tokens: u64, directive: &Directive) {
        if self.output_tokens <= max_tokens {
            return;
        }
        let [Block::Text(text)] = self.blocks.as_mut_slice() else {
            return;
        };
        text.truncate(text.floor_char_boundary(bytes_of(max_tokens)));
        self.bytes = text.len();
        self.output_tokens = max_tokens;
        if directive.stop_reason.is_none() && !directive.refusal {
            self.stop_reason = "max_tokens".to_owned();
        }
    }

    /// All output tokens.
    pub(super) fn output_tokens(&self) -> u64 {
        self.output_tokens
    }

    /// What `message_start` says was put out already.
    pub(super) fn first_tokens(&self) -> u64 {
        self.output_tokens.min(1)
    }

    /// Output tokens in the first `said` bytes: four bytes each, unless another count was asked for.
    pub(super) fn tokens_in(&self, said: usize) -> u64 {
        if said == self.bytes {
            return self.output_tokens;
        }
        if self.output_tokens == tokens(self.bytes) {
            return tokens(said);
        }
        (said as u64 * self.output_tokens).div_ceil(self.bytes as u64)
    }

    /// The answer in one piece. `usage` holds the input's side.
    pub(super) fn message(&self, usage: &Usage) -> String {
        let content: Vec<_> = self.blocks.iter().map(Block::json).collect();
        format!(
            r#"{{"model":{},"id":{},"type":"message","role":"assistant","content":[{}],"stop_reason":{},"stop_sequence":null,"usage":{}}}"#,
            quoted(&self.model),
            quoted(&self.id),
            content.join(","),
            quoted(&self.stop_reason),
            usage_json(usage, self.output_tokens),
        )
    }

    /// The answer as events.
    pub(super) fn events(&self, usage: &Usage) -> Vec<Event> {
        let mut events = vec![Event::new(EventKind::MessageStart, self.message_start(usage), 0)];
        let mut said = 0;
        for (index, block) in self.blocks.iter().enumerate() {
            self.block_events(index, block, &mut said, &mut events);
        }
        if self.unknown_event {
            let json = r#"{"type":"vendor_event","detail":{"n":1,"note":"nobody knows this type"}}"#;
            events.push(Event::new(EventKind::Content, json.to_owned(), said));
        }
        events.push(Event::new(EventKind::MessageDelta, self.message_delta(usage), said));
        events.push(Event::new(EventKind::MessageStop, String::new(), said));
        events
    }

    fn block_events(&self, index: usize, block: &Block, said: &mut usize, events: &mut Vec<Event>) {
        let mut put = |json: String, said: usize| events.push(Event::new(EventKind::Content, json, said));
        let start = block.start();
        put(
            format!(r#"{{"type":"content_block_start","index":{index},"content_block":{start}}}"#),
            *said,
        );
        if index == 0 {
            put(r#"{"type":"ping"}"#.to_owned(), *said);
        }
        for (delta, bytes) in block.deltas(self.delta_bytes) {
            *said += bytes;
            put(
                format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#),
                *said,
            );
        }
        put(format!(r#"{{"type":"content_block_stop","index":{index}}}"#), *said);
    }

    fn message_start(&self, usage: &Usage) -> String {
        format!(
            r#"{{"type":"message_start","message":{{"model":{},"id":{},"type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{}}}}}"#,
            quoted(&self.model),
            quoted(&self.id),
            usage_json(usage, self.first_tokens()),
        )
    }

    /// Cumulative, and without the lifetimes, which `message_start` alone tells.
    fn message_delta(&self, usage: &Usage) -> String {
        format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":{},"stop_sequence":null}},"usage":{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},"output_tokens":{}}}}}"#,
            quoted(&self.stop_reason),
            usage.input_tokens,
            usage.cache_creation.total(),
            usage.cache_read_input_tokens,
            self.output_tokens,
        )
    }
}

/// The last event, with Bedrock's own counts.
pub(super) fn message_stop(usage: &Usage, latency_ms: u128, first_byte_ms: u128) -> String {
    format!(
        r#"{{"type":"message_stop","amazon-bedrock-invocationMetrics":{{"inputTokenCount":{},"outputTokenCount":{},"invocationLatency":{latency_ms},"firstByteLatency":{first_byte_ms},"cacheReadInputTokenCount":{},"cacheWriteInputTokenCount":{}}}}}"#,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation.total(),
    )
}

fn blocks(model: &str, body: &Value, directive: &Directive) -> Vec<Block> {
    let thinking = directive.thinking.as_ref().map(|text| Block::Thinking {
        text: text.clone(),
        // Opaque to everyone but the service; long enough to be seen whole or not at all.
        signature: wire::id("EqQBCkgIARABGAIiQ"),
    });
    let tools = directive.tool_use.iter().chain(&directive.more_tool_uses).map(tool);
    let tools: Vec<_> = tools.collect();
    let text = match (&directive.text, directive.output_tokens) {
        (Some(text), _) => text.clone(),
        (None, Some(tokens)) => filler(bytes_of(tokens)),
        (None, None) if !tools.is_empty() || directive.refusal => String::new(),
        (None, None) => echo(model, body),
    };
    let text = (!text.is_empty()).then_some(Block::Text(text));
    let unknown = directive.unknown_event.then_some(Block::Unknown);
    let before = [thinking, text].into_iter().flatten();
    before.chain(tools).chain(unknown).collect()
}

fn tool(tool: &ToolUse) -> Block {
    Block::Tool {
        id: wire::id("toolu_bdrk_01"),
        name: tool.name.clone(),
        input: if tool.input.is_null() {
            "{}".to_owned()
        } else {
            tool.input.to_string()
        },
    }
}

fn stop_reason(directive: &Directive, blocks: &[Block]) -> String {
    let natural = if directive.refusal {
        "refusal"
    } else if blocks.iter().any(|block| matches!(block, Block::Tool { .. })) {
        "tool_use"
    } else {
        "end_turn"
    };
    directive.stop_reason.clone().unwrap_or_else(|| natural.to_owned())
}

fn bytes_of(tokens: u64) -> usize {
    usize::try_from(tokens.saturating_mul(4)).unwrap_or(usize::MAX)
}

fn filler(bytes: usize) -> String {
    FILLER.chars().cycle().take(bytes).collect()
}

fn echo(model: &str, body: &Value) -> String {
    let content = &body["messages"]
        .as_array()
        .and_then(|messages| messages.last())
        .unwrap_or(&Value::Null)["content"];
    let blocks = content.as_array().into_iter().flatten();
    let text = content
        .as_str()
        .or_else(|| blocks.filter_map(|block| block["text"].as_str()).next_back());
    let heard: String = text
        .unwrap_or("nothing in words")
        .chars()
        .take(ECHO_CHARACTERS)
        .collect();
    format!(
        "Hello from the local Bedrock mock, in the place of {}. I heard: {heard}",
        anthropic_name(model)
    )
}

/// The name that the model gives itself: without profile, vendor and version.
fn anthropic_name(model: &str) -> &str {
    let name = model.rsplit_once("anthropic.").map_or(model, |(_, name)| name);
    let end = name
        .rfind("-v")
        .filter(|end| name[end + 2..].starts_with(|first: char| first.is_ascii_digit()));
    end.map_or(name, |end| &name[..end])
}

/// Usage as the API reports it; `usage` holds the input's side.
pub(super) fn usage_json(usage: &Usage, output_tokens: u64) -> String {
    let written = usage.cache_creation;
    format!(
        r#"{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},"cache_creation":{{"ephemeral_5m_input_tokens":{},"ephemeral_1h_input_tokens":{}}},"output_tokens":{output_tokens}}}"#,
        usage.input_tokens,
        written.total(),
        usage.cache_read_input_tokens,
        written.ephemeral_5m_input_tokens,
        written.ephemeral_1h_input_tokens,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use serde_json::json;

    use super::*;

    const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn answer(directive: &Directive) -> Answer {
        let body = json!({ "max_tokens": 1000, "messages": [{ "role": "user", "content": "hi" }] });
        Answer::new(MODEL, &body, directive)
    }

    fn text_of(answer: &Answer) -> String {
        let events = answer.events(&Usage::default());
        let values = events
            .iter()
            .filter_map(|event| serde_json::from_str::<Value>(&event.json).ok());
        values
            .filter_map(|event| event["delta"]["text"].as_str().map(str::to_owned))
            .collect()
    }

    #[test]
    fn the_model_names_itself_as_anthropic_does() {
        assert_eq!(anthropic_name(MODEL), "claude-sonnet-4-5-20250929");
        assert_eq!(anthropic_name("global.anthropic.claude-opus-5"), "claude-opus-5");
        assert_eq!(anthropic_name("anthropic.claude-opus-4-6-v1"), "claude-opus-4-6");
    }

    #[test]
    fn deltas_add_up_to_the_text_and_never_cut_a_character() {
        let text = "ein schöner Tag — 日本語のテキスト 👍".repeat(3);
        let directive = Directive {
            text: Some(text.clone()),
            delta_tokens: Some(1),
            ..Directive::default()
        };
        let answer = answer(&directive);
        assert_eq!(text_of(&answer), text);
        assert_eq!(answer.output_tokens(), text.len().div_ceil(4) as u64);
        assert_eq!(answer.events(&Usage::default()).last().unwrap().said, text.len());
    }

    #[test]
    fn tokens_asked_for_are_made_up_and_counted_as_they_come() {
        let answer = answer(&Directive {
            output_tokens: Some(12),
            ..Directive::default()
        });
        assert_eq!(text_of(&answer).len(), 48);
        assert_eq!(
            (answer.tokens_in(0), answer.tokens_in(20), answer.tokens_in(48)),
            (0, 5, 12)
        );
    }

    #[test]
    fn a_count_that_does_not_fit_the_text_is_spread_over_it() {
        let text = Some("x".repeat(100));
        let answer = answer(&Directive {
            text,
            output_tokens: Some(10),
            ..Directive::default()
        });
        assert_eq!(
            (answer.tokens_in(0), answer.tokens_in(50), answer.tokens_in(100)),
            (0, 5, 10)
        );
    }

    #[test]
    fn text_ends_at_max_tokens() {
        let body = json!({ "max_tokens": 1, "messages": [{ "role": "user", "content": "hi" }] });
        let answer = Answer::new(MODEL, &body, &Directive::default());
        assert_eq!((answer.output_tokens(), text_of(&answer).as_str()), (1, "Hell"));
        assert!(
            answer
                .message(&Usage::default())
                .contains(r#""stop_reason":"max_tokens""#)
        );
    }
}
