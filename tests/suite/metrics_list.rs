//! The list of metrics is what the code counts, and what the document says.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use gateway::telemetry::names::{ALL, Kept, Metric, Shape};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The names in `metrics::counter!("…")` and its kin, each with its shape and the labels that stand there.
fn used(text: &str) -> Vec<(&'static str, String, Vec<String>)> {
    let mut found = Vec::new();
    for shape in ["counter", "gauge", "histogram"] {
        for rest in text.split(&format!("metrics::{shape}!(")).skip(1) {
            let Some((name, rest)) = rest.trim_start().strip_prefix('"').and_then(|it| it.split_once('"')) else {
                panic!("a metric without a plain name: {}", &rest[..rest.len().min(60)]);
            };
            let arguments = rest.split_once(')').unwrap().0;
            let labels = arguments
                .split("=>")
                .filter_map(|part| Some(part.rsplit_once('"')?.0.rsplit_once('"')?.1.to_owned()));
            let labels: Vec<_> = labels.take(arguments.matches("=>").count()).collect();
            found.push((shape, name.to_owned(), labels));
        }
    }
    found
}

fn shape(metric: &Metric) -> &'static str {
    match metric.shape {
        Shape::Counter => "counter",
        Shape::Gauge => "gauge",
        Shape::Histogram(_) => "histogram",
    }
}

/// B-20
#[test]
fn every_metric_that_the_code_counts_is_in_the_list_as_it_is_counted_and_no_other() {
    let mut files = Vec::new();
    for folder in ["shared/src", "functions"] {
        sources(&root().join(folder), &mut files);
    }
    let mut seen = BTreeSet::new();
    for file in files.iter().filter(|file| !file.ends_with("telemetry/mod.rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        for (kind, name, labels) in used(&text) {
            let metric = ALL.iter().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{name} ({}) is not in telemetry/names.rs", file.display()));
            assert_eq!(shape(metric), kind, "{name}");
            let listed: BTreeSet<_> = metric.labels.iter().map(|(label, _)| *label).collect();
            assert_eq!(
                listed,
                labels.iter().map(String::as_str).collect(),
                "the labels of {name} in {}",
                file.display()
            );
            seen.insert(name);
        }
    }
    let listed = ALL.iter().filter(|metric| metric.kept != Kept::RollupsAlone);
    let listed: BTreeSet<_> = listed.map(|metric| metric.name.to_owned()).collect();
    assert_eq!(seen, listed);
}

const BEGIN: &str = "<!-- the list, made from the code -->\n";
const END: &str = "<!-- the end of the list -->\n";

/// B-23: `docs/metrics.md` has the list. `UPDATE_GOLDENS=1` writes it.
#[test]
fn the_metrics_guide_has_the_list_of_the_code() {
    let path = root().join("docs/metrics.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = written.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let told = format!("{before}{BEGIN}{}{END}{after}", list());
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &told).unwrap();
    } else {
        assert!(
            told == written,
            "docs/metrics.md differs from the code; UPDATE_GOLDENS=1 writes it:\n{}",
            list()
        );
    }
}

fn list() -> String {
    let mut text = String::from("| metric | type, unit | labels | kept in | |\n|---|---|---|---|---|\n");
    for metric in ALL {
        let labels = metric
            .labels
            .iter()
            .map(|(label, values)| format!("`{label}`: {values}"));
        let kept = match metric.kept {
            Kept::Counters => "counters",
            Kept::Rollups => "rollups",
            Kept::RollupsAlone => "rollups; no line",
        };
        let labels = labels.collect::<Vec<_>>().join("; ");
        let unit = metric.unit.label();
        writeln!(
            text,
            "| `{}` | {}, {unit} | {labels} | {kept} | {} |",
            metric.name,
            shape(metric),
            metric.help
        )
        .unwrap();
    }
    text.push_str("\n| histogram | upper ends of the buckets |\n|---|---|\n");
    for metric in ALL {
        if let Shape::Histogram(buckets) = metric.shape {
            let ends: Vec<_> = buckets.iter().map(f64::to_string).collect();
            writeln!(text, "| `{}` | {} |", metric.name, ends.join(", ")).unwrap();
        }
    }
    text
}
