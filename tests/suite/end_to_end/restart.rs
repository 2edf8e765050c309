//! Beginning and end of a stack.

use std::process::Stdio;

use localstack::ready::Ready;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::json;
use tests::local::{Caller, Events, PATIENCE, Route, Stack, directed, eventually, marker, program, root};
use tokio::process::{Child, Command};

#[tokio::test(flavor = "multi_thread")]
async fn keys_rows_files_and_the_signing_key_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--data", data.to_str().unwrap(), "--environments", "2"];
    let stack = Stack::start(&arguments).await;
    let user = stack.new_user().await;
    let jwks = stack.anonymous().get("/.well-known/jwks.json").await.json();
    assert_eq!(Route::Messages.call(&user.caller, &marker()).await.status, 200);
    let rows = user.rows_once(1).await;
    let file = user.caller.upload("a", b"kept").await.json();
    let first = stack.ready().clone();
    stack.end();

    let stack = Stack::start(&arguments).await;
    assert_eq!(
        (&stack.ready().api_key, &stack.ready().admin_key),
        (&first.api_key, &first.admin_key)
    );
    let mut user = user;
    user.caller = stack.bearer(&user.key);
    assert_eq!(user.rows().await, rows);
    let path = format!("/api/v1/files/{}/content", file["file_id"].as_str().unwrap());
    assert_eq!(user.caller.get(&path).await.text(), "kept");
    assert_eq!(stack.anonymous().get("/.well-known/jwks.json").await.json(), jwks);
}

/// `local` without a guard, which would end what it leaves behind.
fn local(folder: &std::path::Path) -> Child {
    Command::new(program("local"))
        .arg("up")
        .arg("--ready-file")
        .arg(folder.join("ready.json"))
        .current_dir(root())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn is_running(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_ok() && stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_in_the_middle_of_a_call_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = local(folder.path());
    let file = folder.path().join("ready.json");
    let ready = eventually("it is ready", async || Ready::read(&file).ok()).await;
    let pids: Vec<u32> = ready.functions.values().flatten().copied().collect();
    assert!(pids.len() >= 6 && pids.iter().all(|pid| is_running(*pid)), "{ready:?}");
    // A call that would never end by itself.
    let caller = Caller::at(&ready.gateway).with("x-api-key", &ready.api_key);
    let reply = Route::MessagesStream
        .open(&caller, &directed(&marker(), json!({ "stall": true })))
        .await;
    let mut call = Events::of(reply);
    call.next().await.unwrap().unwrap();
    kill_process(
        Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap(),
        Signal::TERM,
    )
    .unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert!(
        !pids.iter().any(|pid| is_running(*pid)),
        "a function outlived the stack"
    );
    assert!(!ready.logs.exists(), "its folder outlived the stack");
    assert!(call.next().await.is_err(), "a part passed for the whole");
}
