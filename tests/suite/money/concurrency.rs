//! Many callers at once, and one after another to the end of a budget.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use gateway::budget::ScopeKind;
use gateway::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::backing::{Backing, Setup};
use tests::books::{amount, assert_rows_equal_bills, balanced, budget, cost, open_calls, plant, rows};
use tests::in_process::Functions;
use tests::unreliable::Faults;

use super::{CARLA, KEY, MONTH, TEAM, answer, by_messages, now};

const CALLS: usize = 1_000;
const PAID_FOR: u128 = 100;
/// So many that what the prompt is bounded by, before Bedrock counts it, makes little of the price.
const MAX_TOKENS: u64 = 4_096;
/// No answer is shortened here: a call gets all that it asks for, or is refused.
const UNSHORTENED: [(&str, &str); 1] = [("TOLLGATE_LEAST_ANSWER_TOKENS", "4096")];
/// The four scopes that hold each call.
const SCOPES: [(ScopeKind, &str); 4] = [
    (ScopeKind::Key, KEY),
    (ScopeKind::User, CARLA),
    (ScopeKind::Team, TEAM),
    (ScopeKind::Organisation, "all"),
];

/// A thousand calls at once are as many as this process can take.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn directive() -> Value {
    // More than it may: the mock uses up `max_tokens`.
    json!({"output_tokens": MAX_TOKENS + 100})
}

/// What one of the calls costs.
async fn price_of_a_call(backing: &Backing, functions: &Functions) -> u128 {
    let first = answer(functions, "stream", &by_messages(&directive(), MAX_TOKENS, false)).await;
    assert_eq!(first.status, 200, "{:?}", first.body);
    let spent = cost(&rows(&backing.store(), CARLA).await);
    assert!(spent > 0);
    spent
}

/// Watches that no scope is ever overspent, until it is told to stop; returns how often it looked.
async fn watch(store: &Store, at: Timestamp, over: &AtomicBool) -> usize {
    let mut looks = 0;
    while !over.load(Ordering::SeqCst) {
        for (scope, id) in SCOPES {
            balanced(store, &budget(scope, id, MONTH.0, MONTH.1, at)).await;
        }
        looks += 1;
    }
    looks
}

