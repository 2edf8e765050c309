//! The end of a function's process, as Lambda ends it: SIGTERM, and half a second later SIGKILL.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use gateway::clock::Clock;
use gateway::usage::Outcome;
use jiff::SignedDuration;
use localstack::ready::Ready;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tests::local::{
    Answer, Caller, Events, Route, Stack, User, directed, eventually, functions, marker, program, root,
};
use tests::unreliable::{Moment, Unreliable};
use tokio::process::{Child, Command};

use super::killed_uploads::Upload;

fn signal(id: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), signal).unwrap();
}

/// How a function's process ended.
#[derive(Debug)]
struct End {
    /// Its own word.
    told: Value,
    /// `exit status: 0`.
    status: String,
    /// What it had logged.
    log: String,
}

/// Waits until this process of a function has ended.
async fn end_of(stack: &Stack, function: &str, id: u32) -> End {
    let file: PathBuf = stack.ready().logs.join(format!("{function}.log"));
    let last = format!("local: process {id} ended: ");
    eventually(&format!("{function} has ended"), async || {
        let log = std::fs::read_to_string(&file).unwrap();
        let (log, rest) = log.split_once(&last)?;
        let status = rest.lines().next()?.to_owned();
        let mut lines = log
            .lines()
            .rev()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Some(End {
            told: lines
                .find(|line| line["message"] == "the function ends")
                .unwrap_or_default(),
            status,
            log: log.to_owned(),
        })
    })
    .await
}

impl End {
    /// It has ended by itself, and its metrics are out.
    fn assert_sound(&self, function: &str, result: &str) {
        assert_eq!(self.status, "exit status: 0", "{function}: {:?}", self.told);
        let metrics = self.log.lines().rev().find(|line| line.contains("shutdowns_total"));
        let metrics: Value = serde_json::from_str(metrics.expect("its metrics are flushed")).unwrap();
        assert_eq!(metrics["result"], result, "{function}: {metrics}");
        println!(
            "{function}: {}, {} ms, {} in flight, {} cut",
            self.status, self.told["took_ms"], self.told["in_flight"], self.told["cut"]
        );
    }
}

async fn process_of(stack: &Stack, function: &str) -> u32 {
    eventually("its process is there", async || {
        stack.ready_now().functions[function].first().copied()
    })
    .await
}

async fn sweep_later(lambda: &str) {
    let later = Clock::System.now() + SignedDuration::from_hours(1);
    let event = json!({"detail-type": "Scheduled Event", "time": later.to_string()});
    let answer = Caller::at(lambda)
        .post("/2015-03-31/functions/sweep/invocations", &event)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

///
#[tokio::test(flavor = "multi_thread")]
async fn every_function_ends_by_itself_on_sigterm_while_it_is_idle() {
    let stack = Stack::start(&["--environments", "1"]).await;
    for function in functions() {
        let id = process_of(&stack, &function).await;
        signal(id, Signal::TERM);
        let end = end_of(&stack, &function, id).await;
        end.assert_sound(&function, "drained");
        assert_eq!(
            (&end.told["in_flight"], &end.told["cut"]),
            (&json!(0), &json!(0)),
            "{function}"
        );
    }
}

/// The functions, and the operations of the table at which [`work`] stands while they are held.
const WORK: [(&str, &[&str]); 7] = [
    ("authorizer", &["GetItem", "BatchGetItem"]),
    ("token", &["GetItem"]),
    ("invoke", &["PutItem"]),
    ("stream", &["PutItem"]),
    ("upload", &["Query"]),
    ("admin", &["Query"]),
    ("sweep", &["Query"]),
];

async fn work(stack: &Stack, user: &User, client: &(String, String), function: &str) -> Answer {
    match function {
        "authorizer" | "admin" => user.caller.get("/api/keys").await,
        "token" => {
            let wish = json!({ "client_id": client.0, "client_secret": client.1 });
            stack.anonymous().post("/api/v1/auth/token", &wish).await
        }
        "invoke" => Route::Invoke.call(&user.caller, &marker()).await,
        "stream" => Route::Messages.call(&user.caller, &marker()).await,
        "upload" => user.caller.get("/api/v1/files").await,
        _ => {
            let lambda = Caller::at(&stack.ready().lambda);
            lambda.post("/2015-03-31/functions/sweep/invocations", &json!({})).await
        }
    }
}

///
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_at_sigterm_is_answered_and_recorded() {
    let table = Unreliable::aws().await;
    let stack = Stack::start(&["--environments", "1", "--aws-endpoint", &table.url]).await;
    let user = stack.new_user().await;
    let client = stack.new_client(&["models:invoke"]).await;
    for (function, operations) in WORK {
        let id = process_of(&stack, function).await;
        // Whatever a first event does besides is behind it.
        let first = work(&stack, &user, &client, function).await;
        assert_eq!(first.status, 200, "{function}: {first:?}");
        let rows = user.rows().await.len();
        table.hold(operations);
        let end = async {
            table.until_waiting(1).await;
            signal(id, Signal::TERM);
            table.hold(&[]);
        };
        let (answer, ()) = tokio::join!(work(&stack, &user, &client, function), end);
        assert_eq!(answer.status, 200, "{function}: {answer:?}");
        end_of(&stack, function, id).await.assert_sound(function, "drained");
        let called = usize::from(["invoke", "stream"].contains(&function));
        user.rows_once(rows + called).await;
    }
}

/// A-41, B-11: whoever completes an upload has it to itself until its lease is over, which is minutes; on SIGTERM it gives it back, at
/// whichever step after the claim it stands, and the next one need not wait.
#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_an_upload_that_is_being_completed_is_given_back_on_sigterm() {
    let aws = Unreliable::aws().await;
    let stack = Stack::start(&["--environments", "1", "--aws-endpoint", &aws.url]).await;
    let user = stack.new_user().await;
    // The parts are put together; they are together, and nobody knows; the whole is read.
    for (step, moment) in [(3, Moment::Before), (3, Moment::After), (5, Moment::Before)] {
        let upload = Upload::of(&user, format!("{moment:?} {step}").into_bytes()).await;
        let id = process_of(&stack, "upload").await;
        let mut standstill = aws.stands_still(&[upload.id("session_id"), upload.id("file_id")], step, moment);
        let end = async {
            standstill.reached().await;
            signal(id, Signal::TERM);
        };
        let (answer, ()) = tokio::join!(upload.complete(&user), end);
        assert_eq!(answer.status, 503, "{step} {moment:?}: {answer:?}");
        let end = end_of(&stack, "upload", id).await;
        end.assert_sound("upload", "drained");
        assert_eq!(
            (&end.told["in_flight"], &end.told["cut"]),
            (&json!(1), &json!(0)),
            "{step}"
        );
        let answer = upload.complete(&user).await;
        assert_eq!(answer.status, 201, "{step} {moment:?}: {answer:?}");
    }
}

