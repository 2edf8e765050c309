//! One statement of usage by the upstream: a `usage` object, or Bedrock's metrics.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{Tokens, Usage};

/// The largest count that is believed: 2⁵³ − 1, which every JSON reader holds exactly. No call comes near it.
const MAX_COUNT: u64 = (1 << 53) - 1;

/// What one statement says: every count it names, and nothing for those it leaves out.
///
/// Reading never fails. A count that is negative, fractional, huge or no number is left out and makes the statement
/// [`malformed`](Self::malformed), so that what is billed by it counts as an estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageReport {
    /// `input_tokens`.
    pub input_tokens: Option<Tokens>,
    /// `output_tokens`.
    pub output_tokens: Option<Tokens>,
    /// `cache_read_input_tokens`.
    pub cache_read_input_tokens: Option<Tokens>,
    /// `cache_creation_input_tokens`: the writes of both lifetimes.
    pub cache_write_tokens: Option<Tokens>,
    /// `cache_creation.ephemeral_5m_input_tokens`.
    pub cache_write_5m_tokens: Option<Tokens>,
    /// `cache_creation.ephemeral_1h_input_tokens`.
    pub cache_write_1h_tokens: Option<Tokens>,
    /// Whether something in it was no count.
    pub malformed: bool,
}

impl UsageReport {
    /// Reads the `usage` object of a message, of a `message_start` or of a `message_delta`.
    ///
    /// With compaction the counts at the top are those of the last step alone, and all steps together are what is billed
    /// (`iterations`): then each count is the larger of the one at the top and the sum over the steps.
    pub fn from_usage(usage: &Value) -> Self {
        let Some(usage) = usage.as_object() else {
            return Self {
                malformed: !usage.is_null(),
                ..Self::default()
            };
        };
        let top = Self::from_step(usage);
        match usage.get("iterations") {
            None | Some(Value::Null) => top,
            Some(Value::Array(steps)) => steps
                .iter()
                .map(|step| step.as_object().map_or(Self::MALFORMED, Self::from_step))
                .reduce(Self::plus)
                .map_or(top, |steps| top.at_least(steps)),
            Some(_) => Self { malformed: true, ..top },
        }
    }

    /// Reads Bedrock's `amazon-bedrock-invocationMetrics`.
    pub fn from_invocation_metrics(metrics: &Value) -> Self {
        let Some(metrics) = metrics.as_object() else {
            return Self {
                malformed: !metrics.is_null(),
                ..Self::default()
            };
        };
        let mut read = Reader::default();
        Self {
            input_tokens: read.count(metrics, "inputTokenCount"),
            output_tokens: read.count(metrics, "outputTokenCount"),
            cache_read_input_tokens: read.count(metrics, "cacheReadInputTokenCount"),
            cache_write_tokens: read.count(metrics, "cacheWriteInputTokenCount"),
            cache_write_5m_tokens: None,
            cache_write_1h_tokens: None,
            malformed: read.malformed,
        }
    }

