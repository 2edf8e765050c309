//! Usage rows: one for each call to Bedrock, written once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cursor, List, Page, Store, item, key};
use crate::error::Error;
use crate::money::Picodollars;
use crate::principal::Subject;
use crate::usage::{Outcome, StopReason, Usage};
use crate::wire::dialect::Dialect;

const VERSION: u32 = 1;

/// What one call to Bedrock was and cost. It holds no word of prompt or answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// The request's id, as its caller saw it.
    pub request_id: String,
    /// Who called.
    pub principal: Subject,
    /// By which API key, if by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The model, as Bedrock was asked for it: an id with its profile prefix, or an ARN.
    pub model: String,
    /// The price list's id.
    pub price_model: String,
    /// The profile that ran it, which is part of the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The region that Bedrock was called in.
    pub region: String,
    /// The caller's dialect.
    pub dialect: Dialect,
    /// Whether the answer came in events.
    pub streamed: bool,
    /// When the call went out.
    pub started_at: Timestamp,
    /// When its answer had ended.
    pub ended_at: Timestamp,
    /// From sending the call to the end of its answer.
    pub latency_ms: u64,
    /// From sending the call to the first byte of its answer's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first_byte_ms: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the model stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
    /// Bedrock's status, if it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// Bedrock's own request id, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<String>,
    /// The tokens.
    pub usage: Usage,
    /// What they cost, in millionths of a millionth of a dollar.
    pub cost_picodollars: Picodollars,
    /// The price list that says so.
    pub price_version: String,
    /// Whether Bedrock did not live to say what was used, so that this is an estimate.
    pub estimated: bool,
}

impl Store {
    /// Writes a row. Writing it again changes nothing, so a lost answer may be met with another try.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn record_usage(&self, row: &UsageRow) -> Result<(), Error> {
        self.insert(item(
            key::usage_row(&row.principal, row.started_at, &row.request_id),
            VERSION,
            row,
        )?)
        .await
        .map(drop)
    }

    /// The rows of a principal, newest first.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn usage_of(
        &self,
        principal: &Subject,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<UsageRow>, Error> {
        let partition = key::usage(principal);
        self.list(List {
            partition,
            prefix: None,
            newest_first: true,
            limit,
            after,
        })
        .await
    }
}
