//! One number, by all who know of it.

use gateway::store::UsageRow;
use gateway::usage::{Outcome, Usage};
use gateway::wire::dialect::Dialect;

use super::comparison::{Comparison, Source};
use super::matched::Call;
use super::{Evidence, Form, Kind, Way};

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
    let all = [
        (
            Source::Clients,
            number(calls.iter().filter(|call| call.outcome().is_some()).count()),
        ),
        (Source::Rows, number(books.rows.len())),
        (Source::Ledger, number(books.ledger.len())),
    ];
    sheet.counted("model calls", &all, "model_calls_total", &[]);
    for dialect in [Dialect::Anthropic, Dialect::Bedrock, Dialect::OpenAi] {
        for outcome in [Outcome::Success, Outcome::Throttled, Outcome::UpstreamError] {
            ended_so(sheet, calls, dialect, outcome);
        }
    }
    for operation in [
        "InvokeModel",
        "InvokeModelWithResponseStream",
        "Converse",
        "ConverseStream",
    ] {
        asked_for(sheet, calls, operation);
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

fn ended_so(sheet: &mut Sheet<'_>, calls: &[Call<'_>], dialect: Dialect, outcome: Outcome) {
    let seen = calls.iter().filter(|call| call.outcome() == Some(outcome));
    let seen = seen.filter(|call| call.seen.dialect() == Some(dialect)).count();
    let rows = sheet.evidence.books.rows.iter();
    let rows = rows
        .filter(|row| row.dialect == dialect && row.outcome == outcome)
        .count();
    let said = [(Source::Clients, number(seen)), (Source::Rows, number(rows))];
    let labels = [("dialect", dialect.label()), ("outcome", outcome.label())];
    let what = format!("of these {}, {}", dialect.label(), outcome.label());
    sheet.counted(what, &said, "model_calls_total", &labels);
}

fn asked_for(sheet: &mut Sheet<'_>, calls: &[Call<'_>], operation: &str) {
    let seen = calls.iter().filter(|call| call.outcome().is_some());
    let seen = seen
        .filter(|call| call.seen.form.map(Form::operation) == Some(operation))
        .count();
    let ledger = sheet.evidence.books.ledger.iter();
    let ledger = ledger.filter(|line| line.operation == operation).count();
    let said = [(Source::Clients, number(seen)), (Source::Ledger, number(ledger))];
    sheet.add(format!("of these as {operation}"), &said);
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
