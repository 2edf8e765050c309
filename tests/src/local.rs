//! The program `local` as tests use it: started as a child process on either host of functions, asked by typed callers, and
//! ended with everything that it started.

mod caller;
mod guard;
mod ministack;
mod mock;
mod model;
mod poll;
mod table;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway::store::UsageRow;
use localstack::ready::Ready;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

pub use caller::{Answer, Caller, Reply, raw};
pub use guard::{Guard, program, root};
pub use mock::{LedgerCall, Mock, Request};
pub use model::{ALIAS, Event, Events, Frames, MODEL, Route, directed, marker, model_event};
pub use poll::{PATIENCE, eventually};

use crate::port::free_port;
use poll::found_within;
pub use table::{dynamodb, end_lease, make_secret, rotate_signing_key, signing_key, signing_secret, store, table_text};

/// What runs the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// `local` itself, by a Runtime API of its own.
    Runtime,
    /// `cargo lambda watch`.
    Watch,
    /// `local` itself as well, but over `ministack` in place of the embedded table, buckets and secrets.
    Ministack,
}

/// Environments of each function. Those of `cargo lambda watch` start when they are needed, each by way of cargo.
const ENVIRONMENTS: &str = "8";
const WATCHED_ENVIRONMENTS: &str = "4";

/// A stack may take so long to its start: longer than `local` itself gives its functions, so that what it says of them is heard.
const START: Duration = Duration::from_secs(180);

/// A running stack, with a pool of connections of this test's own: a pool ends with the runtime of the test that made it.
#[derive(Clone, Debug)]
pub struct Stack {
    running: Arc<Running>,
    client: caller::Client,
}

#[derive(Debug)]
struct Running {
    host: Host,
    folder: PathBuf,
    ready: Ready,
    /// `local` first, so that it is the first to end.
    guards: Mutex<Vec<Guard>>,
}

/// The stack that all tests of a host share. It is started by the first that asks, and ends with the test binary.
pub async fn shared(host: Host) -> Stack {
    static RUNTIME: OnceCell<Arc<Running>> = OnceCell::const_new();
    static WATCH: OnceCell<Arc<Running>> = OnceCell::const_new();
    static MINISTACK: OnceCell<Arc<Running>> = OnceCell::const_new();
    let cell = match host {
        Host::Runtime => &RUNTIME,
        Host::Watch => &WATCH,
        Host::Ministack => &MINISTACK,
    };
    let arguments = ["--environments", ENVIRONMENTS];
    let running = cell
        .get_or_init(async || Arc::new(Running::start(host, &arguments).await))
        .await;
    Stack::of(Arc::clone(running))
}

impl Running {
    async fn start(host: Host, arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tollgate-test-")
            .tempdir()
            .unwrap()
            .keep();
        let watch_url = match host {
            Host::Runtime | Host::Ministack => None,
            Host::Watch => Some(format!("http://127.0.0.1:{}", free_port())),
        };
        let foreign = match host {
            Host::Runtime | Host::Watch => None,
            Host::Ministack => Some(free_port()),
        };
        let foreign_url = foreign.map(|port| format!("http://127.0.0.1:{port}"));
        let mut foreign_guard = None;
        if let Some(port) = foreign {
            foreign_guard =
                Some(ministack::start(&folder.join("ministack"), &folder.join("ministack.log"), port).await);
        }
        let (file, data) = (folder.join("ready.json"), folder.join("data"));
        let mut all = vec!["up", "--ready-file", text(&file)];
        all.extend(arguments);
        if !arguments.contains(&"--schedule-seconds") {
            // What is scheduled runs when a test says so.
            all.extend(["--schedule-seconds", "0"]);
        }
        if !arguments.contains(&"--data") {
            all.extend(["--data", text(&data)]);
        }
        if let Some(url) = &watch_url {
            all.extend(["--lambda", url]);
        }
        if let Some(url) = &foreign_url {
            all.extend(["--aws-endpoint", url]);
        }
        let mut guard = Guard::start(&folder, &program("local"), &all, &folder.join("local.log"));
        let ready = found_within(START, async || {
            guard.must_be_running();
            Ready::read(&file).ok()
        })
        .await;
        let ready = ready.unwrap_or_else(|| panic!("the local stack is not ready after {START:?}\n{}", guard.said()));
        let mut guards = vec![guard];
        if let Some(url) = &watch_url {
            guards.push(watch(&folder, url, &ready).await);
        }
        guards.extend(foreign_guard);
        Self {
            host,
            folder,
            ready,
            guards: Mutex::new(guards),
        }
    }

