//! Measures what budgets add to a call: calls of the table, milliseconds before the first byte and after the last, and how that grows
//! with the callers of one budget. `make bench` prints the tables of `docs/performance.md`; it wants a release build.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::local::{MODEL, Stack};
use tests::unreliable::Unreliable;

/// Calls for each row of the first table, after a tenth of them to warm up.
const CALLS: usize = 400;
/// Calls of each caller in the second table.
const CALLS_EACH: usize = 40;
/// Environments of each function, as many as callers at the most.
const ENVIRONMENTS: usize = 64;
/// Whose budgets may apply to a call, in the order in which they are given.
const SCOPES: [&str; 4] = ["organisation/all", "user/user:bench", "key/key_bench", "team/bench"];

/// How long a call took.
#[derive(Clone, Copy)]
struct Took {
    first_byte: Duration,
    /// From the last but one event to the end of the answer: the row and the budgets are written in between.
    after_the_last: Duration,
    whole: Duration,
}

#[tokio::main]
async fn main() {
    let backing = Unreliable::aws().await;
    let environments = ENVIRONMENTS.to_string();
    let stack = Stack::start(&[
        "--aws-endpoint",
        &backing.url,
        "--release",
        "--environments",
        &environments,
    ])
    .await;
    println!(
        "| budgets that hold a call | table calls | first byte p50 | p99 | after the last event p50 | p99 | mock alone: first byte p50 | after the last p50 |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    for count in 0..=SCOPES.len() {
        limit(&stack, count).await;
        calls(&stack, CALLS / 10).await;
        backing.reset_counts();
        let took = calls(&stack, CALLS).await;
        let table_calls = backing.counts().total() as f64 / CALLS as f64;
        let alone = alone(&stack, CALLS).await;
        println!(
            "| {count} | {table_calls:.1} | {} | {} | {} | {} | {} | {} |",
            at(&took, |it| it.first_byte, 0.5),
            at(&took, |it| it.first_byte, 0.99),
            at(&took, |it| it.after_the_last, 0.5),
            at(&took, |it| it.after_the_last, 0.99),
            at(&alone, |it| it.first_byte, 0.5),
            at(&alone, |it| it.after_the_last, 0.5),
        );
    }
    println!();
    println!("| callers at once | calls a second | first byte p50 | p99 | whole call p50 | p99 |");
    println!("|---:|---:|---:|---:|---:|---:|");
    limit(&stack, 1).await;
    for callers in [1, 2, 4, 8, 16, 32, 64] {
        let began = Instant::now();
        let took = join_all((0..callers).map(|_| calls(&stack, CALLS_EACH))).await.concat();
        let rate = took.len() as f64 / began.elapsed().as_secs_f64();
        println!(
            "| {callers} | {rate:.0} | {} | {} | {} | {} |",
            at(&took, |it| it.first_byte, 0.5),
            at(&took, |it| it.first_byte, 0.99),
            at(&took, |it| it.whole, 0.5),
            at(&took, |it| it.whole, 0.99),
        );
    }
}

/// Gives the first `count` scopes a budget, and the others none.
async fn limit(stack: &Stack, count: usize) {
    let limit = json!({"unit": "picodollars", "window": "month", "limit_dollars": "1000000"});
    for (index, scope) in SCOPES.iter().enumerate() {
        let limits = if index < count { json!([limit]) } else { json!([]) };
        let path = format!("/api/admin/budgets/{scope}");
        let answer = stack.admin().put(&path, &json!({ "limits": limits })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // Each environment goes by what it read last, for so long.
    let lag = u64::try_from(gateway::limits::LAG_SECONDS).unwrap();
    tokio::time::sleep(Duration::from_secs(lag + 1)).await;
}

async fn calls(stack: &Stack, count: usize) -> Vec<Took> {
    let url = format!("{}/2015-03-31/functions/stream/invocations", stack.ready().lambda);
    let client = reqwest::Client::new();
    let mut took = Vec::new();
    for _ in 0..count {
        took.push(timed(client.post(&url).body(event().to_string())).await);
    }
    took
}

/// The same call to the mock alone.
async fn alone(stack: &Stack, count: usize) -> Vec<Took> {
    let model = MODEL.replace(':', "%3A");
    let url = format!("{}/model/{model}/invoke-with-response-stream", stack.ready().bedrock);
    let (client, body) = (reqwest::Client::new(), body().to_string());
    let mut took = Vec::new();
    for _ in 0..count {
        let signed = localstack::bedrock::sign(&url, body.as_bytes()).into_iter().fold(
            client.post(&url).header("content-type", "application/json"),
            |request, (name, value)| request.header(name, value),
        );
        took.push(timed(signed.body(body.clone())).await);
    }
    took
}

async fn timed(request: reqwest::RequestBuilder) -> Took {
    let began = Instant::now();
    let mut body = request.send().await.unwrap().error_for_status().unwrap().bytes_stream();
    let (mut first, mut last) = (None, began);
    let mut gap = Duration::ZERO;
    while let Some(chunk) = body.next().await {
        chunk.unwrap();
        let now = Instant::now();
        first.get_or_insert(now);
        (gap, last) = (now - last, now);
    }
    Took {
        first_byte: first.unwrap() - began,
        after_the_last: gap + last.elapsed(),
        whole: began.elapsed(),
    }
}

fn body() -> Value {
    json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 64,
        "messages": [{"role": "user", "content": "mock:{\"output_tokens\":40,\"event_delay_ms\":2}"}],
    })
}

fn event() -> Value {
    let path = format!(
        "/bedrock/model/{}/invoke-with-response-stream",
        MODEL.replace(':', "%3A")
    );
    let context = json!({
        "requestId": tests::local::marker().replace('_', "-"), "stage": "live", "httpMethod": "POST", "identity": {},
        "authorizer": {"sub": "user:bench", "scopes": "models:invoke", "key_id": "key_bench", "team": "bench"},
    });
    json!({
        "resource": "/{proxy+}", "path": path, "httpMethod": "POST", "requestContext": context,
        "headers": {"content-type": "application/json"}, "multiValueHeaders": {"content-type": ["application/json"]},
        "body": body().to_string(), "isBase64Encoded": false,
    })
}

fn at(took: &[Took], part: fn(&Took) -> Duration, quantile: f64) -> String {
    let mut times: Vec<_> = took.iter().map(part).collect();
    times.sort();
    let index = (times.len() as f64 * quantile) as usize;
    format!("{:.2} ms", times[index.min(times.len() - 1)].as_secs_f64() * 1000.0)
}
