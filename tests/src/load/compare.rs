//! One number, by all who know of it; and each call, by its client, its row and its line in the ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use gateway::store::UsageRow;
use gateway::usage::{Outcome, Usage};
use gateway::wire::dialect::Dialect;
use serde::Serialize;

use super::{Books, Evidence, Fate, Form, Kind, Seen, Way};
use crate::local::LedgerCall;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The clients, by their answers.
    Clients,
    /// The usage rows; of files their list.
    Rows,
    /// The mock's ledger.
    Ledger,
    /// The budgets.
    Budgets,
    /// `GET /metrics`.
    Metrics,
    /// The functions' metric lines.
    Lines,
}

impl Source {
    /// All of them, in the order of the report's columns.
    pub const ALL: [Self; 6] = [
        Self::Clients,
        Self::Rows,
        Self::Ledger,
        Self::Budgets,
        Self::Metrics,
        Self::Lines,
    ];
}

/// One number, as each says it who knows of it.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// What is counted.
    pub what: String,
    /// Who says what.
    pub said: BTreeMap<Source, u128>,
}

impl Comparison {
    /// Whether all say the same.
    pub fn agrees(&self) -> bool {
        self.said.values().collect::<BTreeSet<_>>().len() <= 1
    }
}

/// A call with what is known of it: its row and its line, found by the ids that answer, row and ledger have in common.
pub(super) struct Call<'a> {
    pub(super) seen: &'a Seen,
    pub(super) row: Option<&'a UsageRow>,
    pub(super) line: Option<&'a LedgerCall>,
}

impl Call<'_> {
    fn fate(&self) -> Option<Fate> {
        self.seen.kind.fate(self.seen.form, self.seen.status)
    }

    fn outcome(&self) -> Option<Outcome> {
        match self.fate()? {
            Fate::GoesOut(outcome) => Some(outcome),
            Fate::Stays => None,
        }
    }

    /// What its client saw of its tokens; none of a call that failed.
    pub(super) fn usage(&self) -> Usage {
        self.seen.usage.unwrap_or_default()
    }

    /// What its client was told that it cost, or, of a stream, makes of its tokens by the price list.
    pub(super) fn cost(&self, books: &Books) -> u128 {
        let listed = || {
            let rates = books.prices.get(&self.row?.price_model)?;
            Some(rates.cost(self.seen.usage.as_ref()?))
        };
        self.seen.cost.or_else(listed).unwrap_or_default()
    }
}

/// The calls in their order, each with its row and its line.
pub(super) fn calls(evidence: &Evidence) -> Vec<Call<'_>> {
    let books = &evidence.books;
    let rows: HashMap<_, _> = books.rows.iter().map(|row| (row.request_id.as_str(), row)).collect();
    let lines: HashMap<_, _> = books
        .ledger
        .iter()
        .map(|line| (line.request_id.as_str(), line))
        .collect();
    let mut calls: Vec<_> = evidence
        .seen
        .iter()
        .map(|seen| {
            let row = rows.get(seen.request_id.as_str()).copied();
            let line = row.and_then(|row| lines.get(row.upstream_request_id.as_deref()?).copied());
            Call { seen, row, line }
        })
        .collect();
    calls.sort_by_key(|call| call.seen.number);
    calls
}

