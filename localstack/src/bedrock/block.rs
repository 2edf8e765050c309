//! A content block in its two forms: as part of a message, and as a start with deltas.
//!
//! JSON is put together by hand where the order of the fields is the real one's.

mod converse;

use serde_json::json;

/// A content block.
#[derive(Clone, Debug)]
pub(super) enum Block {
    Thinking { text: String, signature: String },
    Text(String),
    Tool { id: String, name: String, input: String },
    Unknown,
}

impl Block {
    /// Bytes of what the model "says" in it.
    pub(super) fn said(&self) -> usize {
        match self {
            Self::Thinking { text, .. } | Self::Text(text) => text.len(),
            Self::Tool { input, .. } => input.len(),
            Self::Unknown => 0,
        }
    }

    /// The block as part of a message.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Thinking { text, signature } => format!(
                r#"{{"type":"thinking","thinking":{},"signature":{}}}"#,
                quoted(text),
                quoted(signature)
            ),
            Self::Text(text) => format!(r#"{{"type":"text","text":{}}}"#, quoted(text)),
            Self::Tool { id, name, input } => tool(id, name, input),
            Self::Unknown => r#"{"type":"mystery_block","payload":{"n":1}}"#.to_owned(),
        }
    }

    /// The block as it begins in a stream.
    pub(super) fn start(&self) -> String {
        match self {
            Self::Thinking { .. } => r#"{"type":"thinking","thinking":"","signature":""}"#.to_owned(),
            Self::Text(_) => r#"{"type":"text","text":""}"#.to_owned(),
            Self::Tool { id, name, .. } => tool(id, name, "{}"),
            Self::Unknown => r#"{"type":"mystery_block","payload":{}}"#.to_owned(),
        }
    }

    /// The deltas, each with the bytes it says.
    pub(super) fn deltas(&self, delta_bytes: usize) -> Vec<(String, usize)> {
        let each = |text: &str, kind: &str, field: &str| {
            let delta = |part: &str| (format!(r#"{{"type":"{kind}","{field}":{}}}"#, quoted(part)), part.len());
            parts(text, delta_bytes).into_iter().map(delta).collect::<Vec<_>>()
        };
        match self {
            Self::Text(text) => each(text, "text_delta", "text"),
            Self::Tool { input, .. } => each(input, "input_json_delta", "partial_json"),
            Self::Thinking { text, signature } => {
                let mut deltas = each(text, "thinking_delta", "thinking");
                deltas.push((
                    format!(r#"{{"type":"signature_delta","signature":{}}}"#, quoted(signature)),
                    0,
                ));
                deltas
            }
            Self::Unknown => vec![(r#"{"type":"mystery_delta","payload":{"n":1}}"#.to_owned(), 0)],
        }
    }
}

fn tool(id: &str, name: &str, input: &str) -> String {
    format!(
        r#"{{"type":"tool_use","id":{},"name":{},"input":{input}}}"#,
        quoted(id),
        quoted(name)
    )
}

/// `text` in parts of about `bytes` bytes, cut between characters.
fn parts(text: &str, bytes: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (part, others) = rest.split_at(rest.ceil_char_boundary(bytes));
        parts.push(part);
        rest = others;
    }
    parts
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    json!(text).to_string()
}
