//! A clock that a file sets, for tests of what takes minutes or hours: the gateway and the functions, each in a process of its own,
//! read the file whenever they ask for the time, so that all of them see a change from the next moment on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gateway::clock::Clock;
use jiff::Timestamp;

/// What the clock shows: a moment, from which it runs at a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// What it showed, in milliseconds since the Unix epoch,
    pub shown_ms: i64,
    /// when the machine's clock showed this.
    pub at_ms: i64,
    /// How many times as fast as the machine's clock it runs since then. 0: it stands still.
    pub rate: i64,
}

impl Pace {
    /// A clock that shows `now` from now on, at this rate.
    #[must_use]
    pub fn new(now: Timestamp, rate: i64) -> Self {
        Self {
            shown_ms: now.as_millisecond(),
            at_ms: Timestamp::now().as_millisecond(),
            rate,
        }
    }

    /// What it shows now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed_ms = Timestamp::now().as_millisecond() - self.at_ms;
        Timestamp::from_millisecond(self.shown_ms + passed_ms * self.rate).unwrap_or(Timestamp::MAX)
    }

    /// Reads a file that [`Self::write`] wrote.
    ///
    /// # Errors
    /// If it cannot be read, or holds anything else.
    pub fn read(file: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(file)?;
        let numbers: Result<Vec<i64>, _> = text.split_whitespace().map(str::parse).collect();
        match numbers.map_err(io::Error::other)?[..] {
            [shown_ms, at_ms, rate] => Ok(Self { shown_ms, at_ms, rate }),
            _ => Err(io::Error::other("a pace is three numbers")),
        }
    }

    /// Writes the file whole: whoever reads it finds the old pace or the new one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let new = file.with_extension("new");
        std::fs::write(&new, format!("{} {} {}", self.shown_ms, self.at_ms, self.rate))?;
        std::fs::rename(new, file)
    }
}

static FILE: OnceLock<PathBuf> = OnceLock::new();

/// The clock that this file sets; one for each process. Where the file cannot be read (its test has ended) it is the machine's.
#[must_use]
pub fn clock(file: PathBuf) -> Clock {
    let _ = FILE.set(file);
    Clock::Asked(|| {
        let pace = FILE.get().and_then(|file| Pace::read(file).ok());
        pace.map_or_else(Timestamp::now, |pace| pace.now())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_stands_still_or_runs_and_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clock");
        let start: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let held = Pace::new(start, 0);
        held.write(&file).unwrap();
        assert_eq!(Pace::read(&file).unwrap(), held);
        assert_eq!(held.now(), start);
        let running = Pace {
            at_ms: held.at_ms - 1000,
            rate: 60,
            ..held
        };
        assert!(running.now().as_second() - start.as_second() >= 60);
        std::fs::write(&file, "1 2").unwrap();
        assert!(Pace::read(&file).is_err());
    }
}
