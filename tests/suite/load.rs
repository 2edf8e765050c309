//! The load script cannot rot: a small load agrees, whatever is changed in its evidence is named, and the program says so by how it ends.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;
use tests::load::{Evidence, Kind, Wish, on_loopback, run};
use tests::local::program;

/// Four rounds of all kinds of calls, and a file by each way.
fn small() -> Wish {
    Wish {
        calls: 200,
        uploads: 8,
        environments: 2,
        ..Wish::default()
    }
}

/// Spoils the evidence.
type Break = fn(&mut Evidence);

/// What is wrong with the evidence, by a word of what the report then must say.
fn breaks() -> Vec<(&'static str, Break)> {
    vec![
        ("is of no row's", |it| {
            let mut more = it.books.ledger[0].clone();
            more.request_id = "one-more".to_owned();
            it.books.ledger.push(more);
        }),
        ("stand there twice", |it| it.books.rows.push(it.books.rows[0].clone())),
        ("has no row", |it| drop(it.books.rows.remove(0))),
        ("in the ledger", |it| it.books.ledger[0].cost_picodollars += 1),
        ("the ledger does not have", |it| drop(it.books.ledger.remove(0))),
        ("the client saw", |it| {
            let usage = it.seen.iter_mut().find_map(|seen| seen.usage.as_mut()).unwrap();
            std::mem::swap(&mut usage.input_tokens, &mut usage.output_tokens);
        }),
        ("the client reckons", |it| {
            let cost = it.seen.iter_mut().find_map(|seen| seen.cost.as_mut()).unwrap();
            *cost += 1;
        }),
        ("were announced", |it| {
            let most = it.seen.iter_mut().find_map(|seen| seen.at_most.as_mut()).unwrap();
            *most = 1;
        }),
        ("and has the row", |it| {
            let row = it.books.rows[0].request_id.clone();
            let refused = it.seen.iter_mut().find(|seen| seen.kind == Kind::BadKey).unwrap();
            refused.request_id = row;
        }),
        ("does not balance", |it| {
            it.books.budgets.values_mut().next().unwrap().available += 1;
        }),
        ("picodollars of one payer", |it| {
            it.books.budgets.values_mut().next_back().unwrap().spent_since += 1;
        }),
        ("is in no list", |it| drop(it.books.files.pop_first())),
        ("is of no client's upload", |it| drop(it.stored.pop())),
        ("uploads were made", |it| drop(it.stored.pop())),
        ("calls were made", |it| drop(it.seen.pop())),
        ("authorizations refused", |it| it.counts.refused += 1),
        ("requests answered 2xx", |it| {
            *it.counts.classes.get_mut("2xx").unwrap() += 1;
        }),
        ("access tokens checked", |it| it.counts.tokens += 1),
        ("counts of tokens", |it| it.books.token_counts += 1),
        ("answered 200", |it| {
            it.seen[0].trouble = Some("it broke off".to_owned());
        }),
    ]
}

/// B-21
#[tokio::test(flavor = "multi_thread")]
async fn after_a_small_load_all_who_count_agree_and_whatever_is_changed_is_named() {
    let evidence = run(&small(), &Arc::default()).await.unwrap();
    let report = evidence.report();
    assert!(report.agrees, "{report}");
    let kinds: BTreeSet<_> = report.kinds.iter().map(|line| line.kind).collect();
    assert_eq!(kinds, (0..50).map(Kind::of).collect(), "every kind has come");
    let compared = report.comparisons.iter().filter(|it| it.said.len() > 1).count();
    assert!(compared > 40, "{report}");
    for (word, change) in breaks() {
        let mut changed = evidence.clone();
        changed.seen.sort_by_key(|seen| seen.number);
        change(&mut changed);
        let report = changed.report();
        let named = report.differences.iter().any(|it| it.contains(word));
        assert!(!report.agrees && named, "{word}: {:?}", report.differences);
    }
}

fn load(arguments: &[&str]) -> Output {
    Command::new(program("load")).args(arguments).output().unwrap()
}

#[test]
fn a_call_past_the_gateway_ends_the_load_script_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let few = ["--calls", "20", "--uploads", "1", "--past-the-gateway", "1", "--json"];
    let done = load(&[few.as_slice(), &[file.to_str().unwrap()]].concat());
    let said = String::from_utf8_lossy(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("is of no row's") && said.contains("DIFFERENT"), "{said}");
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(report["agrees"], false);
    assert!(report["differences"].to_string().contains("is of no row's"));
}

#[test]
fn the_load_script_asks_nobody_but_this_machine() {
    for here in ["http://127.0.0.1:4566", "https://[::1]:1", "http://127.8.8.8"] {
        on_loopback(here).unwrap();
    }
    for elsewhere in [
        "http://192.0.2.1:4566",
        "http://127.0.0.1@example.com",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0",
        "http://[::2]",
        "nonsense",
    ] {
        on_loopback(elsewhere).unwrap_err();
    }
    let refused = load(&["--aws-endpoint", "http://192.0.2.1:4566"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not on the loopback interface"));
}
