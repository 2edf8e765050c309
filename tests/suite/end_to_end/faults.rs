//! Processes that die and dependencies that are down.

use futures_util::future::join_all;
use gateway::usage::Outcome;
use localstack::ready::Ready;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tests::local::{Events, Frames, Route, Stack, User, directed, eventually, marker};
use tests::unreliable::{Outage, Unreliable};

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

fn only(ready: &Ready, function: &str) -> Option<u32> {
    match ready.functions[function].as_slice() {
        [pid] => Some(*pid),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_killed_in_a_stream_breaks_the_connection_and_is_started_again() {
    let stack = Stack::start(&["--environments", "1"]).await;
    let user = stack.new_user().await;
    for route in Route::STREAMED {
        let hold = marker();
        let text = directed(&hold, json!({ "hold": hold, "output_tokens": 20 }));
        let before = eventually("one process serves", async || only(&stack.ready_now(), "stream")).await;
        let reply = route.open(&user.caller, &text).await;
        // The first event is here, so the head said 200 long ago.
        let broken = if route == Route::MessagesStream {
            let mut events = Events::of(reply);
            assert_eq!(events.next().await.unwrap().unwrap().name, "message_start");
            kill_process(pid(before), Signal::KILL).unwrap();
            events.next().await.err()
        } else {
            let mut frames = Frames::of(reply);
            frames.next().await.unwrap().unwrap();
            kill_process(pid(before), Signal::KILL).unwrap();
            frames.next().await.err()
        };
        assert!(broken.is_some(), "a part passed for the whole");
        let after = eventually("another process has taken its place", async || {
            only(&stack.ready_now(), "stream").filter(|pid| *pid != before)
        })
        .await;
        assert_ne!(before, after);
        stack.mock().release(&hold).await;
        assert_eq!(route.call(&user.caller, &marker()).await.status, 200);
    }
    // Of the calls that were killed there is no row: their process was to write it. To settle them is a sweep's work.
    assert!(
        user.rows_once(2)
            .await
            .iter()
            .all(|row| row.outcome == Outcome::Success)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_functions_go_on_when_one_is_killed() {
    let stack = Stack::start(&["--environments", "1"]).await;
    let hold = marker();
    let text = directed(&hold, json!({ "hold": hold, "output_tokens": 20 }));
    let mut events = Events::of(Route::MessagesStream.open(&stack.user(), &text).await);
    events.next().await.unwrap().unwrap();
    for function in ["invoke", "authorizer", "admin"] {
        kill_process(pid(only(stack.ready(), function).unwrap()), Signal::KILL).unwrap();
    }
    stack.mock().release(&hold).await;
    let last = events.rest().await.pop().unwrap();
    assert_eq!(last.name, "message_stop");
    assert_eq!(Route::Invoke.call(&stack.user(), &marker()).await.status, 200);
}

/// security.md: fail closed
#[tokio::test(flavor = "multi_thread")]
async fn without_its_table_the_door_is_closed_with_503_and_opens_again() {
    let backing = Unreliable::aws().await;
    let stack = Stack::start(&["--aws-endpoint", &backing.url, "--environments", "4"]).await;
    let (user, program) = (stack.new_user().await, stack.service_account().await);
    let (client_id, secret) = stack.new_client(&["files"]).await;
    assert_eq!(Route::Messages.call(&user.caller, &marker()).await.status, 200);
    for outage in [Outage::Broken, Outage::Failing] {
        backing.table_is(Some(outage));
        let mark = marker();
        let wish = json!({ "client_id": client_id, "client_secret": secret });
        let anybody = stack.anonymous();
        // The SDK tries again and again before it gives up, so all of this is asked at once.
        let (by_key, by_token, token, health, alive) = tokio::join!(
            join_all(Route::ALL.map(|route| route.call(&user.caller, &mark))),
            join_all(["/api/usage/records", "/api/v1/files"].map(|path| program.caller.get(path))),
            anybody.post("/api/v1/auth/token", &wish),
            anybody.get("/health?check=all"),
            anybody.get("/health"),
        );
        // The authorizer lets nobody in by a key. A token needs no table to be believed, but what it asks for does.
        for answer in by_key.iter().chain(&by_token).chain([&token]) {
            assert_eq!(
                (answer.status, answer.header("retry-after")),
                (503, "5"),
                "{outage:?}: {answer:?}"
            );
        }
        assert_eq!(stack.mock().requests(&mark).await.len(), 0);
        assert_eq!(token.json()["error"], "temporarily_unavailable");
        assert_eq!((health.status, &health.json()["status"]), (503, &json!("unhealthy")));
        assert_eq!(alive.status, 200, "it runs");
        backing.table_is(None);
        assert_eq!(Route::Messages.call(&user.caller, &marker()).await.status, 200);
    }
}

/// A body ends only after its row is written; what cannot be recorded does not end as if it were complete.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_row_cannot_be_written_does_not_end_as_if_it_were_complete() {
    let backing = Unreliable::aws().await;
    let stack = Stack::start(&["--aws-endpoint", &backing.url, "--environments", "4"]).await;
    let program = stack.service_account().await;
    let mark = marker();
    let told = directed(&mark, json!({ "output_tokens": 20, "hold": mark, "hold_after": 1 }));
    // The table goes down while Bedrock answers: without it no call would have gone out.
    let outage = async {
        eventually("all four are with Bedrock", async || {
            (stack.mock().waiting(&mark).await == 4).then_some(())
        })
        .await;
        backing.table_is(Some(Outage::Failing));
        stack.mock().release(&mark).await;
    };
    let events = async {
        let reply = Route::MessagesStream.open(&program.caller, &told).await;
        Events::of(reply).rest().await
    };
    let frames = async {
        let reply = Route::InvokeStream.open(&program.caller, &told).await;
        Frames::of(reply).rest().await
    };
    let whole = join_all([Route::Invoke, Route::Messages].map(|route| route.call(&program.caller, &told)));
    let (whole, events, frames, ()) = tokio::join!(whole, events, frames, outage);
    for answer in whole {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(
            !answer.text().contains("All is well"),
            "the answer is not given away: {answer:?}"
        );
    }
    let last = events.last().unwrap();
    assert_eq!(
        (last.name.as_str(), &last.data["error"]["type"]),
        ("error", &json!("overloaded_error"))
    );
    assert!(events.iter().all(|event| event.name != "message_stop"));
    assert!(format!("{:?}", frames.last().unwrap().content).contains("serviceUnavailableException"));
    // What the rows would have said is in the log, so that nothing is lost.
    lost_rows_are_logged(&stack, &program, &mark).await;
}

async fn lost_rows_are_logged(stack: &Stack, program: &User, mark: &str) {
    let logs = stack.logs();
    for bill in stack.mock().bills(mark).await {
        let line = logs
            .lines()
            .find(|line| line.contains("a usage row could not be written") && line.contains(&bill.request_id))
            .unwrap_or_else(|| panic!("not in the log: {bill:#?}"));
        let cost = format!("cost_picodollars\\\":{}", bill.cost_picodollars);
        assert!(line.contains(&cost) && line.contains(&program.name), "{line}");
    }
}
