//! A function that died at each stage of a call.

use gateway::budget::{ScopeKind, Unit, Window};
use gateway::rollup::{Dimension, Period};
use gateway::store::{OpenCall, Recorded};
use gateway::usage::Outcome;
use jiff::SignedDuration;
use serde_json::json;
use tests::backing::Backing;
use tests::books::{balanced, budget, open_calls, plant, rows};
use tests::in_process::Functions;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opened,
    SomeHeld,
    AllHeld,
    RowWritten,
    PartlySettled,
    Settled,
}

/// Takes a call as far as its function lived.
async fn live(store: &Store, call: &OpenCall, stage: Stage) {
    store.open_call(call).await.unwrap();
    hold(
        store,
        call,
        match stage {
            Stage::Opened => 0,
            Stage::SomeHeld => 2,
            _ => 3,
        },
    )
    .await;
    if matches!(stage, Stage::RowWritten | Stage::PartlySettled | Stage::Settled) {
        let row = row(call, usage(10, 20));
        assert_eq!(store.record_usage(&row, 400).await.unwrap(), Recorded::Now);
    }
    let settled = match stage {
        Stage::PartlySettled => 1,
        Stage::Settled => 3,
        _ => 0,
    };
    let charge = Charge::of(&usage(10, 20), price(&call.rates, &usage(10, 20)));
    for budget in call.budgets().unwrap().into_iter().take(settled) {
        let (held, spent) = (call.worst.amount(budget.unit), charge.amount(budget.unit));
        store.settle_hold(&budget, &call.request_id, held, spent).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_function_died_at_any_stage_ends_right_and_stays_so() {
    for stage in [
        Stage::Opened,
        Stage::SomeHeld,
        Stage::AllHeld,
        Stage::RowWritten,
        Stage::PartlySettled,
        Stage::Settled,
    ] {
        let backing = Backing::start().await;
        let (store, functions) = (backing.store(), Functions::new(&backing));
        plant_limits(&backing).await;
        // Another call was there before: what is not held is not told by a state that is not there.
        let other = call("other");
        hold(&store, &other, 3).await;
        for budget in other.budgets().unwrap() {
            store.release_hold(&budget, &other.request_id).await.unwrap();
        }
        let call = call("dead");
        live(&store, &call, stage).await;
        let report = sweep(&functions, later()).await;
        assert_eq!(report["complete"], true);
        let expected = match stage {
            Stage::Opened | Stage::SomeHeld => None,
            Stage::AllHeld => Some((call.worst_usage, true, Outcome::Lost)),
            _ => Some((usage(10, 20), false, Outcome::Success)),
        };
        let rows = rows(&store, USER).await;
        let found = rows.first().map(|row| (row.usage, row.estimated, row.outcome));
        assert_eq!(found, expected, "{stage:?}");
        let cost = expected.map_or(0, |(usage, _, _)| price(&call.rates, &usage).as_u128());
        for budget in call.budgets().unwrap() {
            if let Some(state) = balanced(&store, &budget).await {
                assert_eq!(state.spent.as_u128(), cost, "{stage:?}: {budget:?}");
                assert!(state.holds.is_empty(), "{stage:?}: {budget:?}");
            }
        }
        assert!(open_calls(&store).await.is_empty(), "{stage:?}");
        let month = store
            .rollups(Dimension::User, Period::Month, "2026", Some(USER), 10, None)
            .await
            .unwrap();
        let sums: Vec<_> = month
            .items
            .iter()
            .map(|it| (it.totals.calls, it.totals.cost.as_u128()))
            .collect();
        let wanted: Vec<_> = expected.iter().map(|_| (1, cost)).collect();
        assert_eq!(sums, wanted, "{stage:?}");
        let before = table(&backing).await;
        sweep(&functions, later() + SignedDuration::from_mins(5)).await;
        assert_eq!(
            changes(&before, &table(&backing).await),
            [""; 0],
            "{stage:?}: swept again"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_still_be_alive_is_left_alone() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let call = call("alive");
    live(&store, &call, Stage::AllHeld).await;
    let before = table(&backing).await;
    sweep(&functions, call.deadline_at + SignedDuration::from_secs(60)).await;
    assert_eq!(changes(&before, &table(&backing).await), ["SWEEP HEAD"]);
    let head = store.sweep_head().await.unwrap();
    assert_eq!(
        head.covered_until,
        Some(call.started_at),
        "the oldest call that is left"
    );
    sweep(&functions, call.deadline_at + SignedDuration::from_secs(61)).await;
    assert!(open_calls(&store).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_over_and_forgotten_does_not_make_a_call_unbilled() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let mut call = call("minute");
    call.holds.push(HeldLimit {
        scope: ScopeKind::User,
        unit: Unit::Requests,
        window: Window::Minute,
    });
    store.open_call(&call).await.unwrap();
    hold(&store, &call, 3).await;
    sweep(&functions, later()).await;
    assert!(rows(&store, USER).await[0].estimated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_limit_reaches_the_window_that_runs_also_when_nobody_gets_through_any_more() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let (user, other) = ("user:sweep", "user:other");
    let month = |limit: u128| [(Unit::Picodollars, Window::Month, limit)];
    plant(&backing, ScopeKind::User, "*", &month(LIMIT)).await;
    for (id, principal) in [("one", user), ("two", other)] {
        let mut call = call(id);
        call.principal = principal.parse().unwrap();
        call.holds.truncate(1);
        live(&store, &call, Stage::RowWritten).await;
    }
    // The sweep knows both by their rollups from now on.
    sweep(&functions, began()).await;
    plant(&backing, ScopeKind::User, "*", &month(2 * LIMIT)).await;
    plant(&backing, ScopeKind::User, other, &month(7)).await;
    change_time(&backing, &["user#*", &format!("user#{other}")], "2026-11-25T13:10:00Z").await;
    let report = sweep(&functions, later()).await;
    assert_eq!(report["repaired"], 2);
    for (id, limit) in [(user, 2 * LIMIT), (other, 7)] {
        let of = budget(ScopeKind::User, id, Unit::Picodollars, Window::Month, began());
        let state = store.budget_state(&of).await.unwrap().unwrap();
        let left = i128::try_from(limit).unwrap() - i128::try_from(state.spent.as_u128()).unwrap();
        assert_eq!((state.limit.as_u128(), state.available), (limit, left), "{id}");
    }
    assert_eq!(sweep(&functions, later()).await["repaired"], 0);
}

/// [`plant`] writes an old time of change.
async fn change_time(backing: &Backing, sets: &[&str], at: &str) {
    let name = backing.template.table_name("Table").unwrap();
    for set in sets {
        let update = backing.dynamodb().update_item().table_name(name);
        update
            .key("pk", AttributeValue::S("BUDGETS".into()))
            .key("sk", AttributeValue::S((*set).to_owned()))
            .update_expression("SET updated_at = :at")
            .expression_attribute_values(":at", AttributeValue::S(at.to_owned()))
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_no_time_left_stops_and_the_next_one_goes_on() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    live(&store, &call("slow"), Stage::Settled).await;
    let variables = backing.variables("sweep", &[]);
    let aws = gateway::aws::Aws::from_environment(backing.variables("sweep", &[])).unwrap();
    let state = ::sweep::State::new(&aws, &variables, functions.clock.clone()).unwrap();
    let event = json!({"time": later().to_string()});
    let soon = functions.clock.now() + SignedDuration::from_secs(5);
    let report = state.handle(&event, Some(soon)).await.unwrap();
    assert_eq!(
        (&report["complete"], open_calls(&store).await.len()),
        (&json!(false), 1)
    );
    // `cargo lambda` knows no deadline and says 1970.
    let report = state.handle(&event, ::sweep::deadline(0)).await.unwrap();
    assert_eq!((&report["complete"], open_calls(&store).await.len()), (&json!(true), 0));
}
