//! Calls over several targets: which are asked, what is left out of a request, when a call ends, and what is written of it.

mod attribution;
mod betas;
mod deadline;
mod room;
mod table;
mod targets;

use gateway::store::UsageRow;
use localstack::bedrock::{Call, RegionScript};
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::Backing;
use tests::books::{balanced, organisation, rows};
use tests::event::messages;
use tests::in_process::Functions;

const ALICE: &str = "user:alice";
/// An Anthropic name, which says nothing of where it may run.
const ALIAS: &str = "claude-sonnet-4-5";

/// Two targets in the order of their list, `east` and `west`.
const TWO: [(&str, &str); 2] = [("east", "us-east-1"), ("west", "us-west-2")];

/// The functions with these targets, by name and region. What else there is to say: members of targets (`east.weight`), or variables.
fn with_targets(backing: &Backing, targets: &[(&str, &str)], more: &[(&'static str, &str)]) -> Functions {
    let (mut list, mut variables) = (Vec::new(), Vec::new());
    for (name, region) in targets {
        list.push(json!({"name": name, "region": region}));
    }
    for (name, value) in more {
        match name.split_once('.') {
            None => variables.push((*name, *value)),
            Some((target, member)) => {
                let place = targets.iter().position(|(name, _)| *name == target).unwrap();
                list[place][member] = value
                    .parse::<u64>()
                    .map_or_else(|_| json!(value), |number| json!(number));
            }
        }
    }
    let list = Value::from(list).to_string();
    variables.push(("TOLLGATE_UPSTREAM_TARGETS", &list));
    Functions::with(backing, &variables)
}

/// The functions with [`TWO`] targets.
fn two(backing: &Backing, more: &[(&'static str, &str)]) -> Functions {
    with_targets(backing, &TWO, more)
}

/// The organisation's budget has spent what Bedrock billed, and holds nothing.
async fn assert_budget_spent_what_was_billed(backing: &Backing, functions: &Functions) {
    let budget = balanced(&backing.store(), &organisation(functions.clock.now()))
        .await
        .unwrap();
    assert_eq!(budget.spent.as_u128(), backing.mock.ledger().totals.cost_picodollars);
    assert!(budget.holds.is_empty());
}

/// A body for the Messages API.
fn asking(directive: &Value) -> Value {
    json!({
        "model": ALIAS, "max_tokens": 512,
        "messages": [{"role": "user", "content": format!("mock:{directive}")}],
    })
}

async fn ask(functions: &Functions, body: &Value) -> HttpAnswer {
    functions.ask("stream", &messages(ALICE, body)).await
}

/// Regions of the calls that reached the mock, in their order.
fn regions(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.region.as_str()).collect()
}

fn failing(error_type: &str, retry_after: Option<u32>) -> Option<RegionScript> {
    Some(RegionScript {
        error_type: Some(error_type.to_owned()),
        retry_after: retry_after.map(Value::from),
        ..RegionScript::default()
    })
}

/// The one row of a principal's.
async fn row(backing: &Backing) -> UsageRow {
    let rows = rows(&backing.store(), ALICE).await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    rows.into_iter().next().unwrap()
}

/// Takes a row out of the table.
async fn forget_row(backing: &Backing, row: &UsageRow) {
    use aws_sdk_dynamodb::types::AttributeValue;
    let sort = format!("{}#{}", gateway::clock::rfc3339_millis(row.started_at), row.request_id);
    let delete = backing.dynamodb().delete_item();
    delete
        .table_name(backing.template.table_name("Table").unwrap())
        .key("pk", AttributeValue::S(format!("USAGE#{}", row.principal)))
        .key("sk", AttributeValue::S(sort))
        .send()
        .await
        .unwrap();
}
