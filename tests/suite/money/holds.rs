//! The arithmetic of budgets, on the table itself.

use std::collections::BTreeMap;

use gateway::budget::{BudgetId, ScopeKind};
use gateway::random;
use gateway::store::{Hold, Store};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tests::backing::Backing;
use tests::books::{amount, balanced, budget};

use super::MONTH;

const LIMIT: u128 = 1_000;

/// Something that is done to a budget, of one of a few calls.
#[derive(Clone, Copy, Debug)]
enum Step {
    Hold(usize, u128),
    Settle(usize, u128),
    /// As a refusal does, or the sweep for a call whose time is over.
    Release(usize),
    /// What was done last is done again, as after an answer that was lost.
    Again,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let call = 0..6_usize;
    let step = prop_oneof![
        4 => (call.clone(), 0..700_u128).prop_map(|(call, amount)| Step::Hold(call, amount)),
        // A call may turn out to cost less than was held for it, never more.
        3 => (call.clone(), 0..=100_u128).prop_map(|(call, percent)| Step::Settle(call, percent)),
        1 => call.prop_map(Step::Release),
        2 => Just(Step::Again),
    ];
    prop::collection::vec(step, 1..25)
}

/// What the table should hold.
#[derive(Debug, Default)]
struct Model {
    holds: BTreeMap<usize, u128>,
    spent: u128,
}

impl Model {
    fn available(&self) -> u128 {
        LIMIT - self.spent - self.holds.values().sum::<u128>()
    }
}

impl Model {
    async fn take(&mut self, store: &Store, budget: &BudgetId, step: Step) {
        match step {
            Step::Hold(call, wanted) => {
                let fits = self.holds.contains_key(&call) || wanted <= self.available();
                match store
                    .hold(budget, amount(LIMIT), &id(call), amount(wanted), None)
                    .await
                    .unwrap()
                {
                    Hold::Held { .. } => assert!(fits, "{wanted} was held of {}", self.available()),
                    Hold::Refused { available, limit } => {
                        assert!(!fits, "{wanted} was refused");
                        assert_eq!((available, limit), (amount(self.available()), amount(LIMIT)));
                    }
                }
                if fits {
                    self.holds.entry(call).or_insert(wanted);
                }
            }
            Step::Settle(call, percent) => {
                let held = self.holds.remove(&call);
                let cost = held.unwrap_or(50) * percent / 100;
                let left = store
                    .settle_hold(budget, &id(call), amount(held.unwrap_or(50)), amount(cost))
                    .await
                    .unwrap();
                self.spent += held.map_or(0, |_| cost);
                let told = left.map(|left| (left.spent.as_u128(), left.available.as_u128()));
                assert_eq!(told, held.map(|_| (self.spent, self.available())));
            }
            Step::Release(call) => {
                store.release_hold(budget, &id(call)).await.unwrap();
                self.holds.remove(&call);
            }
            Step::Again => {}
        }
    }
}

fn id(call: usize) -> String {
    format!("call-{call}")
}

async fn run(store: &Store, budget: &BudgetId, steps: &[Step]) {
    let (mut model, mut last) = (Model::default(), Step::Again);
    for step in steps {
        if !matches!(step, Step::Again) {
            last = *step;
        }
        model.take(store, budget, last).await;
        if let Some(state) = balanced(store, budget).await {
            let held: u128 = model.holds.values().sum();
            assert_eq!((state.spent.as_u128(), state.held().as_u128()), (model.spent, held));
        }
    }
}

/// `available + held + spent = limit` after any sequence of holds, settlements, releases and repetitions, and each is what
/// arithmetic says.
#[test]
fn any_sequence_of_holds_settlements_releases_and_repetitions_balances() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backing = runtime.block_on(Backing::start());
    let store = backing.store();
    let config = Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            let id = random::identifier("key").unwrap();
            let budget = budget(ScopeKind::Key, &id, MONTH.0, MONTH.1, Timestamp::UNIX_EPOCH);
            runtime.block_on(run(&store, &budget, &steps));
            Ok(())
        })
        .unwrap();
}

/// Sums past 64 bits, up to the digits that the table's numbers have.
#[tokio::test]
async fn amounts_of_38_digits_are_exact() {
    let backing = Backing::start().await;
    let store = backing.store();
    let budget = budget(ScopeKind::Key, "key_large", MONTH.0, MONTH.1, Timestamp::UNIX_EPOCH);
    let limit: u128 = 10_u128.pow(38) - 1;
    store
        .hold(&budget, amount(limit), "a", amount(limit - 1), None)
        .await
        .unwrap();
    let state = balanced(&store, &budget).await.unwrap();
    assert_eq!((state.available, state.held()), (1, amount(limit - 1)));
    store
        .settle_hold(&budget, "a", amount(limit - 1), amount(limit - 2))
        .await
        .unwrap();
    let state = balanced(&store, &budget).await.unwrap();
    assert_eq!((state.available, state.spent), (2, amount(limit - 2)));
}
