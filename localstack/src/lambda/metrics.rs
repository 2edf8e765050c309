//! What the functions say in their metric lines, in Prometheus text: the sum of all lines in their logs.

use std::collections::BTreeMap;
use std::path::Path;

use gateway::telemetry::exposition;
use gateway::telemetry::tally::Tally;

use crate::error::{Context, Error, Result};

/// Reads the logs in a folder.
pub(super) fn text(logs: &Path) -> Result<String> {
    let mut functions: BTreeMap<String, Tally> = BTreeMap::new();
    for entry in std::fs::read_dir(logs).doing(format!("reading {}", logs.display()))? {
        let path = entry.doing("reading the folder of logs")?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let bytes = std::fs::read(&path).doing(format!("reading {}", path.display()))?;
            read(&String::from_utf8_lossy(&bytes), &mut functions);
        }
    }
    exposition::text(&functions, &Tally::default()).map_err(|error| Error::new(error.to_string()))
}

fn read(log: &str, functions: &mut BTreeMap<String, Tally>) {
    for line in log.lines() {
        let mut tally = Tally::default();
        if let Some(function) = tally.read(line, |_| true) {
            functions.entry(function).or_default().merge(&tally);
        }
    }
}
