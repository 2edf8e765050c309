//! A stream of `ConverseStream`, as chunks of a completion in server-sent events.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::completion::finish_reason;
use super::json_text::JsonText;
use super::usage::{CompletionUsage, ConverseUsage};
use super::{JSON_TOOL, Json, Label, Reading};

/// What ends a stream that is complete.
pub const DONE: &str = "data: [DONE]\n\n";

/// Turns events into chunks, one after the other.
#[derive(Debug)]
pub struct Chunks {
    label: Label,
    reading: Reading,
    json: JsonText,
    /// Text before an answer that is to come in a tool.
    held: String,
    /// The calls so far, by the index of their block.
    calls: Vec<Call>,
    out: String,
}

/// A call of a tool that has begun.
#[derive(Debug)]
struct Call {
    block: u64,
    role: Part,
    /// Whether any of its input has come.
    has_input: bool,
}

/// What a call of a tool is to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A call, with its place among the calls.
    Call(usize),
    /// The answer's JSON.
    Answer,
    /// One more than the caller wants.
    Surplus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart {
    content_block_index: u64,
    #[serde(default)]
    start: Start,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Start {
    tool_use: Option<ToolStart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolStart {
    tool_use_id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta {
    content_block_index: u64,
    delta: Delta,
}

/// A delta of any kind. One that is not known here says nothing.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Delta {
    text: Option<String>,
    tool_use: Option<ToolInput>,
    reasoning_content: Option<Reasoned>,
}

#[derive(Deserialize)]
struct ToolInput {
    input: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reasoned {
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStop {
    content_block_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop {
    stop_reason: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    usage: ConverseUsage,
}

impl Chunks {
    /// Of a completion that begins.
    pub fn new(label: Label, reading: Reading) -> Self {
        Self {
            label,
            reading,
            json: JsonText::default(),
            held: String::new(),
            calls: Vec::new(),
            out: String::new(),
        }
    }

    /// What an event says to the caller, in server-sent events; nothing where it says nothing.
    pub fn event(&mut self, kind: &str, event: &[u8]) -> Option<Bytes> {
        match kind {
            "messageStart" => self.delta(&json!({"role": "assistant", "content": "", "refusal": null})),
            "contentBlockStart" => read(event).into_iter().for_each(|start| self.start(start)),
            "contentBlockDelta" => read(event).into_iter().for_each(|delta| self.piece(delta)),
            "contentBlockStop" => read(event).into_iter().for_each(|stop| self.stop(&stop)),
            "messageStop" => read(event).into_iter().for_each(|stop| self.finish(&stop)),
            "metadata" => self.end(&read(event).unwrap_or_default()),
            _ => {}
        }
        let out = std::mem::take(&mut self.out);
        (!out.is_empty()).then(|| Bytes::from(out))
    }

    fn start(&mut self, start: BlockStart) {
        let Some(tool) = start.start.tool_use else {
            return;
        };
        let calls = self
            .calls
            .iter()
            .filter(|call| matches!(call.role, Part::Call(_)))
            .count();
        let role = if self.reading.json == Json::InTool && tool.name == JSON_TOOL {
            let first = !self.calls.iter().any(|call| call.role == Part::Answer);
            if first { Part::Answer } else { Part::Surplus }
        } else if self.reading.one_call && calls > 0 {
            Part::Surplus
        } else {
            Part::Call(calls)
        };
        self.calls.push(Call {
            block: start.content_block_index,
            role,
            has_input: false,
        });
        if let Part::Call(index) = role {
            self.delta(&json!({"tool_calls": [{
                "index": index,
                "id": tool.tool_use_id,
                "type": "function",
                "function": {"name": tool.name, "arguments": ""},
            }]}));
        }
    }

    fn piece(&mut self, piece: BlockDelta) {
        if let Some(text) = piece.delta.text {
            self.text(&text);
        }
        if let Some(input) = piece.delta.tool_use {
            self.input(piece.content_block_index, &input.input);
        }
        let reasoned = piece.delta.reasoning_content.and_then(|reasoned| reasoned.text);
        if let Some(text) = reasoned.filter(|text| !text.is_empty()) {
            self.delta(&json!({"reasoning_content": text}));
        }
    }

    fn text(&mut self, text: &str) {
        match self.reading.json {
            Json::Text => self.content(text),
            Json::InText => {
                let found = self.json.push(text);
                self.content(&found);
            }
            Json::InTool => self.held.push_str(text),
        }
    }

    fn input(&mut self, block: u64, input: &str) {
        let Some(call) = self.calls.iter_mut().find(|call| call.block == block) else {
            return;
        };
        call.has_input |= !input.is_empty();
        match call.role {
            _ if input.is_empty() => {}
            Part::Call(index) => self.arguments(index, input),
            Part::Answer => self.content(input),
            Part::Surplus => {}
        }
    }

    /// A call without input has an empty object as its arguments, not an empty text.
    fn stop(&mut self, stop: &BlockStop) {
        let silent = |call: &&Call| call.block == stop.content_block_index && !call.has_input;
        match self.calls.iter().find(silent).map(|call| call.role) {
            Some(Part::Call(index)) => self.arguments(index, "{}"),
            Some(Part::Answer) => self.content("{}"),
            Some(Part::Surplus) | None => {}
        }
    }

    fn finish(&mut self, stop: &MessageStop) {
        let answered_in_tool = self.calls.iter().any(|call| call.role == Part::Answer);
        let called = self.calls.iter().any(|call| matches!(call.role, Part::Call(_)));
        let rest = match self.reading.json {
            Json::InText => self.json.rest(),
            Json::InTool if !called && !answered_in_tool => std::mem::take(&mut self.held),
            _ => String::new(),
        };
        self.content(&rest);
        let reason = finish_reason(&stop.stop_reason, answered_in_tool && !called);
        self.chunk(
            &json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason}]),
            None,
        );
    }

    fn end(&mut self, metadata: &Metadata) {
        if self.reading.include_usage {
            self.chunk(&json!([]), Some(metadata.usage.into()));
        }
        self.out.push_str(DONE);
    }

    fn content(&mut self, text: &str) {
        if !text.is_empty() {
            self.delta(&json!({"content": text}));
        }
    }

    fn arguments(&mut self, index: usize, input: &str) {
        self.delta(&json!({"tool_calls": [{"index": index, "function": {"arguments": input}}]}));
    }

    fn delta(&mut self, delta: &Value) {
        self.chunk(
            &json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]),
            None,
        );
    }

    fn chunk(&mut self, choices: &Value, usage: Option<CompletionUsage>) {
        let mut chunk = json!({
            "id": self.label.id,
            "object": "chat.completion.chunk",
            "created": self.label.created,
            "model": self.label.model,
            "choices": choices,
        });
        if self.reading.include_usage {
            chunk["usage"] = json!(usage);
        }
        self.out.push_str(&format!("data: {chunk}\n\n"));
    }
}

/// What cannot be read says nothing.
fn read<'a, T: Deserialize<'a>>(event: &'a [u8]) -> Option<T> {
    serde_json::from_slice(event).ok()
}

#[cfg(test)]
mod tests;
