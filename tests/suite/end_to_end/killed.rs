//! Functions that are killed at any point of a call: the sweep brings every call to its end, and the books to Bedrock's bill.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use gateway::clock::Clock;
use gateway::store::UsageRow;
use jiff::SignedDuration;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tests::local::{Caller, LedgerCall, Route, Stack, User, directed, eventually, marker};

const STREAMS_AT_ONCE: u64 = 10;
const WAVES: u64 = 30;
/// The time limit of a model function, after which it is dead anyway (template.yaml).
const DEADLINE: SignedDuration = SignedDuration::from_secs(900);

/// Numbers that a seed repeats (SplitMix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % limit
    }
}

async fn open_stream(user: &User, route: Route, text: String) -> Option<u16> {
    // A function that is killed before its head answers with an error, later the connection breaks: either is fine here.
    let reply = route.open(&user.caller, &text).await;
    reply.whole().await.ok().map(|answer| answer.status)
}

/// Kills all processes that stream, and returns which they were.
fn kill_all(stack: &Stack) -> Vec<u32> {
    let all = stack.ready_now().functions["stream"].clone();
    for id in &all {
        let pid = Pid::from_raw(i32::try_from(*id).unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    }
    all
}

/// Streams that stand at frames which the seed chooses, and some that are done, when all processes are killed.
async fn killed_at_frames(stack: &Stack, user: &User, seeded: &mut Seeded) -> Vec<u32> {
    let hold = marker();
    let streams: Vec<_> = (0..STREAMS_AT_ONCE)
        .map(|number| {
            let after = seeded.below(9);
            // Some never wait: they are done when the others stand.
            let directive = if after == 8 {
                json!({"output_tokens": 12})
            } else {
                json!({"output_tokens": 12 + seeded.below(30), "hold": hold, "hold_after": after})
            };
            let route = Route::STREAMED[usize::try_from(number % 2).unwrap()];
            (route, directed(&marker(), directive.clone()), after != 8)
        })
        .collect();
    let held = streams.iter().filter(|(_, _, holds)| *holds).count() as u64;
    let all = join_all(
        streams
            .into_iter()
            .map(|(route, text, _)| open_stream(user, route, text)),
    );
    let kill = async {
        eventually("all stand that are to", async || {
            (stack.mock().waiting(&hold).await == held).then_some(())
        })
        .await;
        let killed = kill_all(stack);
        stack.mock().release(&hold).await;
        killed
    };
    tokio::join!(all, kill).1
}

/// Streams whose processes are killed after times that the seed chooses: before, between and after the writes to the table.
async fn killed_at_times(stack: &Stack, user: &User, seeded: &mut Seeded) -> Vec<u32> {
    let moment = Duration::from_millis(seeded.below(200));
    let texts: Vec<_> = (0..STREAMS_AT_ONCE)
        .map(|_| directed(&marker(), json!({"output_tokens": 8 + seeded.below(30)})))
        .collect();
    let all = join_all(
        texts
            .into_iter()
            .map(|text| open_stream(user, Route::MessagesStream, text)),
    );
    let kill = async {
        tokio::time::sleep(moment).await;
        kill_all(stack)
    };
    tokio::join!(all, kill).1
}

/// Waits until others have taken the places of those that were killed.
async fn replaced(stack: &Stack, killed: &[u32]) {
    eventually("all processes are there again", async || {
        let now = &stack.ready_now().functions["stream"];
        let all = now.len() as u64 == STREAMS_AT_ONCE && now.iter().all(|id| !killed.contains(id));
        all.then_some(())
    })
    .await;
}

async fn sweep(stack: &Stack, after: SignedDuration) -> Value {
    let time = Clock::System.now() + after;
    let event = json!({"detail-type": "Scheduled Event", "time": time.to_string()});
    let lambda = Caller::at(&stack.ready().lambda);
    let answer = lambda.post("/2015-03-31/functions/sweep/invocations", &event).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn assert_equal(rows: &[UsageRow], bills: &[LedgerCall]) {
    let by_id: HashMap<_, _> = rows
        .iter()
        .map(|row| (row.upstream_request_id.clone().unwrap(), row))
        .collect();
    assert_eq!(
        (rows.len(), by_id.len()),
        (bills.len(), bills.len()),
        "one row for each bill"
    );
    for bill in bills {
        let row = by_id[&bill.request_id];
        assert_eq!(
            (row.usage, row.cost_picodollars.as_u128()),
            (bill.usage, u128::from(bill.cost_picodollars)),
            "{bill:?}\n{row:?}"
        );
    }
}

/// Three hundred streams, their functions killed by SIGKILL wherever they stood.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_sweep_the_rows_of_killed_functions_equal_bedrocks_bill() {
    let environments = STREAMS_AT_ONCE.to_string();
    let stack = Stack::start(&["--environments", &environments]).await;
    let user = stack.new_user().await;
    let limits = json!({"limits": [{"unit": "picodollars", "window": "month", "limit_dollars": "1000"}]});
    let budget = format!("/api/admin/budgets/user/{}", user.name.replace(':', "%3A"));
    assert_eq!(stack.admin().put(&budget, &limits).await.status, 200);
    let mut seeded = Seeded(11);
    for wave in 0..WAVES {
        let killed = if wave % 2 == 0 {
            killed_at_frames(&stack, &user, &mut seeded).await
        } else {
            killed_at_times(&stack, &user, &mut seeded).await
        };
        replaced(&stack, &killed).await;
    }
    let bills = stack.mock().all_bills().await;
    assert!(bills.len() > 200, "{} streams reached Bedrock", bills.len());
    let before = user.rows().await.len();
    assert!(before < bills.len(), "somebody was killed");
    stack.mock().flush_log().await;
    // As of twice the deadline nothing may be held any more, and what is swept again stays as it is.
    for _ in 0..2 {
        sweep(&stack, DEADLINE + DEADLINE).await;
        assert_equal(&user.rows().await, &bills);
        let state = stack.admin().get(&format!("{budget}/state")).await.json();
        let state = &state["budgets"][0];
        let spent: u64 = bills.iter().map(|bill| bill.cost_picodollars).sum();
        assert_eq!(
            (&state["held"], &state["spent"]),
            (&json!("0"), &json!(spent.to_string())),
            "{state}"
        );
    }
    let store = tests::local::store(&stack);
    assert_eq!(tests::books::open_calls(&store).await, [], "every call is at its end");
}
