//! Prices, on the embedded DynamoDB: what admins may change, what a change does, and when a call sees it.

mod csv;
mod lag;
mod revisions;
mod routes;

use std::sync::Arc;

use gateway::price::{BandRates, Entry, PriceList, Rates, ServiceTier, TokenRate};
use gateway::pricing::current_book;
use gateway::store::{AuditEntry, PriceWrite, Store};
use jiff::Timestamp;
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::event::{Request, request};
use tests::in_process::Functions;

const MODEL: &str = "us.anthropic.claude-opus-5";
const PATH: &str = "/api/admin/prices/us.anthropic.claude-opus-5";
const TIER: ServiceTier = ServiceTier::Default;
const SEED_INPUT: u64 = 5_500_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn by_admin(request: Request) -> Request {
    request.principal(json!({"principalId": "user:root", "sub": "user:root", "scopes": "admin"}))
}

fn five(rate: u64) -> Value {
    json!({"input": rate, "output": rate, "cache_read": rate, "cache_write_5m": rate, "cache_write_1h": rate})
}

fn body(from: &str, rate: u64) -> Value {
    json!({"effective_from": from, "rates": five(rate)})
}

async fn ask(functions: &Functions, request: Request) -> HttpAnswer {
    functions.call("admin", &by_admin(request).event()).await.http().clone()
}

async fn get(functions: &Functions, path: &str) -> Value {
    let answer = ask(functions, request("GET", path)).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

async fn put(functions: &Functions, from: &str, rate: u64) -> Value {
    let answer = ask(functions, request("PUT", PATH).json(&body(from, rate))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn export(functions: &Functions) -> String {
    let answer = ask(functions, request("GET", "/api/admin/prices.csv")).await;
    assert_eq!(
        (
            answer.status,
            &answer.headers["content-type"] == "text/csv; charset=utf-8"
        ),
        (200, true)
    );
    String::from_utf8(answer.body.to_vec()).unwrap()
}

async fn import(functions: &Functions, query: &str, text: &str) -> HttpAnswer {
    let request = request("PUT", &format!("/api/admin/prices.csv{query}"));
    ask(functions, request.header("Content-Type", "text/csv").body(text)).await
}

/// Everything that a change could have changed: the revision, the whole book, the audit trail.
async fn everything(store: &Store) -> (u64, Vec<Entry>, Vec<AuditEntry>) {
    let revision = store.price_revision().await.unwrap();
    let entries = store.price_entries(revision).await.unwrap();
    (revision, entries, audit(store).await)
}

async fn audit(store: &Store) -> Vec<AuditEntry> {
    let (since, until) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    store.audit_entries(since, until, 500, None).await.unwrap().items
}

async fn input_at(store: &Store, time: &str) -> Option<u64> {
    let seed = Arc::new(PriceList::embedded().unwrap());
    let book = current_book(store, seed).await.unwrap();
    let quote = book.quote(MODEL, TIER, at(time)).ok()?;
    Some(quote.rates.base.input.as_u64())
}

fn entry(rate: u64) -> Entry {
    let base = BandRates::from([TokenRate::try_from(rate).unwrap(); 5]);
    Entry {
        model: MODEL.parse().unwrap(),
        tier: TIER,
        effective_from: at("2026-01-01T00:00:00Z"),
        rates: Some(Rates {
            base,
            long_context: None,
        }),
        revision: 1,
    }
}

fn told(rate: u64) -> AuditEntry {
    let actor = "user:root".parse().unwrap();
    let (time, change) = (at("2026-12-01T00:00:00Z"), (None, Some(json!(rate))));
    AuditEntry::new(time, actor, "price.put", rate.to_string(), change, "r".into()).unwrap()
}

async fn write(store: &Store, revision: u64, rate: u64) -> PriceWrite {
    store.write_prices(revision, &[entry(rate)], &told(rate)).await.unwrap()
}
