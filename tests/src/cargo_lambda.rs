//! The functions' binaries under `cargo lambda watch`, and `cargo lambda invoke`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::answer::{Answer, HttpAnswer, events, payload};
use crate::backing::{Backing, root};
use crate::files::Case;
use crate::placeholder;

/// How long the program may take to listen. It compiles nothing before its first invocation.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running `cargo lambda watch`. Dropping it ends it and the functions that it started.
pub struct Watch {
    address: SocketAddr,
    child: Child,
    client: reqwest::Client,
}

impl Watch {
    /// Starts it for all functions over `backing`, and waits until it listens.
    pub fn start(backing: &Backing) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap();
        let mut command = cargo_lambda();
        command
            .args(["watch", "--ignore-changes", "--disable-cors", "--quiet"])
            .args(["-A", "127.0.0.1", "-P", &free.port().to_string(), "--env-file"])
            .arg(backing.env_file())
            // A group of its own, so that its functions can be ended with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let mut watch = Self {
            address: free,
            child,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        watch.wait_until_it_listens();
        watch
    }

    fn wait_until_it_listens(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "cargo lambda watch has ended");
            assert!(started.elapsed() < START_TIMEOUT, "cargo lambda watch does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What `cargo lambda invoke FUNCTION --data-file FILE` prints: on success, or as its error.
    pub async fn invoke(&self, case: &Case) -> Result<String, String> {
        let port = self.address.port().to_string();
        let mut command = cargo_lambda();
        command.args(["invoke", &case.function, "-A", "127.0.0.1", "-P", &port, "--data-file"]);
        command.arg(&case.file);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    /// The answer with all that `cargo lambda invoke` does not show: a stream's status and headers, and its bytes.
    pub async fn post(&self, case: &Case) -> Answer {
        let url = format!(
            "http://{}/2015-03-31/functions/{}/invocations",
            self.address, case.function
        );
        let event = std::fs::read(&case.file).unwrap();
        let response = self.client.post(url).body(event).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        if headers.contains_key("lambda-runtime-function-response-mode") {
            return Answer::Http(HttpAnswer { status, headers, body });
        }
        Answer::from_json(&serde_json::from_slice(&body).unwrap())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The group is the child's own: it holds the program, `cargo run` and the functions, and nothing else.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// The program that `tools/setup` installs, or else the one on the path.
fn cargo_lambda() -> Command {
    let installed: PathBuf = root().join(".tools/venv/bin/cargo-lambda");
    let program = if installed.exists() {
        installed
    } else {
        "cargo-lambda".into()
    };
    let mut command = Command::new(program);
    command.arg("lambda").current_dir(root());
    command
}

/// The part of a golden that `cargo lambda invoke` shows: a stream's events or payloads, or else the JSON.
pub fn shown(golden: &Value) -> Value {
    for form in ["events", "frames"] {
        if let Some(all) = golden[form].as_array() {
            return match form {
                "frames" => all.iter().map(|frame| frame["payload"].clone()).collect(),
                _ => all.clone().into(),
            };
        }
    }
    golden.clone()
}

/// What `cargo lambda invoke` printed, in the form of [`shown`].
pub fn printed(text: &str) -> Value {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.starts_with("event: ") {
        return placeholder::replaced(events(text).into());
    }
    match serde_json::from_str::<Value>(text) {
        Ok(json) => Answer::from_json(&json).golden(),
        Err(_) => placeholder::replaced(payloads(text)),
    }
}

/// The payloads of frames that were printed as text, which spoils their heads and checksums but not the JSON between.
fn payloads(text: &str) -> Value {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{\"") {
        rest = &rest[start..];
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                all.push(payload(&Bytes::from(value.to_string())));
                rest = &rest[values.byte_offset()..];
            }
            _ => rest = &rest[1..],
        }
    }
    json!(all)
}
