//! The made-up answer in the form of `Converse`: in one piece, and as events.
//!
//! Source: Amazon Bedrock Runtime API, `Converse` and `ConverseStream`. A block of text has no start of its own in the stream.

use serde_json::{Value, json};

use super::{Answer, Event, EventKind};
use crate::bedrock::block::quoted;
use crate::bedrock::ledger::Usage;

/// What of a request an answer repeats.
const REPEATED: [&str; 2] = ["performanceConfig", "serviceTier"];

impl Answer {
    /// The answer in one piece. `usage` holds the input's side.
    pub(in crate::bedrock) fn converse(&self, body: &Value, usage: &Usage, latency_ms: u128) -> String {
        let content: Vec<_> = self
            .blocks
            .iter()
            .map(super::super::block::Block::converse_json)
            .collect();
        format!(
            r#"{{"metrics":{{"latencyMs":{latency_ms}}},"output":{{"message":{{"content":[{}],"role":"assistant"}}}},"stopReason":{},"usage":{}{}}}"#,
            content.join(","),
            quoted(self.converse_stop_reason()),
            usage_json(usage, self.output_tokens),
            repeated(body),
        )
    }

    /// The answer as events; the last is written when it is sent.
    pub(in crate::bedrock) fn converse_events(&self) -> Vec<Event> {
        let named = |name, kind, json: String, said| Event { name, kind, json, said };
        let start = r#"{"role":"assistant"}"#.to_owned();
        let mut events = vec![named("messageStart", EventKind::MessageStart, start, 0)];
        let mut said = 0;
        for (index, block) in self.blocks.iter().enumerate() {
            if let Some(start) = block.converse_start() {
                let json = format!(r#"{{"contentBlockIndex":{index},"start":{start}}}"#);
                events.push(named("contentBlockStart", EventKind::Content, json, said));
            }
            for (delta, bytes) in block.converse_deltas(self.delta_bytes) {
                said += bytes;
                let json = format!(r#"{{"contentBlockIndex":{index},"delta":{delta}}}"#);
                events.push(named("contentBlockDelta", EventKind::Content, json, said));
            }
            let json = format!(r#"{{"contentBlockIndex":{index}}}"#);
            events.push(named("contentBlockStop", EventKind::Content, json, said));
        }
        if self.unknown_event {
            let json = r#"{"detail":{"n":1,"note":"nobody knows this type"}}"#.to_owned();
            events.push(named("vendorEvent", EventKind::Content, json, said));
        }
        let stop = format!(r#"{{"stopReason":{}}}"#, quoted(self.converse_stop_reason()));
        events.push(named("messageStop", EventKind::Content, stop, said));
        events.push(named("metadata", EventKind::Metadata, String::new(), said));
        events
    }

    /// `Converse` has no refusals of the model's own.
    fn converse_stop_reason(&self) -> &str {
        match self.stop_reason.as_str() {
            "refusal" => "content_filtered",
            reason => reason,
        }
    }
}

/// The last event, with the counts.
pub(in crate::bedrock) fn metadata(body: &Value, usage: &Usage, latency_ms: u128) -> String {
    format!(
        r#"{{"metrics":{{"latencyMs":{latency_ms}}},"usage":{}{}}}"#,
        usage_json(usage, usage.output_tokens),
        repeated(body)
    )
}

fn repeated(body: &Value) -> String {
    let given = REPEATED.iter().filter(|name| !body[**name].is_null());
    given.map(|name| format!(r#","{name}":{}"#, body[*name])).collect()
}

/// Usage as `Converse` reports it; `usage` holds the input's side. Tokens written to the cache are told by lifetime.
pub(in crate::bedrock) fn usage_json(usage: &Usage, output_tokens: u64) -> String {
    let written = usage.cache_creation;
    let prompt = usage.input_tokens + usage.cache_read_input_tokens + written.total();
    let details: Vec<_> = [
        ("1h", written.ephemeral_1h_input_tokens),
        ("5m", written.ephemeral_5m_input_tokens),
    ]
    .into_iter()
    .filter(|(_, tokens)| *tokens > 0)
    .map(|(ttl, tokens)| json!({ "ttl": ttl, "inputTokens": tokens }))
    .collect();
    let details = if details.is_empty() {
        String::new()
    } else {
        format!(r#","cacheDetails":{}"#, Value::from(details))
    };
    format!(
        r#"{{"inputTokens":{},"outputTokens":{output_tokens},"totalTokens":{},"cacheReadInputTokens":{},"cacheWriteInputTokens":{}{details}}}"#,
        usage.input_tokens,
        prompt + output_tokens,
        usage.cache_read_input_tokens,
        written.total(),
    )
}
