//! A stack whose functions and gateway go by a clock that the test sets: held, moved by hand, or many times as fast.
//!
//! The functions are the ones that are deployed, each in a process of its own behind the same runtime; only what they are told of the
//! time differs (`src/bin/paced.rs`). What stands outside of them (the table, Bedrock) goes by the machine's time.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use localstack::pace::Pace;
use tempfile::TempDir;

use crate::local::{Stack, functions, program};

/// The clock, and the functions that go by it.
#[derive(Debug)]
pub struct Paced {
    folder: TempDir,
}

impl Default for Paced {
    fn default() -> Self {
        Self::new()
    }
}

impl Paced {
    /// A clock that stands still. It is ahead of the machine's by two minutes, so that what an identity provider of a test says by
    /// the machine's time was said before.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("tollgate-paced-").tempdir().unwrap();
        for name in functions() {
            std::os::unix::fs::symlink(program("paced"), folder.path().join(name)).unwrap();
        }
        let paced = Self { folder };
        let now = Timestamp::now() + SignedDuration::from_secs(120);
        paced.set(now, 0);
        paced
    }

    /// A stack by this clock.
    pub async fn stack(&self, arguments: &[&str]) -> Stack {
        let (folder, clock) = (self.folder.path(), self.file());
        let mut all = vec![
            "--binaries",
            folder.to_str().unwrap(),
            "--clock",
            clock.to_str().unwrap(),
        ];
        all.extend(arguments);
        Stack::start(&all).await
    }

    /// The time by this clock.
    pub fn now(&self) -> Timestamp {
        self.pace().now()
    }

    /// Moves a clock that stands still.
    pub fn advance_seconds(&self, seconds: i64) {
        self.set(self.now() + SignedDuration::from_secs(seconds), 0);
    }

    /// Lets the clock run so many times as fast as the machine's.
    pub fn run(&self, rate: i64) {
        self.set(self.now(), rate);
    }

    /// What the clock goes by now; it does not change until somebody sets it.
    pub fn pace(&self) -> Pace {
        Pace::read(&self.file()).unwrap()
    }

    fn set(&self, now: Timestamp, rate: i64) {
        Pace::new(now, rate).write(&self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}