/// What is wrong with single calls and uploads, each in words.
pub(super) fn differences(evidence: &Evidence, calls: &[Call<'_>]) -> Vec<String> {
    let mut all = Vec::new();
    let (calls_wished, uploads_wished) = evidence.wished;
    for (wished, made, what) in [
        (calls_wished, evidence.seen.len(), "calls"),
        (uploads_wished, evidence.stored.len(), "uploads"),
    ] {
        if wished != made {
            all.push(format!(
                "{made} of {wished} {what} were made in the time that there was"
            ));
        }
    }
    for call in calls {
        let found = wrong(call, &evidence.books);
        all.extend(found.map(|what| format!("call {} ({}): {what}", call.seen.number, call.seen.kind.label())));
    }
    all.extend(strangers(evidence, calls));
    all.extend(of_uploads(evidence));
    for (id, budget) in &evidence.books.budgets {
        if budget.available + budget.held + budget.spent != budget.limit {
            all.push(format!("the budget {id} does not balance: {budget:?}"));
        }
    }
    all
}

fn wrong(call: &Call<'_>, books: &Books) -> Option<String> {
    let Seen { status, usage, .. } = call.seen;
    if let Some(trouble) = &call.seen.trouble {
        return Some(format!("answered {status}: {trouble}"));
    }
    let (outcome, row) = match (call.outcome(), call.row) {
        (None, None) => return None,
        (None, Some(row)) => return Some(format!("was refused with {status}, and has the row {}", row.request_id)),
        (Some(_), None) => {
            return Some(format!(
                "was answered with {status}, and has no row ({})",
                call.seen.request_id
            ));
        }
        (Some(outcome), Some(row)) => (outcome, row),
    };
    let Some(line) = call.line else {
        return Some(format!("the ledger does not have {:?}", row.upstream_request_id));
    };
    let at_most = call.seen.at_most.unwrap_or(u128::MAX);
    let (cost, by_list) = (row.cost_picodollars.as_u128(), books.prices.get(&row.price_model));
    let usage = usage.unwrap_or_default();
    let checks = [
        (row.outcome != outcome, format!("the row says {:?}", row.outcome)),
        (
            row.usage != usage,
            format!("the client saw {usage:?}, the row has {:?}", row.usage),
        ),
        (
            row.usage != line.usage,
            format!("the row has {:?}, the ledger {:?}", row.usage, line.usage),
        ),
        (
            call.cost(books) != cost,
            format!("the client reckons {} picodollars, the row {cost}", call.cost(books)),
        ),
        (
            cost != u128::from(line.cost_picodollars),
            format!(
                "the row costs {cost} picodollars, in the ledger {}",
                line.cost_picodollars
            ),
        ),
        (
            by_list.is_none_or(|rates| rates.cost(&row.usage) != cost),
            format!("by the price list {cost} picodollars is not what {:?} costs", row.usage),
        ),
        (
            cost > at_most,
            format!("it cost {cost} picodollars, and at most {at_most} were announced"),
        ),
        (row.estimated, "the row is an estimate".to_owned()),
        (
            row.price_model != line.priced_as,
            format!("priced as {} and {}", row.price_model, line.priced_as),
        ),
        (
            Some(line.operation.as_str()) != call.seen.form.map(Form::operation),
            format!("Bedrock was asked for {}", line.operation),
        ),
    ];
    checks.into_iter().find_map(|(wrong, what)| wrong.then_some(what))
}

/// Rows and lines that belong to no call.
fn strangers(evidence: &Evidence, calls: &[Call<'_>]) -> Vec<String> {
    let own: HashSet<_> = calls
        .iter()
        .filter_map(|call| Some(call.row?.request_id.as_str()))
        .collect();
    let lines: HashSet<_> = calls
        .iter()
        .filter_map(|call| Some(call.line?.request_id.as_str()))
        .collect();
    let mut all = Vec::new();
    let rows = evidence.books.rows.iter().map(|row| row.request_id.as_str());
    all.extend(
        rows.filter(|id| !own.contains(id))
            .map(|id| format!("the row {id} is of no client's call")),
    );
    let ledger = evidence.books.ledger.iter().map(|line| line.request_id.as_str());
    let unknown = ledger.filter(|id| !lines.contains(id));
    all.extend(unknown.map(|id| format!("the ledger's call {id} is of no row's")));
    if own.len() != evidence.books.rows.len() || lines.len() != evidence.books.ledger.len() {
        all.push("there are rows, or calls in the ledger, that stand there twice or have no owner".to_owned());
    }
    all
}

fn of_uploads(evidence: &Evidence) -> Vec<String> {
    let mut all = Vec::new();
    let mut own = HashSet::new();
    for stored in &evidence.stored {
        let is = |what: String| format!("upload {} ({}): {what}", stored.number, stored.way.label());
        own.insert(stored.file_id.as_str());
        let wanted = (stored.size as u64, stored.sha256.clone());
        match (&stored.trouble, evidence.books.files.get(&stored.file_id)) {
            (Some(trouble), _) => all.push(is(trouble.clone())),
            (None, None) => all.push(is(format!("{} is in no list", stored.file_id))),
            (None, Some(file)) if *file != wanted => all.push(is(format!("{wanted:?} was sent, {file:?} is listed"))),
            (None, Some(_)) => {}
        }
    }
    let strangers = evidence.books.files.keys().filter(|id| !own.contains(id.as_str()));
    all.extend(strangers.map(|id| format!("the file {id} is of no client's upload")));
    all
}

/// A sheet that is filled line by line.
struct Sheet<'a> {
    evidence: &'a Evidence,
    lines: Vec<Comparison>,
}

impl Sheet<'_> {
    fn add(&mut self, what: impl Into<String>, said: &[(Source, u128)]) {
        self.lines.push(Comparison {
            what: what.into(),
            said: said.iter().copied().collect(),
        });
    }

    /// With what a metric says, in `GET /metrics` and in the lines.
    fn counted(&mut self, what: impl Into<String>, said: &[(Source, u128)], metric: &str, labels: &[(&str, &str)]) {
        let told = [
            (Source::Metrics, self.evidence.told.sum(metric, labels)),
            (Source::Lines, self.evidence.lines.sum(metric, labels)),
        ];
        self.add(what, &[said, &told].concat());
    }
}

