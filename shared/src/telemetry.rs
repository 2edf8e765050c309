//! Logs and metrics, both as JSON lines on standard output, where Lambda and CloudWatch pick them up.
//!
//! What is logged is named field by field; bodies, credentials and their digests never are.

use std::sync::OnceLock;

use metrics_cloudwatch_embedded::{Builder, Collector};

use crate::config::{ConfigError, Variables, tree};

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// The CloudWatch namespace of every metric.
const NAMESPACE: &str = "Tollgate";

/// Starts logging and metering for the function of this name.
///
/// # Errors
/// [`ConfigError`] when `TOLLGATE_LOG` names no level.
pub fn start(function: &'static str, variables: &Variables) -> Result<(), ConfigError> {
    let level = tree::LOG.get(variables)?;
    // A process has one logger. That a test has set its own before is no fault.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .try_init();
    if let Ok(collector) = Builder::new()
        .cloudwatch_namespace(NAMESPACE)
        .with_dimension("function", function)
        .init()
    {
        let _ = COLLECTOR.set(collector);
    }
    Ok(())
}

/// Writes the metrics that have gathered since the last time (CloudWatch embedded metric format). To be called before an
/// answer ends: behind it Lambda freezes the process.
pub fn flush() {
    if let Some(collector) = COLLECTOR.get() {
        let _ = collector.flush(std::io::stdout().lock());
    }
}
