//! What a call used: token counts, how they are read from an answer, and how the call ended.

mod meter;
mod outcome;
mod report;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use meter::{Reading, UsageMeter};
pub use outcome::{Outcome, StopReason};
pub use report::UsageReport;

/// A number of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(u64);

impl Tokens {
    /// None.
    pub const ZERO: Self = Self(0);

    /// So many tokens.
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// The count.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The sum, held at `u64::MAX`.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The tokens of one call, by what they cost. The five counts are disjoint, as in Anthropic's `usage`.
///
/// As JSON: `{"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":3,
/// "cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5}}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "UsageJson", into = "UsageJson")]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to the cache.
    pub input_tokens: Tokens,
    /// Tokens the model produced.
    pub output_tokens: Tokens,
    /// Prompt tokens read from the cache.
    pub cache_read_input_tokens: Tokens,
    /// Prompt tokens written to the cache for 5 minutes.
    pub cache_write_5m_tokens: Tokens,
    /// Prompt tokens written to the cache for an hour.
    pub cache_write_1h_tokens: Tokens,
}

impl Usage {
    /// The whole prompt, cached or not: what decides the prompt-length band of a price.
    pub const fn prompt_tokens(&self) -> Tokens {
        self.input_tokens
            .saturating_add(self.cache_read_input_tokens)
            .saturating_add(self.cache_write_5m_tokens)
            .saturating_add(self.cache_write_1h_tokens)
    }

    /// Both together, count by count.
    #[must_use]
    pub const fn saturating_add(&self, other: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cache_read_input_tokens: self
                .cache_read_input_tokens
                .saturating_add(other.cache_read_input_tokens),
            cache_write_5m_tokens: self.cache_write_5m_tokens.saturating_add(other.cache_write_5m_tokens),
            cache_write_1h_tokens: self.cache_write_1h_tokens.saturating_add(other.cache_write_1h_tokens),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct UsageJson {
    input_tokens: Tokens,
    output_tokens: Tokens,
    cache_read_input_tokens: Tokens,
    cache_creation: CacheCreationJson,
}

#[derive(Serialize, Deserialize)]
struct CacheCreationJson {
    ephemeral_5m_input_tokens: Tokens,
    ephemeral_1h_input_tokens: Tokens,
}

impl From<UsageJson> for Usage {
    fn from(json: UsageJson) -> Self {
        Self {
            input_tokens: json.input_tokens,
            output_tokens: json.output_tokens,
            cache_read_input_tokens: json.cache_read_input_tokens,
            cache_write_5m_tokens: json.cache_creation.ephemeral_5m_input_tokens,
            cache_write_1h_tokens: json.cache_creation.ephemeral_1h_input_tokens,
        }
    }
}

impl From<Usage> for UsageJson {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_input_tokens: usage.cache_read_input_tokens,
            cache_creation: CacheCreationJson {
                ephemeral_5m_input_tokens: usage.cache_write_5m_tokens,
                ephemeral_1h_input_tokens: usage.cache_write_1h_tokens,
            },
        }
    }
}
