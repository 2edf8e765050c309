//! How a call ended.

use serde::{Deserialize, Serialize};

/// How an upstream call ended: the label of its usage row and of its metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The upstream answered in full.
    Success,
    /// The upstream refused the request as the caller wrote it (4xx).
    ClientError,
    /// The upstream refused our rights to the model (401, 403).
    Denied,
    /// The upstream asked to slow down (429).
    Throttled,
    /// The upstream failed (5xx, 424, or no answer at all).
    UpstreamError,
    /// The answer did not come in time (408, 504, or our own deadline).
    Timeout,
    /// The stream began and ended before its end was said.
    StreamInterrupted,
    /// The caller left; the answer was read to its end all the same.
    ClientDisconnected,
    /// The function that made the call died; what it used was found out or estimated later.
    Lost,
}

impl Outcome {
    /// Every outcome, for tables and metrics.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::ClientError,
        Self::Denied,
        Self::Throttled,
        Self::UpstreamError,
        Self::Timeout,
        Self::StreamInterrupted,
        Self::ClientDisconnected,
        Self::Lost,
    ];

    /// The outcome of a call whose upstream answered with this HTTP status.
    pub const fn from_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Success,
            401 | 403 => Self::Denied,
            408 | 504 => Self::Timeout,
            424 => Self::UpstreamError,
            429 => Self::Throttled,
            400..=499 => Self::ClientError,
            _ => Self::UpstreamError,
        }
    }

    /// The label in rows and metrics, in snake case.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ClientError => "client_error",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::UpstreamError => "upstream_error",
            Self::Timeout => "timeout",
            Self::StreamInterrupted => "stream_interrupted",
            Self::ClientDisconnected => "client_disconnected",
            Self::Lost => "lost",
        }
    }
}

/// Why the model stopped, as Anthropic says it. What it says one day and we do not know yet is [`StopReason::Other`]: a
/// row and a metric label must not carry any text that comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model was done.
    EndTurn,
    /// The answer reached `max_tokens`.
    MaxTokens,
    /// The answer reached one of the caller's stop sequences.
    StopSequence,
    /// The model calls a tool.
    ToolUse,
    /// A long turn was paused; the caller may go on.
    PauseTurn,
    /// The model declined.
    Refusal,
    /// The context window was full.
    ModelContextWindowExceeded,
    /// The context was compacted and the turn paused.
    Compaction,
    /// One that is not known here.
    #[serde(other)]
    Other,
}

impl StopReason {
    /// Reads Anthropic's `stop_reason`.
    pub fn from_label(label: &str) -> Self {
        match label {
            "end_turn" => Self::EndTurn,
            "max_tokens" => Self::MaxTokens,
            "stop_sequence" => Self::StopSequence,
            "tool_use" => Self::ToolUse,
            "pause_turn" => Self::PauseTurn,
            "refusal" => Self::Refusal,
            "model_context_window_exceeded" => Self::ModelContextWindowExceeded,
            "compaction" => Self::Compaction,
            _ => Self::Other,
        }
    }

    /// The label in rows and metrics, in snake case.
    pub const fn label(self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::MaxTokens => "max_tokens",
            Self::StopSequence => "stop_sequence",
            Self::ToolUse => "tool_use",
            Self::PauseTurn => "pause_turn",
            Self::Refusal => "refusal",
            Self::ModelContextWindowExceeded => "model_context_window_exceeded",
            Self::Compaction => "compaction",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests;