    /// Reads the `usage` of `Converse`'s answers and of the `metadata` event of its streams (Bedrock Runtime API, `TokenUsage`): tokens
    /// written to the cache stand in `cacheDetails` by lifetime. One of a lifetime that is not known here counts as the longest.
    pub fn from_converse(usage: &Value) -> Self {
        let Some(usage) = usage.as_object() else {
            return Self {
                malformed: !usage.is_null(),
                ..Self::default()
            };
        };
        let mut read = Reader::default();
        let mut report = Self {
            input_tokens: read.count(usage, "inputTokens"),
            output_tokens: read.count(usage, "outputTokens"),
            cache_read_input_tokens: read.count(usage, "cacheReadInputTokens"),
            cache_write_tokens: read.count(usage, "cacheWriteInputTokens"),
            ..Self::default()
        };
        let details = match usage.get("cacheDetails") {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(details)) => details,
            Some(_) => {
                read.malformed = true;
                &[]
            }
        };
        for detail in details {
            let written = detail.as_object().and_then(|detail| read.count(detail, "inputTokens"));
            let (place, known) = match detail["ttl"].as_str() {
                Some("5m") => (&mut report.cache_write_5m_tokens, true),
                ttl => (&mut report.cache_write_1h_tokens, ttl == Some("1h")),
            };
            read.malformed |= written.is_none() || !known;
            *place = Some(place.unwrap_or_default().saturating_add(written.unwrap_or_default()));
        }
        report.malformed = read.malformed;
        report
    }

    const MALFORMED: Self = Self {
        input_tokens: None,
        output_tokens: None,
        cache_read_input_tokens: None,
        cache_write_tokens: None,
        cache_write_5m_tokens: None,
        cache_write_1h_tokens: None,
        malformed: true,
    };

    fn from_step(step: &Map<String, Value>) -> Self {
        let mut read = Reader::default();
        let empty = Map::new();
        let split = match step.get("cache_creation") {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(split)) => split,
            Some(_) => {
                read.malformed = true;
                &empty
            }
        };
        Self {
            input_tokens: read.count(step, "input_tokens"),
            output_tokens: read.count(step, "output_tokens"),
            cache_read_input_tokens: read.count(step, "cache_read_input_tokens"),
            cache_write_tokens: read.count(step, "cache_creation_input_tokens"),
            cache_write_5m_tokens: read.count(split, "ephemeral_5m_input_tokens"),
            cache_write_1h_tokens: read.count(split, "ephemeral_1h_input_tokens"),
            malformed: read.malformed,
        }
    }

    /// This statement after a later one: counts are running totals, so each count that the later one names replaces ours.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        self.combine(later, |ours, later| later.or(ours))
    }

    fn plus(self, other: Self) -> Self {
        self.combine(other, |a, b| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (one, other) => one.or(other),
        })
    }

    fn at_least(self, other: Self) -> Self {
        self.combine(other, Option::max)
    }

    fn combine(self, other: Self, pick: fn(Option<Tokens>, Option<Tokens>) -> Option<Tokens>) -> Self {
        Self {
            input_tokens: pick(self.input_tokens, other.input_tokens),
            output_tokens: pick(self.output_tokens, other.output_tokens),
            cache_read_input_tokens: pick(self.cache_read_input_tokens, other.cache_read_input_tokens),
            cache_write_tokens: pick(self.cache_write_tokens, other.cache_write_tokens),
            cache_write_5m_tokens: pick(self.cache_write_5m_tokens, other.cache_write_5m_tokens),
            cache_write_1h_tokens: pick(self.cache_write_1h_tokens, other.cache_write_1h_tokens),
            malformed: self.malformed || other.malformed,
        }
    }

    /// The counts as usage, what is not stated as nought; and whether the cache writes add up.
    pub(super) fn usage(&self) -> (Usage, bool) {
        let (cache_write_5m_tokens, cache_write_1h_tokens, consistent) = self.cache_writes();
        let usage = Usage {
            input_tokens: self.input_tokens.unwrap_or_default(),
            output_tokens: self.output_tokens.unwrap_or_default(),
            cache_read_input_tokens: self.cache_read_input_tokens.unwrap_or_default(),
            cache_write_5m_tokens,
            cache_write_1h_tokens,
        };
        (usage, consistent)
    }

    /// Cache writes by lifetime. Without a split they are of 5 minutes, which is what the API does unless told otherwise.
    /// Where split and total disagree, the larger number of tokens is billed, and what the split leaves out goes to the
    /// dearer lifetime if the split names it at all.
    fn cache_writes(&self) -> (Tokens, Tokens, bool) {
        let total = self.cache_write_tokens;
        if self.cache_write_5m_tokens.is_none() && self.cache_write_1h_tokens.is_none() {
            return (total.unwrap_or_default(), Tokens::ZERO, true);
        }
        let short = self.cache_write_5m_tokens.unwrap_or_default();
        let long = self.cache_write_1h_tokens.unwrap_or_default();
        let split = short.saturating_add(long);
        let total = total.unwrap_or(split);
        let rest = Tokens::new(total.as_u64().saturating_sub(split.as_u64()));
        if long > Tokens::ZERO {
            (short, long.saturating_add(rest), split == total)
        } else {
            (short.saturating_add(rest), long, split == total)
        }
    }
}

impl<'de> Deserialize<'de> for UsageReport {
    /// As [`UsageReport::from_usage`]: fails only if the text is not JSON.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|usage| Self::from_usage(&usage))
    }
}

/// Reads counts and remembers whether one was none.
#[derive(Default)]
struct Reader {
    malformed: bool,
}

impl Reader {
    fn count(&mut self, object: &Map<String, Value>, name: &str) -> Option<Tokens> {
        let value = object.get(name).filter(|value| !value.is_null())?;
        let count = value.as_u64().filter(|count| *count <= MAX_COUNT);
        self.malformed |= count.is_none();
        count.map(Tokens::new)
    }
}

#[cfg(test)]
mod tests;
