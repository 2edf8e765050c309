//! Logs, metrics and traces: what a function tells of itself while it works.
//!
//! Logs and metrics are JSON lines on standard output, where Lambda and CloudWatch pick them up; spans go to a collector, if there is
//! one. What is told is named field by field; bodies, credentials and their digests never are.
//!
//! All of it is sent before an answer ends: behind that Lambda freezes the process. [`finish`] does so, [`shut_down`] when the process
//! is to end.

mod counters;
pub mod exposition;
mod log;
pub mod names;
mod request;
pub mod tally;
pub mod trace;

use std::io::Write as _;
use std::sync::OnceLock;

use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::aws::Aws;
use crate::config::{ConfigError, Variables, tree};
use crate::store::Store;
use names::{ALL, Kept, Shape};

pub use request::{Trail, carried};

static STARTED: OnceLock<Started> = OnceLock::new();

struct Started {
    function: &'static str,
    collector: &'static Collector,
}

/// The CloudWatch namespace of every metric.
const NAMESPACE: &str = "Tollgate";

/// Starts logging, metering and, if there is a collector, tracing for the function of this name.
///
/// # Errors
/// [`ConfigError`] when `TOLLGATE_LOG` names no level, or the collector's URL is none.
pub fn start(function: &'static str, variables: &Variables) -> Result<(), ConfigError> {
    let level = tree::LOG.get(variables)?;
    // A process has one logger. That a test has set its own before is no fault.
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(log::Line { function });
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(log::told_at(level))
        .try_init();
    if let Ok(collector) = Builder::new()
        .cloudwatch_namespace(NAMESPACE)
        .with_dimension(tally::FUNCTION, function)
        .init()
    {
        describe();
        let _ = STARTED.set(Started { function, collector });
    }
    trace::start(function, variables)
}

/// Tells CloudWatch the units.
fn describe() {
    for metric in ALL.iter().filter(|metric| metric.kept != Kept::RollupsAlone) {
        let unit = metric.unit.of_metrics();
        match metric.shape {
            Shape::Counter => metrics::describe_counter!(metric.name, unit, ""),
            Shape::Gauge => metrics::describe_gauge!(metric.name, unit, ""),
            Shape::Histogram(_) => metrics::describe_histogram!(metric.name, unit, ""),
        }
    }
}

/// Keeps what this process counts in the table too, as it is configured. To be called after [`start`].
///
/// # Errors
/// [`ConfigError`], naming what is wrong.
pub fn keep_counters(aws: &Aws, variables: &Variables) -> Result<(), ConfigError> {
    let every = tree::METRICS_FLUSH_SECONDS.find(variables)?;
    let (Some(started), Some(every)) = (STARTED.get(), every) else {
        return Ok(());
    };
    let store = Store::new(aws.dynamodb(), variables.table()?);
    if let Err(error) = counters::keep(store, started.function, every) {
        tracing::error!(error = ?error, "the counters of this process are not kept");
    }
    Ok(())
}

/// Writes the metrics that have gathered since the last time (CloudWatch embedded metric format).
pub fn flush() {
    let Some(started) = STARTED.get() else { return };
    let mut lines = Vec::new();
    if started.collector.flush(&mut lines).is_ok() && !lines.is_empty() {
        let _ = std::io::stdout().lock().write_all(&lines);
        counters::gather(&lines);
    }
}

/// Sends what has gathered: metric lines, counters if it is time for them, and spans. To be awaited before an answer ends.
pub async fn finish() {
    flush();
    counters::write(false).await;
    trace::export().await;
}

/// Sends all of it, since there will be no other time: for a process that is told to end. It takes no longer than a write to the
/// table and one to the collector; neither is waited for past its own time limit.
pub async fn shut_down() {
    flush();
    counters::write(true).await;
    trace::export().await;
    flush();
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};
    use std::marker::PhantomData;

    use crate::oauth::{ClientCredentials, Form, TokenAnswer};
    use crate::secret::{Secret, SecretDigest, SecretKind};
    use crate::token_client::AccessToken;

    /// Whether a type implements a trait: where it does, the constant of its own comes before that of every type.
    macro_rules! implements {
        ($type:ty: $trait:path) => {{
            #[allow(dead_code)]
            trait Otherwise {
                const IT: bool = false;
            }
            impl<T> Otherwise for T {}
            struct Asked<T>(PhantomData<T>);
            #[allow(dead_code)]
            impl<T: $trait> Asked<T> {
                const IT: bool = true;
            }
            Asked::<$type>::IT
        }};
    }

    /// a log line is made by `Display` or `Debug`, a span's attribute by hand.
    #[test]
    fn what_is_never_logged_has_types_that_do_not_print_themselves() {
        assert!(implements!(String: Display), "the question is one");
        assert!(!implements!(Secret: Display) && !implements!(Secret: serde::Serialize));
        assert!(!implements!(SecretDigest: Display));
        assert!(!implements!(AccessToken: Display) && !implements!(AccessToken: serde::Serialize));
        assert!(!implements!(ClientCredentials: Debug) && !implements!(ClientCredentials: Display));
        assert!(!implements!(TokenAnswer: Debug) && !implements!(TokenAnswer: Display));
        assert!(!implements!(Form: Display) && !implements!(Form: serde::Serialize));
        let form = Form::parse(b"client_secret=canary&code=canary").unwrap();
        let secret = Secret::mint(SecretKind::RefreshToken).unwrap();
        let printed = format!("{form:?} {secret:?} {:?}", secret.digest());
        assert!(
            !printed.contains("canary") && !printed.contains(&secret.expose()[4..]),
            "{printed}"
        );
    }
}
