//! Hosting functions: environments that start at boot, serve one event at a time, and are replaced when they end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::process::Child;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::answer::{Answer, Failure};
use super::dispatch::{Job, Queue};
use super::environment::{Environment, Function};
use super::process::{self, Program, Spawner};
use super::variables::function_variables;
use super::{PAYLOAD_LIMIT_BYTES, invoke_api, runtime_api};
use crate::error::{Context, Error, Result};
use crate::net;
use crate::privileges::{Privileges, Report, access_key_id};
use crate::template;

/// How functions are hosted.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder with the functions' binaries.
    pub binaries: PathBuf,
    /// The `local` program, through which functions are started so that they die with it.
    pub launcher: Option<PathBuf>,
    /// The folder for their logs; it exists.
    pub logs: PathBuf,
    /// How many environments each function has.
    pub environments: usize,
    /// Variables that every function gets besides the template's.
    pub variables: BTreeMap<String, String>,
    /// What functions are held to, by access key ids of their own.
    pub privileges: Option<Privileges>,
}

/// The process ids of every function's environments.
pub type Processes = BTreeMap<String, Vec<u32>>;

/// The functions of a template, running.
#[derive(Debug, Clone)]
pub struct Host {
    functions: Arc<BTreeMap<String, Arc<Function>>>,
    processes: watch::Receiver<Processes>,
    stop: Arc<watch::Sender<bool>>,
    stopped: watch::Receiver<bool>,
    url: String,
    logs: Arc<PathBuf>,
    privileges: Privileges,
}

/// How long a function may take to its first poll. Lambda gives it ten seconds, and then starts it again with its first event: to be slow
/// is no failure there, and on a machine that has more to do than it can it is none here. What ends by itself is told of at once.
const INIT_LIMIT: Duration = Duration::from_secs(120);
/// The pause before a process that never got ready is started again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Host {
    /// Starts every environment of every function and waits until all have asked for their first event.
    ///
    /// # Errors
    /// If a binary is missing, or a function ends or stays silent instead of asking.
    pub async fn start(functions: &[template::Function], options: &Options) -> Result<Self> {
        let listener = net::listen(0).await?;
        let url = net::url(&listener)?;
        let (processes_sender, processes) = watch::channel(Processes::new());
        let (stop, stopping) = watch::channel(false);
        let (stopped_sender, stopped) = watch::channel(false);
        let spawner = Arc::new(Spawner::new()?);
        let mut hosted = BTreeMap::new();
        let mut slots = JoinSet::new();
        let mut first_polls = Vec::new();
        for declared in functions {
            let function = Arc::new(Function {
                name: declared.name.clone(),
                arn: declared.arn.clone(),
                timeout: Duration::from_secs(declared.timeout_seconds),
                queue: Queue::default(),
            });
            hosted.insert(declared.name.clone(), Arc::clone(&function));
            let program = program(declared, options);
            program.check()?;
            processes_sender.send_modify(|all| drop(all.insert(declared.name.clone(), Vec::new())));
            for _ in 0..options.environments {
                let (ready, first_poll) = oneshot::channel();
                first_polls.push((program.log.clone(), first_poll));
                slots.spawn(
                    Slot {
                        function: Arc::clone(&function),
                        program: program.clone(),
                        spawner: Arc::clone(&spawner),
                        processes: processes_sender.clone(),
                        stopping: stopping.clone(),
                        ready: Some(ready),
                    }
                    .run(),
                );
            }
        }
        // Owned by a task, because slots that end with the host need somebody to have waited for them.
        tokio::spawn(async move {
            while slots.join_next().await.is_some() {}
            let _ = stopped_sender.send(true);
        });
        let host = Self {
            functions: Arc::new(hosted),
            processes,
            stop: Arc::new(stop),
            stopped,
            url,
            logs: Arc::new(options.logs.clone()),
            privileges: options.privileges.clone().unwrap_or_default(),
        };
        tokio::spawn(invoke_api::serve(listener, host.clone()));
        let ready = host.wait_for_first_polls(first_polls).await;
        if ready.is_err() {
            host.shutdown().await;
        }
        ready.map(|()| host)
    }

    async fn wait_for_first_polls(
        &self,
        first_polls: Vec<(PathBuf, oneshot::Receiver<Result<(), Failure>>)>,
    ) -> Result<()> {
        let deadline = tokio::time::Instant::now() + INIT_LIMIT;
        for (log, first_poll) in first_polls {
            let problem = match tokio::time::timeout_at(deadline, first_poll).await {
                Ok(Ok(Ok(()))) => continue,
                Ok(Ok(Err(failure))) => failure.message(),
                Ok(Err(_)) => "it was never started".to_owned(),
                Err(_) => format!("it did not ask for an event within {} s", INIT_LIMIT.as_secs()),
            };
            return Err(Error::new(format!(
                "a function did not start: {problem}; its log is {}",
                log.display()
            )));
        }
        Ok(())
    }

    /// The URL under which tools invoke functions as Lambda's Invoke does.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the functions have said in their metric lines, in Prometheus text.
    pub(super) fn metrics(&self) -> Result<String> {
        super::metrics::text(&self.logs)
    }

    /// What the functions' roles allow, and what of it they have used.
    pub(super) fn privileges(&self) -> Report {
        self.privileges.report()
    }

    /// The process ids, and a notice whenever one starts or ends.
    #[must_use]
    pub fn processes(&self) -> watch::Receiver<Processes> {
        self.processes.clone()
    }

    pub(super) async fn invoke(&self, function: &str, event: Bytes) -> Result<Answer, Failure> {
        let unknown = || Failure::Unavailable(format!("Function not found: {function}"));
        let function = self.functions.get(function).ok_or_else(unknown)?;
        if event.len() > PAYLOAD_LIMIT_BYTES {
            return Err(Failure::TooLarge);
        }
        let (reply, answer) = oneshot::channel();
        function.queue.push(Job { event, reply });
        let lost = |_| Err(Failure::Exited("the environment ended before it answered".to_owned()));
        answer.await.unwrap_or_else(lost)
    }

    /// Ends all processes: SIGTERM, half a second, SIGKILL. Returns when none is left.
    pub async fn shutdown(&self) {
        let _ = self.stop.send(true);
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}