/// How many calls were answered with which status.
async fn all_at_once(functions: &Functions) -> BTreeMap<u16, usize> {
    let calls = (0..CALLS).map(|number| {
        let request = by_messages(&directive(), MAX_TOKENS, number % 2 == 0);
        async move { answer(functions, "stream", &request).await.status }
    });
    let statuses: Vec<u16> = iter(calls).buffer_unordered(CALLS).collect().await;
    statuses.into_iter().fold(BTreeMap::new(), |mut counts, status| {
        *counts.entry(status).or_default() += 1;
        counts
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_calls_at_once_a_budget_for_a_hundred_lets_95_to_100_through() {
    let _alone = ALONE.lock().await;
    let backing = Backing::start().await;
    let functions = Functions::with(&backing, &UNSHORTENED);
    let price = price_of_a_call(&backing, &functions).await;
    for (scope, id) in SCOPES {
        plant(&backing, scope, id, &[(MONTH.0, MONTH.1, PAID_FOR * price)]).await;
    }
    // The limits are known to the functions by now, as none; they see these once the time for that is over.
    functions.clock.advance_seconds(gateway::limits::LAG_SECONDS);
    let (store, at, over) = (backing.store(), now(&functions), AtomicBool::new(false));
    let calls = async {
        let statuses = all_at_once(&functions).await;
        over.store(true, Ordering::SeqCst);
        statuses
    };
    let (statuses, looks) = tokio::join!(calls, watch(&store, at, &over));
    assert!(looks > 5, "looked {looks} times");
    let count = |status| statuses.get(&status).copied().unwrap_or(0);
    assert!((95..=100).contains(&count(200)), "{statuses:?}");
    assert_eq!(count(402), CALLS - count(200), "{statuses:?}");
    for (scope, id) in SCOPES {
        let state = balanced(&store, &budget(scope, id, MONTH.0, MONTH.1, at))
            .await
            .unwrap();
        assert_eq!(state.holds.len(), 0, "nothing is held at rest: {scope:?}");
        assert_eq!(state.spent.as_u128(), u128::try_from(count(200)).unwrap() * price);
    }
    assert_rows_equal_bills(&rows(&store, CARLA).await, &backing.mock.ledger().calls);
    // Those that were refused left nothing behind, the others wait for the sweep.
    assert_eq!(open_calls(&store).await.len(), count(200) + 1);
}

/// Throttled writes and lost answers: still never more than the budget pays for, never an unbalanced state, and after the sweep the rows
/// are Bedrock's bill and nothing is held.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_calls_at_once_over_a_failing_table_no_more_than_a_hundred_get_through() {
    let _alone = ALONE.lock().await;
    let setup = Setup {
        unreliable_table: true,
        invocation_log: true,
    };
    let backing = Backing::start_with(&setup).await;
    let functions = Functions::with(&backing, &UNSHORTENED);
    backing.mock.change_log(|log| log.clock = functions.clock.clone());
    let price = price_of_a_call(&backing, &functions).await;
    for (scope, id) in SCOPES {
        plant(&backing, scope, id, &[(MONTH.0, MONTH.1, PAID_FOR * price)]).await;
    }
    functions.clock.advance_seconds(gateway::limits::LAG_SECONDS);
    let unreliable = backing.unreliable().unwrap();
    unreliable.set_faults(Some(Faults {
        seed: 3,
        throttled_percent: 20,
        lost_percent: 10,
    }));
    let (store, at, over) = (backing.store(), now(&functions), AtomicBool::new(false));
    let calls = async {
        let statuses = all_at_once(&functions).await;
        over.store(true, Ordering::SeqCst);
        statuses
    };
    let (statuses, looks) = tokio::join!(calls, watch(&store, at, &over));
    unreliable.set_faults(None);
    assert!(looks > 5, "looked {looks} times");
    let counts = unreliable.counts();
    assert!(counts.throttled > 100 && counts.lost > 50, "{counts:?}");
    let count = |status| statuses.get(&status).copied().unwrap_or(0);
    assert!(count(200) > 50, "{statuses:?}");
    let billed = backing.mock.ledger().totals.billed - 1;
    assert!(billed <= 100, "{billed} went out");
    assert_eq!(count(200) + count(402) + count(503), CALLS, "{statuses:?}");

    backing.mock.flush_log().await.unwrap();
    let later = at + SignedDuration::from_hours(2);
    functions.sweep(&json!({"time": later.to_string()})).await.unwrap();
    let all = rows(&store, CARLA).await;
    assert_rows_equal_bills(&all, &backing.mock.ledger().calls);
    for (scope, id) in SCOPES {
        let state = balanced(&store, &budget(scope, id, MONTH.0, MONTH.1, at))
            .await
            .unwrap();
        assert_eq!(state.holds.len(), 0, "nothing is held at rest: {scope:?}");
        assert_eq!(state.spent.as_u128() + price, cost(&all), "{scope:?}");
    }
    assert_eq!(open_calls(&store).await, [], "every call is at its end");
}

/// The worst case of a call may be a thousand times what it costs: the last of a budget is still of use.
#[tokio::test(flavor = "multi_thread")]
async fn one_after_another_calls_use_at_least_95_percent_of_a_budget_whatever_the_gap() {
    for (max_tokens, real) in [(300, 300), (3_000, 300), (64_000, 60)] {
        let backing = Backing::start().await;
        let functions = Functions::new(&backing);
        let directive = json!({"output_tokens": real});
        // So much that the shortest answer that is of use is less than a twentieth of it.
        let limit = 25 * 300 * 16_500_000;
        plant(&backing, ScopeKind::User, CARLA, &[(MONTH.0, MONTH.1, limit)]).await;
        let mut calls = 0;
        loop {
            let status = answer(&functions, "stream", &by_messages(&directive, max_tokens, false))
                .await
                .status;
            if status == 402 {
                break;
            }
            assert_eq!(status, 200);
            calls += 1;
            assert!(calls < 1_000, "it does not end");
        }
        let spent = cost(&rows(&backing.store(), CARLA).await);
        assert!(
            spent <= limit && spent * 100 >= limit * 95,
            "{spent} of {limit} by {calls} calls of {max_tokens}"
        );
        let state = balanced(
            &backing.store(),
            &budget(ScopeKind::User, CARLA, MONTH.0, MONTH.1, now(&functions)),
        )
        .await;
        assert_eq!(state.unwrap().spent, amount(spent));
    }
}
