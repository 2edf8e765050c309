//! Log lines: one JSON object each, with the time, the level, the message, what was named beside it, and the ids of the request that
//! it belongs to.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The crates whose lines name what they tell field by field.
const OURS: [&str; 8] = [
    "gateway",
    "token",
    "authorizer",
    "invoke",
    "stream",
    "upload",
    "admin",
    "sweep",
];

/// What is told at a level. Libraries tell of their work down to `info`, whatever the level: below that some print requests and answers.
pub(super) fn told_at(level: LevelFilter) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    let told = move |of: &Metadata<'_>| {
        let most = if is_ours(of.target()) {
            level
        } else {
            level.min(LevelFilter::INFO)
        };
        *of.level() <= most
    };
    FilterFn::new(told).with_max_level_hint(level)
}

fn is_ours(target: &str) -> bool {
    let of = target.split("::").next().unwrap_or_default();
    OURS.contains(&of)
}

/// Writes the lines of a function.
pub(super) struct Line {
    pub(super) function: &'static str,
}

impl<S> FormatEvent<S, JsonFields> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Fields::default();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        line.0.insert("timestamp".to_owned(), time.into());
        line.0
            .insert("level".to_owned(), event.metadata().level().as_str().into());
        line.0.insert("function".to_owned(), self.function.into());
        // From the outermost span inwards; what the event itself names counts most.
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>() {
                line.0.extend(object(&fields.fields));
            }
        }
        event.record(&mut line);
        let text = serde_json::to_string(&line.0).map_err(|_| fmt::Error)?;
        writeln!(out, "{text}")
    }
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let each = entries.flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        });
        each.filter(|path| path.extension().is_some_and(|it| it == "rs"))
            .collect()
    }

    /// What is deployed has nothing below `info` compiled in (`release_max_level_info`), so a line of ours there would never be told.
    #[test]
    fn no_line_of_ours_is_below_info() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = sources(&root.join("shared/src"));
        files.extend(sources(&root.join("functions")));
        files.retain(|path| !path.ends_with("telemetry/log.rs"));
        assert!(files.len() > 100, "{} files were looked at", files.len());
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            for below in [
                "debug!(",
                "trace!(",
                "debug_span!(",
                "trace_span!(",
                "Level::DEBUG",
                "Level::TRACE",
            ] {
                assert!(!text.contains(below), "{} has {below}", path.display());
            }
        }
    }

    /// what libraries say of requests and answers is in no log, at whatever level.
    #[test]
    fn a_level_below_info_is_for_our_own_lines_alone() {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry()
            .with(layer)
            .with(told_at(LevelFilter::TRACE));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!("ours");
            tracing::info!(target: "aws_smithy_runtime::client", "theirs, of use");
            tracing::debug!(target: "aws_smithy_runtime::client", "a body");
            tracing::trace!(target: "gatewayish", "not ours");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("ours") && text.contains("theirs, of use"), "{text}");
        assert!(!text.contains("a body") && !text.contains("not ours"), "{text}");
        assert!(is_ours("stream") && is_ours("gateway::http") && !is_ours("hyper"));
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    ///
    #[test]
    fn a_line_is_json_with_the_ids_of_the_request_it_belongs_to() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(Line { function: "stream" })
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::error_span!("request", request_id = "r-1", trace_id = tracing::field::Empty);
            let _entered = span.enter();
            span.record("trace_id", "0af7");
            tracing::info!(count = 3, lucky = true, kind = ?Some(1), "said \"so\"");
            tracing::warn!(request_id = "its own");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        let mut first = lines[0].clone();
        assert!(first["timestamp"].take().as_str().unwrap().ends_with('Z'));
        assert_eq!(
            first,
            serde_json::json!({
                "timestamp": null, "level": "INFO", "function": "stream", "message": "said \"so\"", "request_id": "r-1",
                "trace_id": "0af7", "count": 3, "lucky": true, "kind": "Some(1)",
            })
        );
        assert_eq!(
            (&lines[1]["level"], &lines[1]["request_id"]),
            (&"WARN".into(), &"its own".into())
        );
    }
}
