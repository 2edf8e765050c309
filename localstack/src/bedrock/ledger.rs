//! What Bedrock would bill: one line a call.

use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::lock;

/// Tokens of a call, in the API's terms: input excludes what the cache gave or took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Uncached input.
    pub input_tokens: u64,
    /// Output.
    pub output_tokens: u64,
    /// Input read from the cache.
    pub cache_read_input_tokens: u64,
    /// Input written to the cache.
    pub cache_creation: CacheCreation,
}

/// Tokens written to the cache, by lifetime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheCreation {
    /// Kept for five minutes.
    pub ephemeral_5m_input_tokens: u64,
    /// Kept for an hour.
    pub ephemeral_1h_input_tokens: u64,
}

impl CacheCreation {
    pub(super) fn total(self) -> u64 {
        self.ephemeral_5m_input_tokens + self.ephemeral_1h_input_tokens
    }
}

/// One call.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// `x-amzn-requestid`.
    pub request_id: String,
    /// The model id as it came, decoded.
    pub model: String,
    /// The region that the call was signed for.
    pub region: String,
    /// The id whose price was taken; empty for a model that is not known.
    pub priced_as: String,
    /// `InvokeModel` or `InvokeModelWithResponseStream`.
    pub operation: &'static str,
    /// Status of the head; 0 as long as there is none.
    pub status: u16,
    /// `open`, `complete`, `error` (before the head), `client_left`, `exception`, `cut`, `truncated` or `ended`.
    pub outcome: &'static str,
    /// What is billed.
    pub usage: Usage,
    /// What it costs.
    pub cost_picodollars: u128,
    /// Whether it is billed at all.
    pub billed: bool,
    /// Whether the caller was sent all the counts that the bill is made of, intact.
    pub exact: bool,
}

/// Sums over the calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// All calls.
    pub calls: usize,
    /// Calls that are billed.
    pub billed: usize,
    /// Calls still under way, which are not billed yet.
    pub open: usize,
    /// Tokens of all billed calls.
    pub usage: Usage,
    /// What they cost.
    pub cost_picodollars: u128,
    /// Requests for `CountTokens`, which are no calls and cost nothing.
    pub count_tokens: usize,
    /// Records of the invocation log that are not in S3 yet.
    pub unlogged: usize,
}

/// Calls and totals.
#[derive(Clone, Debug, Serialize)]
pub struct Ledger {
    /// In the order they began.
    pub calls: Vec<Call>,
    /// Their sums.
    pub totals: Totals,
}

/// The ledger as it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Book(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    calls: Vec<Call>,
    count_tokens: usize,
}

impl Book {
    pub(super) fn ledger(&self) -> Ledger {
        let (calls, count_tokens) = {
            let pages = lock(&self.0);
            (pages.calls.clone(), pages.count_tokens)
        };
        let counted = Totals {
            count_tokens,
            ..Totals::default()
        };
        let totals = calls.iter().fold(counted, add);
        Ledger { calls, totals }
    }

    pub(super) fn clear(&self) {
        *lock(&self.0) = Pages::default();
    }

    /// Notes a request for `CountTokens`.
    pub(super) fn count_tokens(&self) {
        lock(&self.0).count_tokens += 1;
    }

    /// Opens a line for a call.
    pub(super) fn open(&self, request_id: &str, model: &str, region: &str, operation: &'static str) {
        lock(&self.0).calls.push(Call {
            request_id: request_id.to_owned(),
            model: model.to_owned(),
            region: region.to_owned(),
            priced_as: String::new(),
            operation,
            status: 0,
            outcome: "open",
            usage: Usage::default(),
            cost_picodollars: 0,
            billed: false,
            exact: true,
        });
    }

    /// Writes to a call's line, if it was not cleared in the meantime.
    pub(super) fn amend(&self, request_id: &str, write: impl FnOnce(&mut Call)) {
        // The newest are the likeliest.
        if let Some(call) = lock(&self.0)
            .calls
            .iter_mut()
            .rev()
            .find(|call| call.request_id == request_id)
        {
            write(call);
        }
    }
}

fn add(mut totals: Totals, call: &Call) -> Totals {
    let (sum, usage) = (&mut totals.usage, &call.usage);
    sum.input_tokens += usage.input_tokens;
    sum.output_tokens += usage.output_tokens;
    sum.cache_read_input_tokens += usage.cache_read_input_tokens;
    sum.cache_creation.ephemeral_5m_input_tokens += usage.cache_creation.ephemeral_5m_input_tokens;
    sum.cache_creation.ephemeral_1h_input_tokens += usage.cache_creation.ephemeral_1h_input_tokens;
    totals.calls += 1;
    totals.billed += usize::from(call.billed);
    totals.open += usize::from(call.outcome == "open");
    totals.cost_picodollars += call.cost_picodollars;
    totals
}
