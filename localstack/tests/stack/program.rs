//! The program `local` as a process.

use std::path::Path;
use std::process::Stdio;

use localstack::ready::Ready;
use localstack::stack::Stack;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{Gate, PATIENCE, binaries, eventually, options, program, template};

struct Local {
    child: Child,
    ready: Ready,
    folder: TempDir,
    _binaries: TempDir,
}

async fn up(arguments: &[&str]) -> Local {
    let (binaries, folder) = (binaries(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ready.json");
    let mut command = Command::new(program());
    command
        .arg("up")
        .arg("--ready-file")
        .arg(&file)
        .arg("--data")
        .arg(folder.path().join("data"));
    command
        .arg("--template")
        .arg(template())
        .arg("--binaries")
        .arg(binaries.path());
    command.args(["--bedrock", "http://127.0.0.1:9"]);
    command.args(arguments).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("ready after") {
                return;
            }
        }
        panic!("the program ended");
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    Local {
        child,
        ready: Ready::read(&file).unwrap(),
        folder,
        _binaries: binaries,
    }
}

fn pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

fn pids(ready: &Ready) -> Vec<Pid> {
    ready.functions.values().flatten().map(|&id| pid(id)).collect()
}

/// A process that ended but has not been waited for is still known to the kernel, as a zombie.
fn is_running(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_ok() && stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_the_program_and_all_that_it_started() {
    let mut local = up(&["--environments", "2"]).await;
    let pids = pids(&local.ready);
    assert_eq!(pids.len(), 8);
    assert!(pids.iter().all(|&pid| is_running(pid)));
    kill_process(pid(local.child.id().unwrap()), Signal::TERM).unwrap();
    let status = tokio::time::timeout(PATIENCE, local.child.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success(), "{status}");
    assert!(
        !pids.iter().any(|&pid| is_running(pid)),
        "a function outlived the program"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_function_outlives_a_program_that_is_killed() {
    let mut local = up(&[]).await;
    let pids = pids(&local.ready);
    // One of them is at work, and would not notice by itself that nobody waits for its answer.
    let gate = Gate::new().await;
    let call = reqwest::Client::new().get(format!("{}/open/x?gate={}", local.ready.gateway, gate.port));
    let call = tokio::spawn(call.send());
    let _at_work = gate.reached().await;
    local.child.kill().await.unwrap();
    eventually("a function outlived the program", || {
        !pids.iter().any(|&pid| is_running(pid))
    })
    .await;
    assert!(call.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ready_file_follows_a_function_that_is_killed_and_replaced() {
    let local = up(&["--environments", "1"]).await;
    let file = local.folder.path().join("ready.json");
    let before = local.ready.functions["buffered"].clone();
    kill_process(pid(before[0]), Signal::KILL).unwrap();
    eventually("no process took the place", || {
        let now = &Ready::read(&file).unwrap().functions["buffered"];
        now.len() == 1 && *now != before
    })
    .await;
    let response = reqwest::get(format!("{}/open/x", local.ready.gateway)).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_served_under_an_authority_that_outlives_restarts() {
    let mut local = up(&["--tls"]).await;
    let authority = std::fs::read(local.ready.ca.as_deref().unwrap()).unwrap();
    let url = format!("{}/open/x", local.ready.gateway_tls.as_deref().unwrap());
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let trusting = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&authority).unwrap()])
        .build()
        .unwrap();
    let response = trusting.get(&url).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    let echo: serde_json::Value = response.json().await.unwrap();
    assert_eq!(echo["event"]["headers"]["X-Forwarded-Proto"], "https");
    assert!(reqwest::get(&url).await.is_err(), "anybody trusts it");
    let data = local.folder.path().join("data");
    local.child.kill().await.unwrap();
    let again = localstack::tls::prepare(&data.join("tls"), None).unwrap();
    assert_eq!(std::fs::read(again.ca).unwrap(), authority);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_serves_one_program_at_a_time() {
    let local = up(&[]).await;
    let data = local.folder.path().join("data");
    let second = second(&data).await;
    assert!(second.contains("another stack uses"), "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_survive_a_restart_with_the_same_data() {
    let folder = tempfile::tempdir().unwrap();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let binaries = binaries();
        let mut options = options(&binaries);
        options.data = Some(folder.path().to_owned());
        let stack = Stack::start(&options).await.unwrap();
        let ready = stack.ready();
        assert!(!ready.api_key.is_empty() && ready.api_key != ready.admin_key);
        keys.push((ready.api_key.clone(), ready.admin_key.clone()));
        stack.stop().await;
    }
    assert_eq!(keys[0], keys[1]);
}

async fn second(data: &Path) -> String {
    let mut command = Command::new(program());
    command
        .arg("up")
        .arg("--template")
        .arg(template())
        .arg("--data")
        .arg(data);
    let output = command.output().await.unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_cargo_lambda_it_waits_for_nothing_and_leaves_a_file_of_variables() {
    let local = up(&["--lambda", "http://127.0.0.1:9"]).await;
    assert!(local.ready.functions.is_empty());
    assert_eq!(local.ready.lambda, "http://127.0.0.1:9");
    let variables = std::fs::read_to_string(local.ready.env_file.as_deref().unwrap()).unwrap();
    let expected = [
        "TABLE=tollgate-table".to_owned(),
        format!("AWS_ENDPOINT_URL_DYNAMODB={}", local.ready.dynamodb),
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:9".to_owned(),
        format!("ISSUER={}", local.ready.gateway),
    ];
    for line in expected {
        assert!(variables.lines().any(|other| other == line), "{line} in {variables}");
    }
    let response = reqwest::get(format!("{}/open/x", local.ready.gateway)).await.unwrap();
    assert_eq!(response.status(), 502);
}
