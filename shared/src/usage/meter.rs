//! Reads along with an answer and says at any moment what it has used so far.

use super::{Tokens, Usage, UsageReport};

/// Bytes of answer taken for one token where the upstream did not live to say how many there were.
const BYTES_PER_TOKEN: u64 = 4;

/// What an answer has used, as far as it was seen. Pure: fed by whoever reads the answer.
///
/// For an answer in one piece call [`message`](Self::message); for a stream the others, in the order of its events.
#[derive(Clone, Debug, Default)]
pub struct UsageMeter {
    stated: UsageReport,
    metrics: Option<UsageReport>,
    answer_bytes: u64,
    is_final: bool,
}

/// What a [`UsageMeter`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What was used.
    pub usage: Usage,
    /// Whether the upstream said so itself, in full. If not, this is an estimate and its row says so.
    pub exact: bool,
    /// Whether Bedrock's metrics say otherwise than the message's own usage, which is what counts. Worth a log line.
    pub metrics_disagree: bool,
}

impl UsageMeter {
    /// A meter at nought.
    pub fn new() -> Self {
        Self::default()
    }

    /// The usage of an answer that came in one piece.
    pub fn message(&mut self, usage: UsageReport) {
        self.stated = self.stated.then(usage);
        self.is_final = usage.output_tokens.is_some();
    }

    /// The usage of a `message_start`: the prompt's counts are right, the output is only a beginning.
    pub fn message_start(&mut self, usage: UsageReport) {
        self.stated = self.stated.then(usage);
    }

    /// So many bytes of UTF-8 of what a `content_block_delta` adds: text, thinking, signature or partial JSON.
    pub fn content_delta(&mut self, bytes: usize) {
        self.answer_bytes = self
            .answer_bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.is_final = false;
    }

    /// The usage of a `message_delta`: running totals, final unless more content follows.
    pub fn message_delta(&mut self, usage: UsageReport) {
        self.message(usage);
    }

    /// Bedrock's own metrics: the fallback where the message's usage is missing or malformed, else a cross-check.
    pub fn invocation_metrics(&mut self, metrics: UsageReport) {
        self.metrics = Some(metrics);
    }

    /// What was used so far.
    pub fn reading(&self) -> Reading {
        let metrics = self.metrics.filter(is_complete);
        match metrics {
            Some(metrics) if !self.is_exact() => self.by_metrics(metrics),
            _ => self.by_statements(metrics),
        }
    }

    fn is_exact(&self) -> bool {
        self.is_final && is_complete(&self.stated) && self.stated.usage().1
    }

    fn by_statements(&self, metrics: Option<UsageReport>) -> Reading {
        let (mut usage, _) = self.stated.usage();
        let exact = self.is_exact();
        if !self.is_final {
            usage.output_tokens = usage.output_tokens.max(self.estimated_output());
        }
        let metrics_disagree = metrics.is_some_and(|metrics| disagree(&usage, &metrics));
        Reading {
            usage,
            exact,
            metrics_disagree,
        }
    }

    /// Metrics tell cache writes in one number; the lifetimes come from what the message said. Where the message said
    /// something malformed, they must name every count to be believed in full.
    fn by_metrics(&self, metrics: UsageReport) -> Reading {
        let (usage, consistent) = self.stated.then(metrics).usage();
        let names_cache = metrics.cache_read_input_tokens.is_some() && metrics.cache_write_tokens.is_some();
        let exact = consistent && (names_cache || !self.stated.malformed);
        Reading {
            usage,
            exact,
            metrics_disagree: false,
        }
    }

    fn estimated_output(&self) -> Tokens {
        Tokens::new(self.answer_bytes.div_ceil(BYTES_PER_TOKEN))
    }
}

fn is_complete(report: &UsageReport) -> bool {
    !report.malformed && report.input_tokens.is_some() && report.output_tokens.is_some()
}

fn disagree(usage: &Usage, metrics: &UsageReport) -> bool {
    let writes = usage.cache_write_5m_tokens.saturating_add(usage.cache_write_1h_tokens);
    let differs = |stated: Tokens, metric: Option<Tokens>| metric.is_some_and(|metric| metric != stated);
    differs(usage.input_tokens, metrics.input_tokens)
        || differs(usage.output_tokens, metrics.output_tokens)
        || differs(usage.cache_read_input_tokens, metrics.cache_read_input_tokens)
        || differs(writes, metrics.cache_write_tokens)
}

#[cfg(test)]
mod tests;
