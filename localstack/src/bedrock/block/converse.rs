//! A content block as `Converse` has it.

use super::{Block, parts, quoted};

impl Block {
    /// The block as part of a message.
    pub(in crate::bedrock) fn converse_json(&self) -> String {
        match self {
            Self::Thinking { text, signature } => format!(
                r#"{{"reasoningContent":{{"reasoningText":{{"text":{},"signature":{}}}}}}}"#,
                quoted(text),
                quoted(signature)
            ),
            Self::Text(text) => format!(r#"{{"text":{}}}"#, quoted(text)),
            Self::Tool { id, name, input } => format!(
                r#"{{"toolUse":{{"toolUseId":{},"name":{},"input":{input}}}}}"#,
                quoted(&tool_use_id(id)),
                quoted(name)
            ),
            Self::Unknown => r#"{"mysteryBlock":{"n":1}}"#.to_owned(),
        }
    }

    /// The block as it begins in a stream, if it says that it begins.
    pub(in crate::bedrock) fn converse_start(&self) -> Option<String> {
        match self {
            Self::Tool { id, name, .. } => Some(format!(
                r#"{{"toolUse":{{"toolUseId":{},"name":{}}}}}"#,
                quoted(&tool_use_id(id)),
                quoted(name)
            )),
            Self::Unknown => Some(r#"{"mysteryBlock":{}}"#.to_owned()),
            Self::Thinking { .. } | Self::Text(_) => None,
        }
    }

    /// The deltas, each with the bytes it says.
    pub(in crate::bedrock) fn converse_deltas(&self, delta_bytes: usize) -> Vec<(String, usize)> {
        let each = |text: &str, form: fn(String) -> String| {
            let delta = |part: &str| (form(quoted(part)), part.len());
            parts(text, delta_bytes).into_iter().map(delta).collect::<Vec<_>>()
        };
        match self {
            Self::Text(text) => each(text, |part| format!(r#"{{"text":{part}}}"#)),
            Self::Tool { input, .. } => each(input, |part| format!(r#"{{"toolUse":{{"input":{part}}}}}"#)),
            Self::Thinking { text, signature } => {
                let mut deltas = each(text, |part| format!(r#"{{"reasoningContent":{{"text":{part}}}}}"#));
                let signature = format!(r#"{{"reasoningContent":{{"signature":{}}}}}"#, quoted(signature));
                deltas.push((signature, 0));
                deltas
            }
            Self::Unknown => vec![(r#"{"mysteryDelta":{"n":1}}"#.to_owned(), 0)],
        }
    }
}

/// `Converse` names calls of tools otherwise than the model.
fn tool_use_id(id: &str) -> String {
    id.replacen("toolu_bdrk_01", "tooluse_", 1)
}
