//! Budgets and books, as tests plant and audit them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use gateway::budget::{Amount, BudgetId, BudgetSet, ORGANISATION_ID, ScopeKind, Unit, Window};
use gateway::store::{BudgetState, CALL_SHARDS, OpenCall, Store, UsageRow};
use jiff::Timestamp;
use localstack::bedrock::Call;
use serde_json::json;

use crate::backing::Backing;

/// A limit, as a test writes it.
pub type Wish = (Unit, Window, u128);

/// Gives somebody these limits, past every function: to plant what a test begins with.
pub async fn plant(backing: &Backing, scope: ScopeKind, id: &str, limits: &[Wish]) {
    let limits = limits
        .iter()
        .map(|(unit, window, limit)| json!({"unit": unit, "window": window, "limit": limit.to_string(), "alerts": []}));
    let set = json!({
        "scope": scope, "id": id, "revision": 1, "updated_at": "2026-01-01T00:00:00Z", "limits": limits.collect::<Vec<_>>(),
    });
    // What a test plants must be what functions read.
    let _: BudgetSet = serde_json::from_value(set.clone()).unwrap();
    let mut item: HashMap<String, AttributeValue> = serde_dynamo::to_item(set).unwrap();
    item.insert("pk".into(), AttributeValue::S("BUDGETS".into()));
    item.insert("sk".into(), AttributeValue::S(format!("{}#{id}", scope.label())));
    let table = backing.template.table_name("Table").unwrap();
    let put = backing.dynamodb().put_item().table_name(table).set_item(Some(item));
    put.send().await.unwrap();
}

/// A budget of somebody's in the window that holds `at`.
pub fn budget(scope: ScopeKind, id: &str, unit: Unit, window: Window, at: Timestamp) -> BudgetId {
    BudgetId {
        scope,
        id: id.to_owned(),
        unit,
        window,
        start: window.start(at),
    }
}

/// The organisation's money of the month that holds `at`.
pub fn organisation(at: Timestamp) -> BudgetId {
    budget(
        ScopeKind::Organisation,
        ORGANISATION_ID,
        Unit::Picodollars,
        Window::Month,
        at,
    )
}

/// A budget's state, which must balance; none where nothing was ever held.
pub async fn balanced(store: &Store, budget: &BudgetId) -> Option<BudgetState> {
    let state = store.budget_state(budget).await.unwrap()?;
    let sum = state.available + i128::try_from(state.held().as_u128() + state.spent.as_u128()).unwrap();
    assert_eq!(
        sum,
        i128::try_from(state.limit.as_u128()).unwrap(),
        "{budget:?}: {state:?}"
    );
    let gone = state.spent.as_u128() + state.held().as_u128();
    assert!(gone <= state.limit.as_u128(), "{budget:?} is overspent: {state:?}");
    Some(state)
}

/// All calls of the outbox.
pub async fn open_calls(store: &Store) -> Vec<OpenCall> {
    let mut all = Vec::new();
    for shard in 0..CALL_SHARDS {
        let mut after = None;
        loop {
            let page = store.open_calls(shard, 500, after.as_ref()).await.unwrap();
            all.extend(page.items);
            after = page.next_cursor;
            if after.is_none() {
                break;
            }
        }
    }
    all
}

/// All rows of somebody's, newest first.
pub async fn rows(store: &Store, subject: &str) -> Vec<UsageRow> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .usage_of(&subject.parse().unwrap(), 500, after.as_ref())
            .await
            .unwrap();
        rows.extend(page.items);
        after = page.next_cursor;
        if after.is_none() {
            return rows;
        }
    }
}

/// Passes if the rows are the ledger's billed calls, each once, token for token and picodollar for picodollar. A row names its
/// call by Bedrock's request id.
pub fn assert_rows_equal_bills(rows: &[UsageRow], calls: &[Call]) {
    let billed: Vec<_> = calls.iter().filter(|call| call.billed).collect();
    let by_id: HashMap<_, _> = rows
        .iter()
        .filter_map(|row| Some((row.upstream_request_id.clone()?, row)))
        .collect();
    assert_eq!(rows.len(), billed.len(), "a row for each bill, and a bill for each row");
    assert_eq!(by_id.len(), billed.len(), "no bill has two rows");
    for call in billed {
        let row = by_id
            .get(&call.request_id)
            .unwrap_or_else(|| panic!("no row for {call:?}"));
        assert_eq!(
            (json!(row.usage), row.cost_picodollars.as_u128()),
            (json!(call.usage), call.cost_picodollars),
            "{call:?}\n{row:?}"
        );
    }
}

/// What rows cost together.
pub fn cost(rows: &[UsageRow]) -> u128 {
    rows.iter().map(|row| row.cost_picodollars.as_u128()).sum()
}

/// So much of whatever.
pub fn amount(count: u128) -> Amount {
    count.to_string().parse().unwrap()
}
