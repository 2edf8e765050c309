//! The model invocation log: a record of each call in an S3 bucket, as Bedrock writes it where an account has it switched on.
//!
//! Objects are JSON lines under gzip at `<prefix>/AWSLogs/<account>/BedrockModelInvocationLogs/<region>/YYYY/MM/DD/HH/`, as the
//! user guide ("Model invocation logging") has it. They are written by one task, in the order in which calls are billed.

mod record;
mod writer;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gateway::clock::Clock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::error::Refusal;
use super::ledger::Usage;
use super::lock;

pub(super) use record::Entry;

/// Where the log goes, and how.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// URL of S3; path-style addressing.
    pub s3: String,
    /// The bucket, which exists.
    pub bucket: String,
    /// What the keys begin with; empty for nothing.
    pub prefix: String,
    /// How it is written at first.
    pub settings: LogSettings,
}

/// How the log is written; it can be changed while calls are made.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Records that are waited for before an object is written; [`super::Mock::flush_log`] does not wait.
    pub records_per_object: usize,
    /// Whether `outputBodyJson` is there, with the usage in it. Without it there are counts alone.
    pub bodies: bool,
    /// The time of records and keys.
    pub clock: Clock,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            records_per_object: 1,
            bodies: true,
            clock: Clock::System,
        }
    }
}

/// The settings that the control API knows, each as it is or as it is to be.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Change {
    records_per_object: Option<usize>,
    bodies: Option<bool>,
}

/// What calls tell the writer.
enum Message {
    /// A record of a region's.
    Record {
        region: String,
        line: String,
    },
    Flush(oneshot::Sender<Result<(), String>>),
    Forget,
}

/// The log. Without options it takes everything and writes nothing.
#[derive(Debug)]
pub(super) struct InvocationLog {
    shared: Arc<Shared>,
    writer: Option<mpsc::UnboundedSender<Message>>,
}

#[derive(Debug, Default)]
struct Shared {
    settings: Mutex<LogSettings>,
    /// Records that are in no object yet.
    unwritten: AtomicUsize,
}

impl InvocationLog {
    pub(super) fn start(options: Option<LogOptions>) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = options.map(|options| {
            *lock(&shared.settings) = options.settings.clone();
            let (sender, receiver) = mpsc::unbounded_channel();
            tokio::spawn(writer::run(options, shared.clone(), receiver));
            sender
        });
        Self { shared, writer }
    }

    pub(super) fn now(&self) -> Timestamp {
        lock(&self.shared.settings).clock.now()
    }

    /// Records that are in no object yet.
    pub(super) fn unwritten(&self) -> usize {
        self.shared.unwritten.load(Ordering::SeqCst)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut LogSettings)) {
        change(&mut lock(&self.shared.settings));
    }

    /// Records a call that is billed.
    pub(super) fn billed(&self, entry: &Entry, outcome: &str, usage: &Usage) {
        let bodies = lock(&self.shared.settings).bodies;
        self.write(&entry.region, || record::billed(entry, outcome, usage, bodies));
    }

    /// Records a call that failed before its head. Whom Bedrock does not know is in no account's log.
    pub(super) fn failed(&self, entry: &Entry, refusal: &Refusal) {
        if !refusal.is_of_a_stranger() {
            self.write(&entry.region, || record::failed(entry, refusal.kind()));
        }
    }

    /// Records a call whose stream began with an exception that says that it was not served.
    pub(super) fn excepted(&self, entry: &Entry, exception: &str) {
        self.write(&entry.region, || record::failed(entry, exception));
    }

    fn write(&self, region: &str, record: impl FnOnce() -> serde_json::Value) {
        if let Some(writer) = &self.writer {
            self.shared.unwritten.fetch_add(1, Ordering::SeqCst);
            // It is gone only when the runtime is.
            let (region, line) = (region.to_owned(), record().to_string());
            let _ = writer.send(Message::Record { region, line });
        }
    }

    /// Writes what waits for company; returns when all records so far are in S3.
    ///
    /// # Errors
    /// What S3 said.
    pub(super) async fn flush(&self) -> Result<(), String> {
        let Some(writer) = &self.writer else {
            return Ok(());
        };
        let (done, written) = oneshot::channel();
        let _ = writer.send(Message::Flush(done));
        written.await.unwrap_or_else(|_| Err("the writer has ended".to_owned()))
    }

    /// Drops what is not written yet.
    pub(super) fn forget(&self) {
        if let Some(writer) = &self.writer {
            let _ = writer.send(Message::Forget);
        }
    }

    pub(super) fn settings(&self) -> Change {
        let settings = lock(&self.shared.settings);
        Change {
            records_per_object: Some(settings.records_per_object),
            bodies: Some(settings.bodies),
        }
    }
}

impl Change {
    pub(super) fn apply(&self, settings: &mut LogSettings) {
        if let Some(records) = self.records_per_object {
            settings.records_per_object = records.max(1);
        }
        if let Some(bodies) = self.bodies {
            settings.bodies = bodies;
        }
    }
}
