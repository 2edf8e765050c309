//! Starting a stack with fake functions, and gates for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::clock::Clock;
use localstack::gateway::Limits;
use localstack::stack::{Options, Stack};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The names under which the one fake binary runs.
const FUNCTIONS: [&str; 4] = ["authorizer", "buffered", "scheduled", "streamed"];

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The program itself.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_local"))
}

pub(crate) fn template() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack/template.yaml")
}

/// A folder in which every function is the fake one.
pub(crate) fn binaries() -> TempDir {
    let fake = program().with_file_name("examples").join("fake");
    assert!(
        fake.is_file(),
        "the fake functions are not built: run `cargo test -p localstack` once without `--test`"
    );
    let folder = tempfile::tempdir().unwrap();
    for name in FUNCTIONS {
        std::os::unix::fs::symlink(&fake, folder.path().join(name)).unwrap();
    }
    folder
}

/// A running stack, and a client for it.
pub(crate) struct Running {
    pub(crate) stack: Stack,
    pub(crate) client: Client,
    _binaries: TempDir,
}

pub(crate) fn options(binaries: &TempDir) -> Options {
    Options {
        template: template(),
        binaries: binaries.path().to_owned(),
        launcher: Some(program()),
        port: 0,
        ready_file: None,
        environments: 1,
        authorizer_ttl_seconds: None,
        clock: Clock::System,
        schedule_seconds: Some(0),
        invocation_log: true,
        login: None,
        parameters: BTreeMap::new(),
        data: None,
        tls: false,
        mutual_tls: None,
        bedrock: Some("http://127.0.0.1:9".to_owned()),
        aws_endpoint: None,
        lambda: None,
        limits: Limits::default(),
    }
}

pub(crate) async fn start() -> Running {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Running {
    let binaries = binaries();
    let mut options = options(&binaries);
    change(&mut options);
    let stack = Stack::start(&options).await.unwrap();
    Running {
        stack,
        client: Client::new(),
        _binaries: binaries,
    }
}

impl Running {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.stack.ready().gateway))
            .timeout(PATIENCE)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str) -> Response {
        self.request(Method::POST, path).send().await.unwrap()
    }

    /// What the echoing function says of its event and its environment.
    pub(crate) async fn echo(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }
}

/// A place where a function waits until the test lets it go on.
pub(crate) struct Gate {
    listener: TcpListener,
    pub(crate) port: u16,
}

impl Gate {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    /// Waits until a function stands at the gate.
    pub(crate) async fn reached(&self) -> AtGate {
        let (socket, _) = tokio::time::timeout(PATIENCE, self.listener.accept())
            .await
            .expect("nobody came")
            .unwrap();
        AtGate(socket)
    }

    /// Whether somebody stands there already.
    pub(crate) fn is_reached_now(&self) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        self.listener.poll_accept(&mut context).is_ready()
    }
}

/// A function that stands at a gate.
pub(crate) struct AtGate(TcpStream);

impl AtGate {
    pub(crate) async fn open(&mut self) {
        self.0.write_all(b"!").await.unwrap();
    }

    /// What the function says afterwards, until it leaves.
    pub(crate) async fn rest(mut self) -> String {
        let mut rest = String::new();
        // A function that was killed leaves without a word.
        let _ = tokio::time::timeout(PATIENCE, self.0.read_to_string(&mut rest))
            .await
            .expect("nothing more was said");
        rest
    }
}

/// Looks again and again at something that no event tells of: another process's end, a file that another process rewrites.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}