    /// What functions asked for that their roles do not allow. `local` writes it only where it can tell functions apart.
    fn denied(&self) -> String {
        std::fs::read_to_string(self.ready.logs.join("denied.log")).unwrap_or_default()
    }

    fn end(&self) {
        self.guards.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        if !std::thread::panicking() {
            assert_eq!(self.denied(), "", "asked for, and no role allows it");
        }
    }
}

/// Starts `cargo lambda watch` and each function once, so that no test waits for cargo.
async fn watch(folder: &Path, url: &str, ready: &Ready) -> Guard {
    let (host, port) = url.strip_prefix("http://").unwrap().split_once(':').unwrap();
    let variables = ready.env_file.clone().unwrap();
    let manifest = root().join("Cargo.toml");
    let arguments = [
        "lambda",
        "watch",
        // What changes while the tests run is not theirs.
        "--ignore-changes",
        "--disable-cors",
        "--manifest-path",
        text(&manifest),
        "--invoke-address",
        host,
        "--invoke-port",
        port,
        "--concurrency",
        WATCHED_ENVIRONMENTS,
        "--env-file",
        text(&variables),
    ];
    let log = folder.join("watch.log");
    let program = guard::cargo_lambda();
    // Even so it watches all that is below it, once for each function; below the root are the tools' thirty thousand folders.
    let mut guard = Guard::start_in(
        &root().join("functions"),
        &folder.join("watch"),
        &program,
        &arguments,
        &log,
    );
    eventually("cargo lambda watch listens", async || {
        guard.must_be_running();
        TcpStream::connect((host, port.parse::<u16>().unwrap())).await.ok()
    })
    .await;
    let client = caller::client();
    for function in functions() {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let anybody = Caller::anonymous(&client, url);
        // Whatever it says of an empty event, it is alive then.
        anybody.send("POST", &path, &[], "{}").await;
    }
    guard
}