///
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_longer_than_there_is_time_is_the_sweeps() {
    let stack = Stack::start(&["--environments", "1"]).await;
    for route in [Route::Invoke, Route::InvokeStream, Route::MessagesStream] {
        let user = stack.new_user().await;
        let function = if route == Route::Invoke { "invoke" } else { "stream" };
        let id = process_of(&stack, function).await;
        let (hold, mark) = (marker(), marker());
        let text = directed(&mark, json!({ "output_tokens": 12, "hold": hold, "hold_after": 0 }));
        let call = async { route.open(&user.caller, &text).await.whole().await };
        let end = async {
            eventually("it stands", async || {
                (stack.mock().waiting(&hold).await == 1).then_some(())
            })
            .await;
            signal(id, Signal::TERM);
            let end = end_of(&stack, function, id).await;
            stack.mock().release(&hold).await;
            end
        };
        let (_, end) = tokio::join!(call, end);
        end.assert_sound(function, "cut");
        assert_eq!(end.told["cut"], 1, "{:?}", end.told);
        assert_eq!(user.rows().await, [], "it had no time to write a row");
        let bills = eventually("it is billed", async || {
            Some(stack.mock().bills(&mark).await).filter(|bills| !bills.is_empty())
        })
        .await;
        stack.mock().flush_log().await;
        sweep_later(&stack.ready().lambda).await;
        let rows = user.rows_once(1).await;
        assert_eq!(
            (rows[0].usage, rows[0].outcome),
            (bills[0].usage, Outcome::Lost),
            "as Bedrock billed it"
        );
    }
}

/// `local` without a guard, which would end what it leaves behind.
async fn local(data: &Path, file: &Path) -> (Child, Ready) {
    let _ = std::fs::remove_file(file);
    let child = Command::new(program("local"))
        .args(["up", "--schedule-seconds", "0", "--no-invocation-log", "--ready-file"])
        .arg(file)
        .arg("--data")
        .arg(data)
        .current_dir(root())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    (child, eventually("it is ready", async || Ready::read(file).ok()).await)
}

///
#[tokio::test(flavor = "multi_thread")]
async fn local_ends_on_sigterm_and_sigint_with_its_calls_recorded_and_its_table_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("ready.json"));
    for (calls, how) in [Signal::TERM, Signal::INT].into_iter().enumerate() {
        let (mut child, ready) = local(&data, &file).await;
        let caller = Caller::at(&ready.gateway).with("x-api-key", &ready.api_key);
        let hold = marker();
        let text = directed(&marker(), json!({ "hold": hold, "hold_after": 1 }));
        let mut events = Events::of(Route::MessagesStream.open(&caller, &text).await);
        events.next().await.unwrap().unwrap();
        signal(child.id().unwrap(), how);
        let status = child.wait().await.unwrap();
        assert!(status.success(), "{status}");
        let log = std::fs::metadata(data.join("dynamodb.sqlite-wal"));
        assert_eq!(
            log.map_or(0, |log| log.len()),
            0,
            "what was written is in the table's file"
        );

        let (mut child, ready) = local(&data, &file).await;
        sweep_later(&ready.lambda).await;
        let caller = Caller::at(&ready.gateway).with("x-api-key", &ready.api_key);
        let records = caller.get("/api/usage/records").await.json()["records"].clone();
        assert_eq!(records.as_array().unwrap().len(), calls + 1, "{records}");
        signal(child.id().unwrap(), Signal::TERM);
        assert!(child.wait().await.unwrap().success());
    }
}