fn number(count: usize) -> u128 {
    u128::try_from(count).unwrap_or(u128::MAX)
}

/// Every number that more than one knows of.
pub(super) fn comparisons(evidence: &Evidence, calls: &[Call<'_>]) -> Vec<Comparison> {
    let mut sheet = Sheet {
        evidence,
        lines: Vec::new(),
    };
    model_calls(&mut sheet, calls);
    tokens(&mut sheet, calls);
    money(&mut sheet, calls);
    requests(&mut sheet);
    refusals(&mut sheet, calls);
    uploads(&mut sheet);
    sheet.lines
}

fn model_calls(sheet: &mut Sheet<'_>, calls: &[Call<'_>]) {
    let books = &sheet.evidence.books;
    let gone = |form: Option<Dialect>, outcome: Option<Outcome>| {
        let is = |call: &&Call<'_>| {
            call.outcome()
                .is_some_and(|it| outcome.is_none_or(|outcome| it == outcome))
                && form.is_none_or(|form| call.seen.dialect() == Some(form))
        };
        number(calls.iter().filter(is).count())
    };
    let all = [
        (Source::Clients, gone(None, None)),
        (Source::Rows, number(books.rows.len())),
        (Source::Ledger, number(books.ledger.len())),
    ];
    sheet.counted("model calls", &all, "model_calls_total", &[]);
    for dialect in [Dialect::Anthropic, Dialect::Bedrock, Dialect::OpenAi] {
        for outcome in [Outcome::Success, Outcome::Throttled, Outcome::UpstreamError] {
            let rows = books.rows.iter();
            let rows = rows
                .filter(|row| row.dialect == dialect && row.outcome == outcome)
                .count();
            let said = [
                (Source::Clients, gone(Some(dialect), Some(outcome))),
                (Source::Rows, number(rows)),
            ];
            let labels = [("dialect", dialect.label()), ("outcome", outcome.label())];
            let what = format!("of these {}, {}", dialect.label(), outcome.label());
            sheet.counted(what, &said, "model_calls_total", &labels);
        }
    }
    for operation in [
        "InvokeModel",
        "InvokeModelWithResponseStream",
        "Converse",
        "ConverseStream",
    ] {
        let of_clients = calls.iter().filter(|call| call.outcome().is_some());
        let of_clients = of_clients
            .filter(|call| call.seen.form.map(Form::operation) == Some(operation))
            .count();
        let ledger = books.ledger.iter().filter(|line| line.operation == operation).count();
        let said = [(Source::Clients, number(of_clients)), (Source::Ledger, number(ledger))];
        sheet.add(format!("of these as {operation}"), &said);
    }
    let counts = calls
        .iter()
        .filter(|call| matches!(call.seen.kind, Kind::Count | Kind::BedrockCount));
    let said = [
        (Source::Clients, number(counts.count())),
        (Source::Ledger, books.token_counts.into()),
    ];
    sheet.add("counts of tokens", &said);
}

fn tokens(sheet: &mut Sheet<'_>, calls: &[Call<'_>]) {
    type Part = fn(&Usage) -> u64;
    let books = &sheet.evidence.books;
    let said = |part: Part| {
        [
            (
                Source::Clients,
                calls.iter().map(|call| u128::from(part(&call.usage()))).sum(),
            ),
            (
                Source::Rows,
                books.rows.iter().map(|row| u128::from(part(&row.usage))).sum(),
            ),
            (
                Source::Ledger,
                books.ledger.iter().map(|line| u128::from(part(&line.usage))).sum(),
            ),
        ]
    };
    let prompt: Part = |usage| usage.prompt_tokens().as_u64();
    let output: Part = |usage| usage.output_tokens.as_u64();
    sheet.counted("tokens of prompts", &said(prompt), "input_tokens_total", &[]);
    sheet.counted("tokens of answers", &said(output), "output_tokens_total", &[]);
    let kinds: [(&str, Part); 5] = [
        ("input", |usage| usage.input_tokens.as_u64()),
        ("output", output),
        ("cache_read", |usage| usage.cache_read_input_tokens.as_u64()),
        ("cache_write_5m", |usage| usage.cache_write_5m_tokens.as_u64()),
        ("cache_write_1h", |usage| usage.cache_write_1h_tokens.as_u64()),
    ];
    for (kind, part) in kinds {
        let told = sheet.evidence.told.sum("usage_tokens_total", &[("kind", kind)]);
        let said = [said(part).as_slice(), &[(Source::Metrics, told)]].concat();
        sheet.add(format!("tokens by price: {kind}"), &said);
    }
}

