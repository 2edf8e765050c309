//! `ministack`, which speaks LocalStack's API on one port without Docker: tables, buckets and secrets that are not this project's own.

use std::path::Path;

use tokio::net::TcpStream;

use super::guard::{Guard, root};
use super::poll::eventually;

/// The services that the gateway uses; the others are not loaded.
const SERVICES: &str = "SERVICES=dynamodb,s3,secretsmanager,events,sns";

/// Starts it on a port of the loopback interface, with all that it holds in memory. `folder` is its home, removed at its end.
pub(super) async fn start(folder: &Path, log: &Path, port: u16) -> Guard {
    let program = root().join(".tools/venv-ministack/bin/ministack");
    assert!(
        program.is_file(),
        "ministack is not in .tools: run `tools/setup venv-ministack` first"
    );
    let home = folder.to_str().unwrap();
    let variables = [
        "BIND_HOST=127.0.0.1".to_owned(),
        format!("GATEWAY_PORT={port}"),
        format!("HOME={home}"),
        format!("TMPDIR={home}"),
        "SFTP_ENABLED=0".to_owned(),
        "LOG_LEVEL=WARNING".to_owned(),
        SERVICES.to_owned(),
    ];
    std::fs::create_dir_all(folder).unwrap();
    let mut arguments: Vec<_> = variables.iter().map(String::as_str).collect();
    arguments.push(program.to_str().unwrap());
    let mut guard = Guard::start(folder, Path::new("env"), &arguments, log);
    eventually("ministack listens", async || {
        guard.must_be_running();
        TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    guard
}
