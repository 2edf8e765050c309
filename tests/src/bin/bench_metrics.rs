//! Measures what metering, tracing and the counters cost a request. `make bench` prints the table of `docs/performance.md`; it wants a
//! release build.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use gateway::config::Variables;
use gateway::store::CounterBatch;
use gateway::telemetry::tally::{Tally, is_kept};
use gateway::telemetry::trace::{self, Remote};
use gateway::telemetry::{self, Trail};
use metrics_cloudwatch_embedded::Builder;
use tests::backing::Backing;

/// Requests for each row, after a tenth of them to warm up.
const REQUESTS: usize = 20_000;
/// Writes to the embedded table.
const WRITES: usize = 500;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let collector = Builder::new()
        .cloudwatch_namespace("Bench")
        .with_dimension("function", "stream")
        .init()
        .unwrap();
    println!("| of a request | p50 | p99 |");
    println!("|---|---:|---:|");
    row("what a model call counts", count);
    row("the same, and its metric lines", || {
        count();
        collector.flush(&mut Vec::new()).unwrap();
    });
    let mut tally = Tally::default();
    row("the same, gathered for the table", || {
        count();
        let mut lines = Vec::new();
        collector.flush(&mut lines).unwrap();
        for line in std::str::from_utf8(&lines).unwrap().lines() {
            tally.read(line, is_kept);
        }
    });
    row("five spans, no collector", spans);
    let backing = Backing::start().await;
    let store = backing.store();
    let mut took = Vec::new();
    for number in 0..WRITES {
        let batch = CounterBatch::new(format!("bench-{number}"), "stream", 0, &tally);
        let began = Instant::now();
        store.add_to_counters(&batch).await.unwrap();
        took.push(began.elapsed());
    }
    print("a write of the counters (embedded table)", took);
    let variables = Variables::Given(vec![("OTEL_EXPORTER_OTLP_ENDPOINT", tests::backing::nowhere())]);
    let began = Instant::now();
    telemetry::start("bench", &variables).unwrap();
    println!("| setting tracing up, once | {} | |", shown(began.elapsed()));
    row("five spans, recorded", spans);
}

/// What one streamed call counts.
fn count() {
    metrics::counter!("requests_total", "class" => "2xx").increment(1);
    metrics::histogram!("request_duration_seconds").record(0.5);
    metrics::counter!("model_calls_total", "dialect" => "anthropic", "outcome" => "success").increment(1);
    metrics::counter!("input_tokens_total").increment(100);
    metrics::counter!("output_tokens_total").increment(100);
    metrics::counter!("model_cost_picodollars_total").increment(1_000_000);
    metrics::histogram!("model_call_duration_seconds").record(0.5);
    metrics::histogram!("model_first_byte_seconds").record(0.1);
    metrics::counter!("budget_holds_total", "result" => "held").increment(1);
    metrics::counter!("budget_settlements_total", "result" => "settled").increment(2);
}

fn spans() {
    let remote = Remote::of(|name| (name == "x-amzn-trace-id").then_some("Root=1-5759e988-bd862e3fe1be46a994272793"));
    let trail = Trail::of("request", "POST /anthropic/v1/messages", &remote);
    trail.enter(|| {
        for name in ["admit", "bedrock", "settle", "more"] {
            trace::step(name).end();
        }
    });
    trail.span.end();
}

fn row(what: &str, mut work: impl FnMut()) {
    (0..REQUESTS / 10).for_each(|_| work());
    let took = (0..REQUESTS).map(|_| {
        let began = Instant::now();
        work();
        began.elapsed()
    });
    print(what, took.collect());
}

fn print(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |share: usize| shown(took[took.len() * share / 100]);
    println!("| {what} | {} | {} |", at(50), at(99));
}

fn shown(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1000.0)
}
