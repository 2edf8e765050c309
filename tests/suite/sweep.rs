//! The sweep, over the embedded table, S3 and receivers of this machine: what functions left behind wherever they died ends right,
//! once, and the sums are the sums of the rows.

mod alerts;
mod log;
mod recompute;
mod rollups;
mod stages;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use gateway::budget::{Charge, ORGANISATION_ID, ScopeKind, Unit, Window};
use gateway::price::{Rates, price};
use gateway::store::{CallEnd, HeldLimit, OpenCall, Store, UsageRow};
use gateway::usage::{Outcome, Tokens, Usage};
use gateway::wire::dialect::Dialect;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::backing::Backing;
use tests::books::{Wish, plant};
use tests::in_process::Functions;

/// When the calls of these tests began, unless they say otherwise.
fn began() -> Timestamp {
    "2026-11-25T13:00:00Z".parse().unwrap()
}

/// When all of them are surely dead, and no record of theirs comes into the log any more.
fn later() -> Timestamp {
    began() + SignedDuration::from_hours(2)
}

const LIMIT: u128 = 1_000_000_000;
const USER: &str = "user:sweep";

fn rates(input: u64) -> Rates {
    let rates = json!({
        "input": input, "output": 5 * input, "cache_read": 1, "cache_write_5m": 2 * input, "cache_write_1h": 3 * input,
    });
    serde_json::from_value(rates).unwrap()
}

fn usage(input: u64, output: u64) -> Usage {
    Usage {
        input_tokens: Tokens::new(input),
        output_tokens: Tokens::new(output),
        ..Usage::default()
    }
}

/// A call that holds money of its user's month, its team's week and the organisation's month.
fn call(id: &str) -> OpenCall {
    let (rates, worst_usage) = (rates(1_000), usage(1_000, 100));
    let held = |scope, window| HeldLimit {
        scope,
        unit: Unit::Picodollars,
        window,
    };
    OpenCall {
        request_id: id.to_owned(),
        principal: USER.parse().unwrap(),
        team: Some("books".parse().unwrap()),
        key_id: Some("key_sweep".into()),
        model: "global.anthropic.claude-x".into(),
        price_model: "global.anthropic.claude-x".into(),
        base_model: "anthropic.claude-x".into(),
        profile: Some("global".into()),
        region: "us-east-1".into(),
        target: None,
        session_id: None,
        agent_id: None,
        service_tier: "default".into(),
        dialect: Dialect::Anthropic,
        streamed: true,
        started_at: began(),
        deadline_at: began() + SignedDuration::from_mins(15),
        rates,
        price_version: "test".into(),
        worst_usage,
        worst: Charge::of(&worst_usage, price(&rates, &worst_usage)),
        holds: vec![
            held(ScopeKind::User, Window::Month),
            held(ScopeKind::Team, Window::Week),
            held(ScopeKind::Organisation, Window::Month),
        ],
    }
}

#[test]
fn a_call_that_holds_what_is_none_of_its_own_is_a_fault_and_holds_no_less() {
    let whole = call("one");
    assert_eq!(whole.budgets().unwrap().len(), 3);
    assert!(
        OpenCall {
            team: None,
            ..whole.clone()
        }
        .budgets()
        .is_err()
    );
    let mut of_a_key = whole;
    of_a_key.holds[0].scope = ScopeKind::Key;
    assert_eq!(of_a_key.budgets().unwrap()[0].id, "key_sweep");
    assert!(
        OpenCall {
            key_id: None,
            ..of_a_key
        }
        .budgets()
        .is_err()
    );
}

#[test]
fn holds_that_cannot_be_read_are_a_fault_and_no_call_without_them() {
    let mut stored = serde_json::to_value(call("one")).unwrap();
    assert_eq!(
        stored["holds"],
        "user/picodollars/month team/picodollars/week organisation/picodollars/month"
    );
    for holds in [
        "user",
        "user/picodollars",
        "user/picodollars/month/x",
        "x/picodollars/month",
        "user/x/month",
        "user/picodollars/x",
    ] {
        for holds in [holds.to_owned(), format!("user/tokens/day {holds}")] {
            stored["holds"] = json!(holds);
            assert!(serde_json::from_value::<OpenCall>(stored.clone()).is_err(), "{holds}");
        }
    }
}

/// The row that the call's function would write.
fn row(call: &OpenCall, usage: Usage) -> UsageRow {
    let end = CallEnd {
        ended_at: call.started_at,
        latency_ms: 1,
        time_to_first_byte_ms: None,
        outcome: Outcome::Success,
        stop_reason: None,
        upstream_status: Some(200),
        upstream_request_id: None,
        usage,
        estimated: false,
    };
    UsageRow::of(call, end)
}

/// Gives the owners of [`call`] their limits.
async fn plant_limits(backing: &Backing) {
    let month: Wish = (Unit::Picodollars, Window::Month, LIMIT);
    let week: Wish = (Unit::Picodollars, Window::Week, LIMIT);
    plant(backing, ScopeKind::User, USER, &[month]).await;
    plant(backing, ScopeKind::Team, "books", &[week]).await;
    plant(backing, ScopeKind::Organisation, ORGANISATION_ID, &[month]).await;
}

/// Holds what a call holds, in the first `count` of its budgets.
async fn hold(store: &Store, call: &OpenCall, count: usize) {
    for budget in call.budgets().unwrap().into_iter().take(count) {
        let amount = call.worst.amount(budget.unit);
        let limit = LIMIT.to_string().parse().unwrap();
        store
            .hold(&budget, limit, &call.request_id, amount, None)
            .await
            .unwrap();
    }
}

/// Sweeps as the schedule does.
async fn sweep(functions: &Functions, now: Timestamp) -> Value {
    let event = json!({"source": "aws.events", "time": now.to_string()});
    functions.sweep(&event).await.unwrap()
}

/// The whole table, but for what time alone moves.
async fn table(backing: &Backing) -> BTreeMap<String, Value> {
    let name = backing.template.table_name("Table").unwrap();
    let mut pages = backing
        .dynamodb()
        .scan()
        .table_name(name)
        .consistent_read(true)
        .into_paginator()
        .send();
    let mut all = BTreeMap::new();
    while let Some(page) = pages.next().await {
        for mut item in page.unwrap().items.unwrap_or_default() {
            let text = |name: &str| item.get(name).map(AttributeValue::as_s).unwrap().unwrap().clone();
            let key = format!("{} {}", text("pk"), text("sk"));
            item.remove("covered_until");
            item.remove("repaired_until");
            all.insert(key, serde_dynamo::from_item(item).unwrap());
        }
    }
    all
}

/// The items of the table that were made, changed or removed.
fn changes(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differs = |key: &&&String| before.get(**key) != after.get(**key);
    keys.iter().filter(differs).map(ToString::to_string).collect()
}