fn program(function: &template::Function, options: &Options) -> Program {
    let mut variables = options.variables.clone();
    variables.extend(function_variables(function, &options.binaries));
    if options.privileges.is_some() {
        variables.insert("AWS_ACCESS_KEY_ID".to_owned(), access_key_id(&function.name));
    }
    Program {
        binary: options.binaries.join(&function.name),
        launcher: options.launcher.clone(),
        variables,
        log: options.logs.join(format!("{}.log", function.name)),
    }
}

/// A place for an environment of a function: whatever process is in it is replaced when it ends.
struct Slot {
    function: Arc<Function>,
    program: Program,
    spawner: Arc<Spawner>,
    processes: watch::Sender<Processes>,
    stopping: watch::Receiver<bool>,
    ready: Option<oneshot::Sender<Result<(), Failure>>>,
}

impl Slot {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while !*self.stopping.borrow() {
            let initialized = self.run_once().await;
            if initialized {
                pause = FIRST_PAUSE;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = stop_of(&mut self.stopping) => {}
            }
        }
    }

    /// One process, from start to end. Returns whether it ever got ready.
    async fn run_once(&mut self) -> bool {
        let environment = Environment::new(Arc::clone(&self.function));
        let reason = match self.start(&environment).await {
            Ok((child, api)) => {
                let reason = self.watch(child, &environment).await;
                api.abort();
                reason
            }
            Err(error) => error.to_string(),
        };
        let failure = environment.ended(&reason);
        let initialized = environment.is_initialized();
        if !initialized {
            // Nobody else may ever come for what waits.
            self.function.queue.fail_waiting(&failure);
            if let Some(ready) = self.ready.take() {
                let _ = ready.send(Err(failure));
            }
        }
        initialized
    }

    async fn start(&self, environment: &Arc<Environment>) -> Result<(Child, JoinHandle<()>)> {
        let listener = net::listen(0).await?;
        let address = listener.local_addr().doing("asking a listener for its address")?;
        let child = self.spawner.start(self.program.clone(), address.to_string()).await?;
        let api = tokio::spawn(runtime_api::serve(listener, Arc::clone(environment)));
        Ok((child, api))
    }

    async fn watch(&mut self, mut child: Child, environment: &Arc<Environment>) -> String {
        let pid = child.id();
        self.record(|pids| pids.extend(pid));
        let reason = loop {
            tokio::select! {
                status = child.wait() => {
                    self.program.tell_end(pid, &status);
                    break process::describe(status);
                }
                () = environment.first_poll.notified() => {
                    if let Some(ready) = self.ready.take() {
                        let _ = ready.send(Ok(()));
                    }
                }
                () = environment.overdue.notified() => {
                    let _ = child.start_kill();
                }
                () = stop_of(&mut self.stopping) => {
                    let status = process::stop(&mut child).await;
                    self.program.tell_end(pid, &status);
                    break "the local stack is stopping".to_owned();
                }
            }
        };
        self.record(|pids| pids.retain(|known| Some(*known) != pid));
        reason
    }

    fn record(&self, change: impl FnOnce(&mut Vec<u32>)) {
        self.processes
            .send_modify(|all| change(all.entry(self.function.name.clone()).or_default()));
    }
}

/// Waits until the host stops, or is gone.
async fn stop_of(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
