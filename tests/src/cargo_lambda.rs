//! The functions' binaries under `cargo lambda watch`, and `cargo lambda invoke`.

use std::fs::File;
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
/// How long an invocation may take. The first one of a function compiles what is not compiled yet; one whose function does not
/// compile, or has ended, would wait for ever.
const INVOKE_TIMEOUT: Duration = Duration::from_secs(300);

/// A running `cargo lambda watch`. Dropping it ends it and the functions that it started.
pub struct Watch {
    address: SocketAddr,
    child: Child,
    log: PathBuf,
    client: reqwest::Client,
}

impl Watch {
    /// Starts it for all functions over `backing`, and waits until it listens.
    pub fn start(backing: &Backing) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap();
        let log = backing.data().join("functions.log");
        let mut command = cargo_lambda().into_std();
        command
            .args(["watch", "--ignore-changes", "--disable-cors", "--manifest-path"])
            .arg(root().join("Cargo.toml"))
            // Even so it watches all that is below it, once for each function; below the root are the tools' thirty thousand folders.
            .current_dir(root().join("functions"))
            .args(["-A", "127.0.0.1", "-P", &free.port().to_string(), "--env-file"])
            .arg(backing.env_file())
            // A group of its own, so that its functions can be ended with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        let mut watch = Self {
            address: free,
            child: command
                .spawn()
                .expect("cargo-lambda starts; `tools/setup venv` installs it"),
            log,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        watch.wait_until_it_listens();
        watch
    }

    fn wait_until_it_listens(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended: {}", self.log());
            assert!(started.elapsed() < START_TIMEOUT, "it does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it and the functions have said so far, for whoever reads that a test failed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What `cargo lambda invoke FUNCTION --data-file FILE` prints: on success, or as its error.
    pub async fn invoke(&self, case: &Case) -> Result<String, String> {
        let port = self.address.port().to_string();
        let mut command = cargo_lambda();
        command.args(["invoke", &case.function, "-A", "127.0.0.1", "-P", &port, "--data-file"]);
        let output = command.arg(&case.file).kill_on_drop(true).output();
        let output = tokio::time::timeout(INVOKE_TIMEOUT, output).await;
        let output = output.unwrap_or_else(|_| panic!("no answer: {}", self.log())).unwrap();
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
        let request = self.client.post(url).timeout(INVOKE_TIMEOUT).body(event);
        let response = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{error}: {}", self.log()));
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
fn cargo_lambda() -> tokio::process::Command {
    let installed: PathBuf = root().join(".tools/venv/bin/cargo-lambda");
    let program = if installed.exists() {
        installed
    } else {
        "cargo-lambda".into()
    };
    let mut command = tokio::process::Command::new(program);
    command.arg("lambda").current_dir(root());
    command
}

/// The part of a golden that `cargo lambda invoke` prints: of a stream the body alone. It takes any status but 200 for an error, reads
/// a problem's title and detail (RFC 9457) as one, and of anything else says that it cannot.
pub fn shown(golden: &Value, streams: bool) -> Value {
    if !streams {
        return golden.clone();
    }
    if golden["statusCode"] != 200 {
        return match golden["json"]["detail"].as_str() {
            Some(detail) => placeholder::replaced(told(detail)),
            None => json!("invalid error payload"),
        };
    }
    if let Some(frames) = golden["frames"].as_array() {
        return frames.iter().map(|frame| frame["payload"].clone()).collect();
    }
    if let Some(text) = golden["text"].as_str() {
        return json!(text.trim_end_matches('\n'));
    }
    let body = golden.get("events").or_else(|| golden.get("json"));
    body.cloned().unwrap_or_default()
}

/// What `cargo lambda invoke` printed, in the form of [`shown`].
pub fn printed(text: &Result<String, String>, streams: bool) -> Value {
    match text {
        Ok(text) => placeholder::replaced(answer(text.trim_end_matches('\n'), text, streams)),
        Err(text) => placeholder::replaced(error(text)),
    }
}

fn answer(line: &str, text: &str, streams: bool) -> Value {
    if text.starts_with("event: ") || text.starts_with("data: ") {
        return events(&format!("{line}\n\n")).into();
    }
    match serde_json::from_str::<Value>(line) {
        Ok(json) if streams => json,
        Ok(json) => Answer::from_json(&json).golden(),
        Err(_) => match payloads(text) {
            payloads if payloads.is_empty() => json!(line),
            payloads => json!(payloads),
        },
    }
}

/// An error is printed as its type and, behind a cross, its message, whose further lines stand behind a bar.
fn error(text: &str) -> Value {
    let lines = text.lines().skip_while(|line| !line.contains("× "));
    let lines = lines.map_while(|line| line.split_once("× ").or_else(|| line.split_once("│ ")));
    let message = lines.map(|(_, line)| line).collect::<Vec<_>>().join(" ");
    if message.starts_with("invalid error payload") {
        return json!("invalid error payload");
    }
    told(if message.is_empty() { text } else { &message })
}

fn told(message: &str) -> Value {
    json!({"errorType": "", "errorMessage": message})
}

/// The payloads of frames that were printed as text, which spoils their heads and checksums but not the JSON between.
fn payloads(text: &str) -> Vec<Value> {
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
    all
}
