//! The gateway's log, a line for each answer and each scheduled invocation: when, which request, what was asked, what was answered, and why it was refused.
//! Neither queries nor headers nor bodies are in it, which is where credentials and prompts are.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::call::Call;
use crate::error::{Context, Result};

/// Where the lines go; nowhere by default.
#[derive(Debug, Clone, Default)]
pub struct Log(Option<Arc<File>>);

impl Log {
    /// Appends to a file.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(Some(Arc::new(file.doing(format!("opening {}", path.display()))?))))
    }

    pub(super) fn answered(&self, call: &Call, status: u16, problem: Option<&str>) {
        let problem = problem.map(|problem| format!(" {problem}")).unwrap_or_default();
        self.write(
            &call.request_id,
            &format!("{} {} {status}{problem}", call.method, call.path),
        );
    }

    pub(super) fn broke_off(&self, request_id: &str, problem: &str) {
        self.write(request_id, &format!("broke off: {problem}"));
    }

    /// A schedule's invocation, which no request asked for, and why it failed if it did.
    pub(crate) fn scheduled(&self, event_id: &str, name: &str, problem: Option<&str>) {
        let problem = problem.map(|problem| format!(" failed: {problem}")).unwrap_or_default();
        self.write(event_id, &format!("schedule {name}{problem}"));
    }

    fn write(&self, request_id: &str, what: &str) {
        let Some(file) = &self.0 else { return };
        // One write, so that lines of parallel requests do not mix. A log that cannot be written to stops nobody.
        let line = format!("{} {request_id} {}\n", Timestamp::now(), what.escape_debug());
        let _ = file.as_ref().write_all(line.as_bytes());
    }
}
