//! What is wrong with single calls, uploads and budgets, each in words.

use std::collections::HashSet;

use gateway::store::UsageRow;

use super::matched::Call;
use super::{Books, Evidence, Form};
use crate::local::LedgerCall;

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
    let status = call.seen.status;
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
    match call.line {
        None => Some(format!("the ledger does not have {:?}", row.upstream_request_id)),
        Some(_) if row.outcome != outcome => Some(format!("the row says {:?}", row.outcome)),
        Some(line) => by_tokens(call, row, line).or_else(|| by_money(call, row, line, books)),
    }
}

fn by_tokens(call: &Call<'_>, row: &UsageRow, line: &LedgerCall) -> Option<String> {
    let seen = call.usage();
    let asked = call.seen.form.map(Form::operation);
    let checks = [
        (
            row.usage != seen,
            format!("the client saw {seen:?}, the row has {:?}", row.usage),
        ),
        (
            row.usage != line.usage,
            format!("the row has {:?}, the ledger {:?}", row.usage, line.usage),
        ),
        (row.estimated, "the row is an estimate".to_owned()),
        (
            asked != Some(&*line.operation),
            format!("Bedrock was asked for {}", line.operation),
        ),
    ];
    checks.into_iter().find_map(|(wrong, what)| wrong.then_some(what))
}

fn by_money(call: &Call<'_>, row: &UsageRow, line: &LedgerCall, books: &Books) -> Option<String> {
    let (reckoned, cost) = (call.cost(books), row.cost_picodollars.as_u128());
    let listed = books.prices.get(&row.price_model).map(|rates| rates.cost(&row.usage));
    let (billed, at_most) = (line.cost_picodollars, call.seen.at_most.unwrap_or(u128::MAX));
    let priced_otherwise = line.billed && row.price_model != line.priced_as;
    let checks = [
        (
            reckoned != cost,
            format!("the client reckons {reckoned} picodollars, the row {cost}"),
        ),
        (
            cost != u128::from(billed),
            format!("the row costs {cost} picodollars, in the ledger {billed}"),
        ),
        (
            listed != Some(cost),
            format!("it cost {cost} picodollars, by the price list {listed:?}"),
        ),
        (
            cost > at_most,
            format!("it cost {cost} picodollars, and at most {at_most} were announced"),
        ),
        (
            priced_otherwise,
            format!("priced as {} and {}", row.price_model, line.priced_as),
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