fn money(sheet: &mut Sheet<'_>, calls: &[Call<'_>]) {
    let books = &sheet.evidence.books;
    let rows = |of: &dyn Fn(&UsageRow) -> bool| -> u128 {
        let own = books.rows.iter().filter(|row| of(row));
        own.map(|row| row.cost_picodollars.as_u128()).sum()
    };
    let spent = |id: &str| {
        let budget = books.budgets.get(id).copied().unwrap_or_default();
        u128::try_from(budget.spent_since).unwrap_or(u128::MAX)
    };
    let said = [
        (Source::Clients, calls.iter().map(|call| call.cost(books)).sum()),
        (Source::Rows, rows(&|_| true)),
        (
            Source::Ledger,
            books.ledger.iter().map(|line| u128::from(line.cost_picodollars)).sum(),
        ),
        (Source::Budgets, spent("organisation/all")),
    ];
    sheet.counted("picodollars", &said, "model_cost_picodollars_total", &[]);
    let by_model = sheet.evidence.told.sum("usage_cost_picodollars_total", &[]);
    sheet.add(
        "picodollars by model",
        &[(Source::Rows, rows(&|_| true)), (Source::Metrics, by_model)],
    );
    for id in books.budgets.keys() {
        let of = match id.split_once('/') {
            Some(("user", user)) => rows(&|row| row.principal.to_string() == user),
            Some(("team", team)) => rows(&|row| row.team.as_ref().is_some_and(|it| it.to_string() == team)),
            _ => continue,
        };
        let scope = id.split_once(':').map_or("of the team", |_| "of one payer");
        sheet.add(
            format!("picodollars {scope}"),
            &[(Source::Rows, of), (Source::Budgets, spent(id))],
        );
    }
    let held = books.budgets.values().map(|budget| budget.held).sum::<i128>();
    let held = u128::try_from(held).unwrap_or(u128::MAX);
    sheet.add(
        "picodollars still held",
        &[(Source::Clients, 0), (Source::Budgets, held)],
    );
}

fn requests(sheet: &mut Sheet<'_>) {
    let counts = &sheet.evidence.counts;
    for class in ["2xx", "3xx", "4xx", "5xx"] {
        let seen = counts.classes.get(class).copied().unwrap_or_default();
        let said = [(Source::Clients, u128::from(seen))];
        sheet.counted(
            format!("requests answered {class}"),
            &said,
            "requests_total",
            &[("class", class)],
        );
    }
    for (result, count) in [("allowed", counts.allowed), ("refused", counts.refused), ("failed", 0)] {
        let said = [(Source::Clients, u128::from(count))];
        sheet.counted(
            format!("authorizations {result}"),
            &said,
            "authorizations_total",
            &[("result", result)],
        );
    }
    let said = [(Source::Clients, u128::from(counts.tokens))];
    sheet.counted(
        "access tokens checked",
        &said,
        "jwt_validation_total",
        &[("result", "success")],
    );
}

fn refusals(sheet: &mut Sheet<'_>, calls: &[Call<'_>]) {
    let errors = |kind: &str| {
        let of = calls
            .iter()
            .filter(|call| call.seen.kind.error(call.seen.form, call.seen.status) == Some(kind));
        number(of.count())
    };
    for kind in [
        "budget_exhausted",
        "rate_limited",
        "not_found",
        "upstream_throttled",
        "upstream_unavailable",
        "internal",
    ] {
        let said = [(Source::Clients, errors(kind))];
        sheet.counted(format!("errors {kind}"), &said, "errors_total", &[("kind", kind)]);
    }
    let units = [("picodollars", "budget_exhausted"), ("requests", "rate_limited")];
    for (unit, kind) in units {
        let said = [(Source::Clients, errors(kind))];
        sheet.counted(
            format!("budgets short of {unit}"),
            &said,
            "budget_refusals_total",
            &[("unit", unit)],
        );
    }
    let out = number(calls.iter().filter(|call| call.outcome().is_some()).count());
    sheet.counted(
        "calls held",
        &[(Source::Clients, out)],
        "budget_holds_total",
        &[("result", "held")],
    );
}

fn uploads(sheet: &mut Sheet<'_>) {
    let evidence = sheet.evidence;
    for way in [Way::Form, Way::Session] {
        let stored = || {
            evidence
                .stored
                .iter()
                .filter(|it| it.way == way && it.trouble.is_none())
        };
        let listed = || stored().filter_map(|it| evidence.books.files.get(&it.file_id));
        let said = [
            (Source::Clients, number(stored().count())),
            (Source::Rows, number(listed().count())),
        ];
        let labels = [("way", way.label()), ("result", "stored")];
        sheet.counted(format!("files by {}", way.label()), &said, "uploads_total", &labels);
        let said = [
            (Source::Clients, number(stored().map(|it| it.size).sum())),
            (Source::Rows, listed().map(|(size, _)| u128::from(*size)).sum()),
        ];
        let labels = [("way", way.label())];
        sheet.counted(
            format!("bytes by {}", way.label()),
            &said,
            "upload_bytes_total",
            &labels,
        );
    }
}
