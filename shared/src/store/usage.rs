//! Usage rows: one for each call to Bedrock, written once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::usage_form::{COMPACT, PLAIN, compact_usage, plain_usage};
use super::{Cursor, Item, List, OpenCall, Page, Store, item, key, unavailable};
use crate::attribution::WorkId;
use crate::budget::Window;
use crate::error::Error;
use crate::money::Picodollars;
use crate::price::{BandRates, price};
use crate::principal::{Subject, Team};
use crate::rollup::Counted;
use crate::usage::{Outcome, StopReason, Usage};
use crate::wire::dialect::Dialect;

/// What one call to Bedrock was and cost. It holds no word of prompt or answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// The request's id, as its caller saw it.
    pub request_id: String,
    /// Who called.
    pub principal: Subject,
    /// On whose account, if on a team's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Team>,
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
    /// The target that answered, as it is configured; none in rows of before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The session of Claude Code that the caller named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<WorkId>,
    /// The agent within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<WorkId>,
    /// Bedrock's service tier, which is part of the price.
    #[serde(default = "default_tier")]
    pub service_tier: String,
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
    /// The prices that say so.
    pub price_version: String,
    /// The rates of the band that applied, from which the cost follows without any price list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<BandRates>,
    /// Whether Bedrock did not live to say what was used, so that this is an estimate.
    pub estimated: bool,
}

impl UsageRow {
    /// The model without profile.
    pub fn base_model(&self) -> &str {
        let profile = self.profile.as_deref().unwrap_or_default();
        let rest = self.price_model.strip_prefix(profile);
        rest.and_then(|rest| rest.strip_prefix('.'))
            .unwrap_or(&self.price_model)
    }

    /// What of it counts in sums.
    pub fn counted(&self) -> Counted<'_> {
        Counted {
            started_at: self.started_at,
            principal: &self.principal,
            team: self.team.as_ref(),
            key_id: self.key_id.as_deref(),
            base_model: self.base_model(),
            dialect: self.dialect,
            outcome: self.outcome,
            estimated: self.estimated,
            usage: self.usage,
            cost: self.cost_picodollars,
        }
    }
}

/// How a call ended: what its row says beyond what was known before it went out.
#[derive(Clone, Debug)]
pub struct CallEnd {
    /// When its answer had ended.
    pub ended_at: Timestamp,
    /// From sending the call to the end of its answer.
    pub latency_ms: u64,
    /// From sending the call to the first byte of its answer's body.
    pub time_to_first_byte_ms: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the model stopped.
    pub stop_reason: Option<StopReason>,
    /// Bedrock's status, if it answered.
    pub upstream_status: Option<u16>,
    /// Bedrock's own request id.
    pub upstream_request_id: Option<String>,
    /// The tokens.
    pub usage: Usage,
    /// Whether they are an estimate.
    pub estimated: bool,
}

impl UsageRow {
    /// The row of a call that ended so. What it cost follows from the rates that it was opened with.
    pub fn of(call: &OpenCall, end: CallEnd) -> Self {
        Self {
            request_id: call.request_id.clone(),
            principal: call.principal.clone(),
            team: call.team.clone(),
            key_id: call.key_id.clone(),
            model: call.model.clone(),
            price_model: call.price_model.clone(),
            profile: call.profile.clone(),
            region: call.region.clone(),
            target: call.target.clone(),
            session_id: call.session_id.clone(),
            agent_id: call.agent_id.clone(),
            service_tier: call.service_tier.clone(),
            dialect: call.dialect,
            streamed: call.streamed,
            started_at: call.started_at,
            ended_at: end.ended_at,
            latency_ms: end.latency_ms,
            time_to_first_byte_ms: end.time_to_first_byte_ms,
            outcome: end.outcome,
            stop_reason: end.stop_reason,
            upstream_status: end.upstream_status,
            upstream_request_id: end.upstream_request_id,
            cost_picodollars: price(&call.rates, &end.usage),
            price_version: call.price_version.clone(),
            rates: Some(*call.rates.band(end.usage.prompt_tokens())),
            usage: end.usage,
            estimated: end.estimated,
        }
    }
}

/// What becomes of a row that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is the call's row.
    Now,
    /// The call had this row already, and keeps it.
    Before(Box<UsageRow>),
}

const SECONDS_A_DAY: i64 = 86_400;

fn default_tier() -> String {
    "default".to_owned()
}

fn earlier(item: Option<Item>) -> Result<Recorded, Error> {
    let item = item.ok_or_else(|| Error::internal("a row that is there already did not come back"))?;
    Ok(Recorded::Before(Box::new(row(item)?)))
}

/// Reads a row, whichever form it has.
pub(super) fn row(item: Item) -> Result<UsageRow, Error> {
    serde_dynamo::from_item(plain_usage(item)?).map_err(Error::internal)
}

/// A row as it is written.
fn written(row: &UsageRow, compact: bool) -> Result<Item, Error> {
    let key = key::usage_row(&row.principal, row.started_at, &row.request_id);
    if compact {
        return compact_usage(item(key, COMPACT, row)?);
    }
    item(key, PLAIN, row)
}

impl Store {
    /// Writes a row, which is forgotten `retention_days` after the call. Writing it again changes nothing, so a lost answer may
    /// be met with another try; of two who tell a call's cost differently (the function that made it, and the sweep that took it
    /// for dead), the first has told it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn record_usage(&self, row: &UsageRow, retention_days: u32) -> Result<Recorded, Error> {
        let mut item = written(row, self.writes_compact_usage().await)?;
        let expires_at = row.started_at.as_second() + i64::from(retention_days) * SECONDS_A_DAY;
        item.insert("expires_at".to_owned(), AttributeValue::N(expires_at.to_string()));
        let day = Window::Day.start(row.started_at).to_string();
        item.insert(key::DAY.to_owned(), AttributeValue::S(day));
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Recorded::Now),
            Err(SdkError::ServiceError(failure)) => match failure.into_err() {
                PutItemError::ConditionalCheckFailedException(refusal) => earlier(refusal.item),
                other => Err(Error::unavailable(other)),
            },
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The row of a call, if it has one.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn usage_row(
        &self,
        principal: &Subject,
        started_at: Timestamp,
        request_id: &str,
    ) -> Result<Option<UsageRow>, Error> {
        let item: Option<Item> = self
            .read_item(key::usage_row(principal, started_at, request_id))
            .await?;
        item.map(row).transpose()
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
        let page = self
            .list_items(List {
                partition,
                prefix: None,
                newest_first: true,
                limit,
                after,
            })
            .await?;
        Ok(Page {
            items: page.items.into_iter().map(row).collect::<Result<_, _>>()?,
            next_cursor: page.next_cursor,
        })
    }
}
