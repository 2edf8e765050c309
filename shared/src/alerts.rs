//! Alerts of budgets, delivered: to a bus of EventBridge, to a topic of SNS, and to a webhook.
//!
//! None is set up unless its variable names it. Each is told the same JSON, with the same id however often it is told; what it says
//! is in `docs/alerts.md`.

mod address;
mod webhook;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::MessageAttributeValue;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::budget::BudgetId;
use crate::clock::rfc3339_millis;
use crate::config::{ConfigError, Variables, tree};
use crate::error::Error;
use crate::secret::hex;
use crate::secrets::Secrets;
use crate::store::PendingAlert;

pub(crate) use address::Resolver;
pub use address::is_public;
pub(crate) use webhook::public_url;
use webhook::{Endpoint, Webhook};
pub use webhook::{SECRET_PREFIX, signature};

/// The kind of event, in its JSON.
pub const TYPE: &str = "budget.threshold_reached";
/// Who says so, on a bus.
const SOURCE: &str = "tollgate";
/// What it is called there.
const DETAIL_TYPE: &str = "Budget Threshold Reached";

/// Where alerts go.
pub struct Alerts {
    bus: Option<(aws_sdk_eventbridge::Client, String)>,
    topic: Option<(aws_sdk_sns::Client, String)>,
    webhook: Option<Webhook>,
}

/// One way for alerts to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A bus of EventBridge.
    Bus,
    /// A topic of SNS.
    Topic,
    /// A webhook.
    Webhook,
}

impl Target {
    /// The name in items and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bus => "eventbridge",
            Self::Topic => "sns",
            Self::Webhook => "webhook",
        }
    }
}

impl Alerts {
    /// Reads which targets there are, and builds their clients. Nothing goes out before the first alert.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn new(aws: &Aws, variables: &Variables) -> Result<Self, ConfigError> {
        let bus = tree::ALERT_BUS.find(variables)?;
        let topic = tree::ALERT_TOPIC.find(variables)?;
        Ok(Self {
            bus: bus.map(|name| (aws.eventbridge(), name)),
            topic: topic.map(|arn| (aws.sns(), arn)),
            webhook: webhook(aws, variables)?,
        })
    }

    /// The targets that are set up.
    pub fn targets(&self) -> Vec<Target> {
        let all = [
            self.bus.as_ref().map(|_| Target::Bus),
            self.topic.as_ref().map(|_| Target::Topic),
            self.webhook.as_ref().map(|_| Target::Webhook),
        ];
        all.into_iter().flatten().collect()
    }

    /// Delivers an alert to one target. A target that is not set up has it without any ado.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may have arrived or not.
    pub async fn deliver(&self, target: Target, alert: &PendingAlert, now: Timestamp) -> Result<(), Error> {
        let body = payload(alert).to_string();
        match target {
            Target::Bus => match &self.bus {
                Some((client, bus)) => put_event(client, bus, alert, body).await,
                None => Ok(()),
            },
            Target::Topic => match &self.topic {
                Some((client, topic)) => publish(client, topic, alert, body).await,
                None => Ok(()),
            },
            Target::Webhook => match &self.webhook {
                Some(webhook) => webhook.post(&alert.event_id, now, body).await,
                None => Ok(()),
            },
        }
    }
}

/// The id of the one event of this percentage of this budget's window: whoever raises it again, raises the same.
pub fn event_id(budget: &BudgetId, percent: u8) -> String {
    let BudgetId {
        scope,
        id,
        unit,
        window,
        start,
    } = budget;
    let text = [scope.label(), id, unit.label(), window.label(), start.as_str()].join("\n");
    let text = format!("{text}\n{percent}");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let start = digest.as_ref().get(..16).unwrap_or_default();
    format!("alert_{}", hex(start))
}

/// What receivers are told.
pub fn payload(alert: &PendingAlert) -> Value {
    let budget = &alert.budget;
    json!({
        "type": TYPE,
        "id": alert.event_id,
        "timestamp": rfc3339_millis(alert.raised_at),
        "data": {
            "scope": budget.scope,
            "id": budget.id,
            "unit": budget.unit,
            "window": budget.window,
            "window_start": budget.start,
            "percent": alert.percent,
            "limit": alert.limit,
            "spent": alert.spent,
        },
    })
}

fn webhook(aws: &Aws, variables: &Variables) -> Result<Option<Webhook>, ConfigError> {
    let name = "TOLLGATE_ALERT_WEBHOOK_URL";
    let expected = "an https:// URL without user, whose host is no private address";
    let Some(url) = tree::ALERT_WEBHOOK_URL.find(variables)? else {
        return Ok(None);
    };
    // Set by local stacks alone.
    let loopback = tree::ALERT_WEBHOOK_LOOPBACK.find(variables)?.is_some();
    let endpoint = Endpoint::new(url.as_str(), loopback).ok_or(ConfigError::Wrong { name, expected })?;
    let secret = tree::ALERT_WEBHOOK_SECRET.get(variables)?;
    let secrets = Secrets::new(aws);
    Webhook::new(endpoint, secrets, secret)
        .map(Some)
        .map_err(|_| ConfigError::Wrong { name, expected })
}

async fn put_event(
    client: &aws_sdk_eventbridge::Client,
    bus: &str,
    alert: &PendingAlert,
    body: String,
) -> Result<(), Error> {
    let entry = PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(SOURCE)
        .detail_type(DETAIL_TYPE)
        .time(aws_smithy_types::DateTime::from_millis(
            alert.raised_at.as_millisecond(),
        ))
        .detail(body)
        .build();
    let answer = client
        .put_events()
        .entries(entry)
        .send()
        .await
        .map_err(Error::unavailable)?;
    match answer.failed_entry_count {
        0 => Ok(()),
        _ => Err(Error::unavailable("the bus did not take the event")),
    }
}

async fn publish(client: &aws_sdk_sns::Client, topic: &str, alert: &PendingAlert, body: String) -> Result<(), Error> {
    let kind = MessageAttributeValue::builder()
        .data_type("String")
        .string_value(TYPE)
        .build()
        .map_err(Error::internal)?;
    let mut publish = client
        .publish()
        .topic_arn(topic)
        .message(body)
        .message_attributes("type", kind);
    if topic.ends_with(".fifo") {
        publish = publish
            .message_group_id(SOURCE)
            .message_deduplication_id(&alert.event_id);
    }
    publish.send().await.map(drop).map_err(Error::unavailable)
}

#[cfg(test)]
mod tests;
