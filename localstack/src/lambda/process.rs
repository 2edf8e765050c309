//! Processes of functions.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::error::{Context, Error, Result};

/// How a function's process is started.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// The function's binary.
    pub(super) binary: PathBuf,
    /// The `local` program, to start the binary through; without it the binary is started directly.
    pub(super) launcher: Option<PathBuf>,
    /// The whole environment of the process.
    pub(super) variables: BTreeMap<String, String>,
    /// Where its output goes, appended.
    pub(super) log: PathBuf,
}

/// The thread that starts processes, and does nothing else. A process that asks to be killed when its parent dies means, to
/// the kernel, the parent's *thread*; a thread of the runtime's pool may end long before this program does.
#[derive(Debug)]
pub(super) struct Spawner {
    runtime: tokio::runtime::Handle,
    /// Dropped with the spawner, which ends the thread.
    _alive: oneshot::Sender<()>,
}

impl Spawner {
    pub(super) fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.doing("starting the thread for processes")?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("processes".to_owned());
        let started = thread.spawn(move || runtime.block_on(ended));
        started.doing("starting the thread for processes")?;
        Ok(Self {
            runtime: handle,
            _alive: alive,
        })
    }

    /// Starts a process that finds its Runtime API under `runtime_api` (host and port).
    pub(super) async fn start(&self, program: Program, runtime_api: String) -> Result<Child> {
        let started = self.runtime.spawn(async move { program.start(&runtime_api) }).await;
        started.doing("starting a process")?
    }
}

/// What a process may take to end itself after SIGTERM, as on Lambda.
const GRACE: Duration = Duration::from_millis(500);

/// Variables of this program that its functions inherit: where coverage goes, and how much a panic tells.
const INHERITED: [&str; 3] = ["LLVM_PROFILE_FILE", "RUST_BACKTRACE", "TMPDIR"];

impl Program {
    fn start(&self, runtime_api: &str) -> Result<Child> {
        let output = self.open_log()?;
        let mut command = match &self.launcher {
            Some(launcher) => {
                let mut command = Command::new(launcher);
                command
                    .arg("run-function")
                    .arg(std::process::id().to_string())
                    .arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        let inherited = INHERITED
            .iter()
            .filter_map(|name| Some((*name, std::env::var_os(name)?)));
        command
            .env_clear()
            .envs(inherited)
            .envs(&self.variables)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .stdin(Stdio::null())
            .stdout(output.try_clone().doing("sharing a log file")?)
            .stderr(output)
            .kill_on_drop(true);
        command.spawn().doing(format!("starting {}", self.binary.display()))
    }

    fn open_log(&self) -> Result<File> {
        let open = OpenOptions::new().create(true).append(true).open(&self.log);
        open.doing(format!("opening {}", self.log.display()))
    }

    /// Tells in the function's log how its process ended.
    pub(super) fn tell_end(&self, pid: Option<u32>, status: &std::io::Result<ExitStatus>) {
        use std::io::Write as _;
        let how = match status {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        if let Ok(mut log) = self.open_log() {
            let _ = writeln!(log, "local: process {} ended: {how}", pid.unwrap_or_default());
        }
    }

    /// Checks that the binary exists, so that a forgotten build is told as such.
    pub(super) fn check(&self) -> Result<()> {
        if self.binary.is_file() {
            return Ok(());
        }
        Err(Error::new(format!(
            "{} is missing: build the workspace first",
            self.binary.display()
        )))
    }
}

/// Asks a process to end, and kills it if it does not in time; and how it ended.
pub(super) async fn stop(child: &mut Child) -> std::io::Result<ExitStatus> {
    if let Some(pid) = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return status;
    }
    child.start_kill()?;
    child.wait().await
}

/// How a process ended, in Lambda's words.
pub(super) fn describe(status: std::io::Result<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
            (None, Some(signal)) => format!("Runtime exited with error: signal {signal}"),
            (None, None) => "Runtime exited".to_owned(),
        },
        Err(error) => format!("Runtime exited: {error}"),
    }
}