/// The functions, from their folders.
pub fn functions() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("functions")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Stack {
    /// A stack of a test's own, by the functions' own host. It ends when it is dropped.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::of(Arc::new(Running::start(Host::Runtime, arguments).await))
    }

    fn of(running: Arc<Running>) -> Self {
        Self {
            running,
            client: caller::client(),
        }
    }

    /// Ends the stack now, and returns when nothing of it is left.
    pub fn end(&self) {
        self.running.end();
    }

    /// Fails if a function asked for what its role does not allow, in whichever test.
    pub fn assert_nothing_was_denied(&self) {
        assert_eq!(self.running.denied(), "", "asked for, and no role allows it");
    }

    /// What runs the functions.
    pub fn host(&self) -> Host {
        self.running.host
    }

    /// What ran where when the stack was ready.
    pub fn ready(&self) -> &Ready {
        &self.running.ready
    }

    /// What runs where now.
    pub fn ready_now(&self) -> Ready {
        Ready::read(&self.running.folder.join("ready.json")).unwrap()
    }

    /// Everything that the gateway, the functions and their host have logged.
    pub fn logs(&self) -> String {
        let folders = [&self.running.folder, &self.running.ready.logs];
        let files = folders
            .into_iter()
            .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        files
            .map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())
            .collect()
    }

    /// The Bedrock mock.
    pub fn mock(&self) -> Mock {
        Mock::new(Caller::anonymous(&self.client, &self.running.ready.bedrock))
    }

    /// Somebody without a credential.
    pub fn anonymous(&self) -> Caller {
        Caller::anonymous(&self.client, &self.running.ready.gateway)
    }

    /// Somebody with this API key or token, shown as `Authorization: Bearer`.
    pub fn bearer(&self, credential: &str) -> Caller {
        self.anonymous().with("authorization", format!("Bearer {credential}"))
    }

    /// The administrator.
    pub fn admin(&self) -> Caller {
        self.bearer(&self.running.ready.admin_key)
    }

    /// The user whom the ready file names. Every test shares this one: who counts rows, keys or files takes a
    /// [`new_user`](Self::new_user).
    pub fn user(&self) -> Caller {
        self.bearer(&self.running.ready.api_key)
    }

    /// A user whom no other test knows, with an API key of all scopes but `admin`.
    pub async fn new_user(&self) -> User {
        self.new_user_with(&["models:invoke", "usage:read", "files", "keys"])
            .await
    }

    /// The same with all scopes: no missing right keeps this one from anything.
    pub async fn almighty(&self) -> User {
        self.new_user_with(&["models:invoke", "usage:read", "files", "keys", "admin"])
            .await
    }

    async fn new_user_with(&self, scopes: &[&str]) -> User {
        let name = format!("user:{}", marker());
        let key = self.new_key(&name, scopes).await;
        User {
            caller: self.bearer(&key),
            name,
            key,
        }
    }

    /// An API key of `owner`, made by the administrator.
    pub async fn new_key(&self, owner: &str, scopes: &[&str]) -> String {
        let wish = json!({ "name": "a test's", "owner": owner, "scopes": scopes });
        let answer = self.admin().post("/api/keys", &wish).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["key"].as_str().unwrap().to_owned()
    }

    /// A service account, made by the administrator: its id and its secret.
    pub async fn new_client(&self, scopes: &[&str]) -> (String, String) {
        let wish = json!({ "name": "a test's", "scopes": scopes });
        let answer = self.admin().post("/api/admin/clients", &wish).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let made = answer.json();
        let field = |name: &str| made[name].as_str().unwrap().to_owned();
        (field("client_id"), field("client_secret"))
    }

    /// An access token for a service account.
    pub async fn token(&self, client_id: &str, client_secret: &str) -> String {
        let wish = json!({ "client_id": client_id, "client_secret": client_secret });
        let answer = self.anonymous().post("/api/v1/auth/token", &wish).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A program with an access token of its own, whose subject no other test knows.
    pub async fn service_account(&self) -> User {
        let (client_id, secret) = self.new_client(&["models:invoke", "usage:read", "files"]).await;
        let token = self.token(&client_id, &secret).await;
        User {
            caller: self.bearer(&token),
            name: format!("client:{client_id}"),
            key: token,
        }
    }
}

/// Somebody of a test's own.
#[derive(Clone, Debug)]
pub struct User {
    /// Who shows the credential.
    pub caller: Caller,
    /// The subject.
    pub name: String,
    /// The API key or the token itself.
    pub key: String,
}

impl User {
    /// All usage rows of this user, newest first, paged through as a client does.
    pub async fn rows(&self) -> Vec<UsageRow> {
        self.rows_by(500).await
    }

    /// The same in pages of so many.
    pub async fn rows_by(&self, limit: usize) -> Vec<UsageRow> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            // By name, since an administrator's own are not all that it is shown.
            let path = format!("/api/usage/records?user={}&limit={limit}{cursor}", self.name);
            let answer = self.caller.get(&path).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let mut page = answer.json();
            let records: Vec<UsageRow> = serde_json::from_value(page["records"].take()).unwrap();
            assert!(records.len() <= limit, "{} records on a page of {limit}", records.len());
            rows.extend(records);
            match &page["next_cursor"] {
                Value::Null => return rows,
                next => cursor = format!("&cursor={}", next.as_str().unwrap()),
            }
        }
    }

    /// The rows, as soon as there are so many: a row of a caller who left is written after it has left.
    pub async fn rows_once(&self, count: usize) -> Vec<UsageRow> {
        let rows = eventually(&format!("{} has {count} usage rows", self.name), async || {
            Some(self.rows().await).filter(|rows| rows.len() >= count)
        })
        .await;
        assert_eq!(rows.len(), count, "{rows:#?}");
        rows
    }
}
