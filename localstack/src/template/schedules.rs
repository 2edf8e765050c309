//! Functions' events of type `Schedule` (a rule of EventBridge) and `ScheduleV2` (EventBridge Scheduler).

use serde_json::Value;

use super::functions::binary;
use super::intrinsics::Scope;
use super::node::Node;
use super::{ACCOUNT_ID, Error, REGION, STACK_NAME};

/// A function that is invoked every so often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name, made of the stack's, the function's logical id and the event's.
    pub name: String,
    /// The function's name.
    pub function: String,
    /// How much time is between two invocations, in seconds.
    pub period_seconds: u64,
    /// The event, if the template says what it is to be.
    pub input: Option<String>,
    /// What invokes it.
    pub scheduler: Scheduler,
}

/// The two services that keep schedules. Their events differ in source and resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduler {
    /// A rule of EventBridge: `Type: Schedule`.
    Rule,
    /// EventBridge Scheduler: `Type: ScheduleV2`.
    Scheduler,
}

impl Schedule {
    /// The ARN that events name as their resource.
    #[must_use]
    pub fn arn(&self) -> String {
        let name = &self.name;
        match self.scheduler {
            Scheduler::Rule => format!("arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{name}"),
            Scheduler::Scheduler => format!("arn:aws:scheduler:{REGION}:{ACCOUNT_ID}:schedule/default/{name}"),
        }
    }
}

/// The schedules of all functions that are not disabled.
pub(super) fn read(scope: &Scope<'_>) -> Result<Vec<Schedule>, Error> {
    let mut schedules = Vec::new();
    for (id, resource) in scope.resources("AWS::Serverless::Function")? {
        let events = resource.pointer("/Properties/Events").and_then(Value::as_object);
        for (event, declared) in events.into_iter().flatten() {
            let (scheduler, expression) = match declared.get("Type").and_then(Value::as_str) {
                Some("Schedule") => (Scheduler::Rule, "Schedule"),
                Some("ScheduleV2") => (Scheduler::Scheduler, "ScheduleExpression"),
                _ => continue,
            };
            let place = format!("Events.{event}.Properties");
            let properties = scope.property_at(id, &place, declared.get("Properties"))?;
            if is_enabled(&properties)? {
                schedules.push(Schedule {
                    name: format!("{STACK_NAME}-{id}{event}"),
                    function: binary(id, resource),
                    period_seconds: period_seconds(&properties.require(expression)?)?,
                    input: properties.get("Input").map(|input| input.text()).transpose()?,
                    scheduler,
                });
            }
        }
    }
    Ok(schedules)
}

fn is_enabled(properties: &Node) -> Result<bool, Error> {
    let enabled = properties.get("Enabled").map_or(Ok(true), |node| node.boolean())?;
    let state = properties.get("State").map(|node| node.text()).transpose()?;
    Ok(enabled && state.as_deref() != Some("DISABLED"))
}

/// `rate(5 minutes)` in seconds. The unit is in the singular for 1 and in the plural for more, as AWS insists.
fn period_seconds(expression: &Node) -> Result<u64, Error> {
    let text = expression.text()?;
    if !text.starts_with("rate(") {
        return Err(expression.error(format!("only rate(...) is understood here, not {text}")));
    }
    rate(&text).ok_or_else(|| expression.error(format!("{text} is not a rate like rate(5 minutes)")))
}

fn rate(text: &str) -> Option<u64> {
    let (value, unit) = text.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let value: u64 = value.parse().ok().filter(|value| *value > 0)?;
    let singular = if value == 1 { unit } else { unit.strip_suffix('s')? };
    let seconds = match singular {
        "minute" => 60,
        "hour" => 60 * 60,
        "day" => 24 * 60 * 60,
        _ => return None,
    };
    value.checked_mul(seconds)
}
