//! What a run did.

use serde::Serialize;

/// Counts of one run, for its answer, its log line and its metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Rows that went into the rollups.
    pub(crate) rolled_up: u64,
    /// Calls of dead functions whose row was made from the invocation log.
    pub(crate) recovered: u64,
    /// Those whose row is an estimate.
    pub(crate) estimated: u64,
    /// Those that were never billed, and whose holds were given back.
    pub(crate) released: u64,
    /// Those that are waited for: their record may still come.
    pub(crate) waiting: u64,
    /// Holds that were left and are settled now.
    pub(crate) settled_holds: u64,
    /// States whose limit was not the definition's.
    pub(crate) repaired: u64,
    /// Alerts that were delivered to all targets.
    pub(crate) alerts_delivered: u64,
    /// Alerts that a target did not take.
    pub(crate) alerts_failed: u64,
    /// Changes of the signing keys.
    pub(crate) keys_changed: u64,
    /// Looks at the signing keys that failed.
    pub(crate) keys_failed: u64,
    /// Files that have ended, or had no item, whose bytes were removed.
    pub(crate) files_removed: u64,
    /// Uploads that nobody completed in time.
    pub(crate) uploads_abandoned: u64,
    /// Looks at files and uploads that failed.
    pub(crate) files_failed: u64,
    /// Migrations that were under way and could not go on.
    pub(crate) migrations_failed: u64,
    /// Whether everything was looked at.
    pub(crate) complete: bool,
}

impl Report {
    /// Logs and counts it.
    pub(crate) fn tell(&self) {
        let counts = [
            ("rolled_up", self.rolled_up),
            ("recovered", self.recovered),
            ("estimated", self.estimated),
            ("released", self.released),
        ];
        for (result, count) in counts {
            metrics::counter!("sweep_calls_total", "result" => result).increment(count);
        }
        metrics::counter!("alerts_total", "result" => "delivered").increment(self.alerts_delivered);
        metrics::counter!("alerts_total", "result" => "failed").increment(self.alerts_failed);
        metrics::counter!("signing_keys_total", "result" => "changed").increment(self.keys_changed);
        metrics::counter!("signing_keys_total", "result" => "failed").increment(self.keys_failed);
        metrics::counter!("swept_files_total", "result" => "removed").increment(self.files_removed);
        metrics::counter!("swept_files_total", "result" => "abandoned").increment(self.uploads_abandoned);
        metrics::counter!("swept_files_total", "result" => "failed").increment(self.files_failed);
        metrics::counter!("migration_runs_total", "result" => "failed").increment(self.migrations_failed);
        tracing::info!(report = serde_json::to_string(self).unwrap_or_default(), "swept");
    }
}
