//! The report: for people as tables, for programs as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use super::compare::comparisons;
use super::comparison::{Comparison, Source};
use super::differences::differences;
use super::matched::{Call, calls};
use super::{Books, Evidence, Kind};

/// So many differences are printed; the rest is counted. JSON has all.
const MOST_SHOWN: usize = 20;

/// What came of a load.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether everybody says the same of everything.
    pub agrees: bool,
    /// From the first call to the last.
    pub took_ms: u64,
    /// What clients, rows and ledger say, by the kind of call.
    pub kinds: Vec<Line>,
    /// What everybody says, number by number.
    pub comparisons: Vec<Comparison>,
    /// What does not agree, in words.
    pub differences: Vec<String>,
}

/// One kind of call.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The kind.
    pub kind: Kind,
    /// How many there were.
    pub calls: usize,
    /// How many had which status.
    pub statuses: BTreeMap<u16, usize>,
    /// Milliseconds as clients saw them: the median, p95 and p99. For information only.
    pub latency_ms: [f64; 3],
    /// Prompt and answer together, by clients, rows and ledger.
    pub tokens: [u128; 3],
    /// By the same.
    pub picodollars: [u128; 3],
}

impl Report {
    pub(super) fn of(evidence: &Evidence) -> Self {
        let calls = calls(evidence);
        let comparisons = comparisons(evidence, &calls);
        let disagreeing = comparisons.iter().filter(|it| !it.agrees()).map(in_words);
        let mut all: Vec<_> = disagreeing.collect();
        all.extend(differences(evidence, &calls));
        Self {
            agrees: all.is_empty(),
            took_ms: u64::try_from(evidence.took.as_millis()).unwrap_or(u64::MAX),
            kinds: lines(&calls, &evidence.books),
            comparisons,
            differences: all,
        }
    }
}

fn in_words(comparison: &Comparison) -> String {
    let said = comparison
        .said
        .iter()
        .map(|(source, count)| format!("{} {count}", source.label()));
    format!("{}: {}", comparison.what, said.collect::<Vec<_>>().join(", "))
}

fn lines(calls: &[Call<'_>], books: &Books) -> Vec<Line> {
    let mut kinds: BTreeMap<Kind, Vec<&Call<'_>>> = BTreeMap::new();
    for call in calls {
        kinds.entry(call.seen.kind).or_default().push(call);
    }
    kinds
        .into_iter()
        .map(|(kind, calls)| line(kind, &calls, books))
        .collect()
}

fn line(kind: Kind, calls: &[&Call<'_>], books: &Books) -> Line {
    let mut statuses = BTreeMap::new();
    for call in calls {
        *statuses.entry(call.seen.status).or_default() += 1;
    }
    let mut took: Vec<_> = calls.iter().map(|call| call.seen.took).collect();
    took.sort();
    let sum = |part: &dyn Fn(&Call<'_>) -> u128| calls.iter().map(|call| part(call)).sum::<u128>();
    let tokens =
        |usage: &gateway::usage::Usage| u128::from(usage.prompt_tokens().as_u64() + usage.output_tokens.as_u64());
    Line {
        kind,
        calls: calls.len(),
        statuses,
        latency_ms: [50, 95, 99].map(|share| milliseconds(took[(took.len() * share / 100).min(took.len() - 1)])),
        tokens: [
            sum(&|call| tokens(&call.usage())),
            sum(&|call| call.row.map_or(0, |row| tokens(&row.usage))),
            sum(&|call| call.line.map_or(0, |line| tokens(&line.usage))),
        ],
        picodollars: [
            sum(&|call| call.cost(books)),
            sum(&|call| call.row.map_or(0, |row| row.cost_picodollars.as_u128())),
            sum(&|call| call.line.map_or(0, |line| line.cost_picodollars.into())),
        ],
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "| calls | count | status | p50 | p95 | p99 | tokens: clients | rows | ledger | picodollars: clients | rows | ledger |"
        )?;
        writeln!(out, "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for line in &self.kinds {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "\n| in all | {} | |", Source::ALL.map(Source::label).join(" | "))?;
        writeln!(out, "|---|{}---|", "---:|".repeat(Source::ALL.len()))?;
        for comparison in &self.comparisons {
            let said = |source| {
                comparison
                    .said
                    .get(&source)
                    .map_or("–".to_owned(), |count| thousands(*count))
            };
            let verdict = if comparison.agrees() { "same" } else { "DIFFERENT" };
            writeln!(
                out,
                "| {} | {} | {verdict} |",
                comparison.what,
                Source::ALL.map(said).join(" | ")
            )?;
        }
        writeln!(out)?;
        for difference in self.differences.iter().take(MOST_SHOWN) {
            writeln!(out, "different: {difference}")?;
        }
        if let Some(more @ 1..) = self.differences.len().checked_sub(MOST_SHOWN) {
            writeln!(out, "different: {more} more")?;
        }
        let seconds = Duration::from_millis(self.took_ms).as_secs_f64();
        match self.agrees {
            true => write!(out, "load: all agree, after {seconds:.1} s"),
            false => write!(
                out,
                "load: {} differences, after {seconds:.1} s",
                self.differences.len()
            ),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses = self
            .statuses
            .iter()
            .map(|(status, count)| format!("{status} × {}", thousands(*count as u128)));
        let (statuses, [p50, p95, p99]) = (statuses.collect::<Vec<_>>().join(", "), self.latency_ms);
        let calls = thousands(self.calls as u128);
        write!(
            out,
            "| {} | {calls} | {statuses} | {p50} ms | {p95} ms | {p99} ms",
            self.kind.label()
        )?;
        for count in self.tokens.iter().chain(&self.picodollars) {
            write!(out, " | {}", thousands(*count))?;
        }
        out.write_str(" |")
    }
}

/// `1,234,567`
fn thousands(count: u128) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        let _ = text.write_char(digit);
    }
    text
}
