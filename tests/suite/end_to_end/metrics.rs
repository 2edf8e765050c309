//! What is counted is what happened: the metric lines, the counters in the table and the mock's ledger say the same.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use gateway::telemetry::names::{Kept, metric};
use gateway::usage::Outcome;
use serde_json::{Value, json};
use tests::local::{Caller, LedgerCall, MODEL, Route, Stack, User, directed, marker, signing_key};
use tests::samples::{Sample, Samples};

use super::credentials;

/// So many requests at once.
const AT_ONCE: usize = 16;
/// Environments that count side by side, and write with every answer.
const ARGUMENTS: [&str; 4] = ["--environments", "4", "--parameter", "MetricsFlushSeconds=0"];

async fn scraper(stack: &Stack) -> Caller {
    stack.bearer(&stack.new_key("user:prometheus", &["metrics"]).await)
}

async fn sweep(stack: &Stack) {
    let event = json!({"detail-type": "Scheduled Event", "time": jiff::Timestamp::now().to_string()});
    let lambda = Caller::at(&stack.ready().lambda);
    let answer = lambda.post("/2015-03-31/functions/sweep/invocations", &event).await;
    assert_eq!(
        (answer.status, &answer.json()["complete"]),
        (200, &json!(true)),
        "{answer:?}"
    );
}

/// What the mock is told in the call of this number, and how that ends.
fn directive(number: usize) -> (Value, Outcome) {
    match number % 10 {
        7 => (json!({"status": 429}), Outcome::Throttled),
        8 => (json!({"status": 503}), Outcome::UpstreamError),
        9 => (json!({"status": 400}), Outcome::ClientError),
        few => (json!({"output_tokens": 5 + few}), Outcome::Success),
    }
}

async fn calls(count: usize, by_key: &User, by_token: &User) {
    let call = async |number: usize| {
        let (caller, route) = if number.is_multiple_of(2) {
            (&by_key.caller, Route::ALL[number / 2 % 4])
        } else {
            (&by_token.caller, Route::ALL[number / 2 % 4])
        };
        route.call(caller, &directed(&marker(), directive(number).0)).await;
    };
    stream::iter(0..count)
        .map(call)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
}

fn outcomes(count: usize) -> BTreeMap<String, u64> {
    let mut outcomes = BTreeMap::new();
    for number in 0..count {
        *outcomes.entry(directive(number).1.label().to_owned()).or_default() += 1;
    }
    outcomes
}

fn in_all(bills: &[LedgerCall], part: impl Fn(&LedgerCall) -> u64) -> u64 {
    bills.iter().map(part).sum()
}

/// What counts the same in the table's counters and in the lines: all that lasts, but for the writes themselves and whoever scrapes.
fn lasting(samples: &Samples, functions: &[&str]) -> Samples {
    samples.only(|Sample { name, labels }| {
        let ends = ["_bucket", "_sum", "_count"];
        let family = ends.iter().find_map(|end| name.strip_suffix(end)).and_then(metric);
        let of_it = labels
            .get("function")
            .is_some_and(|function| functions.contains(&function.as_str()));
        let lasts = family
            .or_else(|| metric(name))
            .is_some_and(|metric| metric.kept == Kept::Counters);
        of_it && lasts && name != "counter_writes_total"
    })
}

/// Issue 7, must-show 5; B-15, B-16, B-17, B-20
#[tokio::test(flavor = "multi_thread")]
async fn after_a_thousand_calls_metrics_and_metric_lines_agree_with_the_mocks_ledger() {
    const CALLS: usize = 1_000;
    let stack = Stack::start(&ARGUMENTS).await;
    let (by_key, by_token) = (stack.new_user().await, stack.service_account().await);
    calls(CALLS, &by_key, &by_token).await;
    let mut claims = credentials::claims(&stack).await;
    (claims.iat, claims.exp) = (claims.iat - 7200, claims.iat - 3600);
    let expired = signing_key(&stack).await.sign(&claims).unwrap();
    for token in [&expired, &expired, &format!("{}A", by_token.key)] {
        assert_eq!(stack.bearer(token).get("/api/usage/records").await.status, 401);
    }
    sweep(&stack).await;
    let scraper = scraper(&stack).await;
    let (told, lines) = (Samples::of_gateway(&scraper).await, Samples::of_lines(&stack).await);

    let all = stack.mock().all_calls().await;
    assert_eq!(all.len(), CALLS);
    for samples in [&told, &lines] {
        assert_eq!(samples.by("model_calls_total", "outcome"), outcomes(CALLS));
        let dialects = BTreeMap::from([("anthropic".to_owned(), 500), ("bedrock".to_owned(), 500)]);
        assert_eq!(samples.by("model_calls_total", "dialect"), dialects);
        assert_eq!(
            samples.sum("input_tokens_total", &[]),
            in_all(&all, |call| call.usage.prompt_tokens().as_u64())
        );
        assert_eq!(
            samples.sum("output_tokens_total", &[]),
            in_all(&all, |call| call.usage.output_tokens.as_u64())
        );
        assert_eq!(
            samples.sum("model_cost_picodollars_total", &[]),
            in_all(&all, |call| call.cost_picodollars)
        );
        let tokens = |result| samples.sum("jwt_validation_total", &[("result", result)]);
        assert_eq!((tokens("success"), tokens("expired"), tokens("failure")), (500, 2, 1));
        assert_eq!(samples.sum("jwt_validation_duration_seconds_count", &[]), 503);
        assert_eq!(samples.sum("model_call_duration_seconds_count", &[]), 1_000);
        let errors = |kind| samples.sum("errors_total", &[("kind", kind)]);
        // In Bedrock's own dialect its refusals pass as they are.
        assert_eq!((errors("upstream_throttled"), errors("upstream_unavailable")), (50, 50));
        assert_eq!(samples.sum("requests_total", &[("function", "stream")]), 750);
        assert_eq!(
            samples.sum("requests_total", &[("function", "invoke"), ("class", "2xx")]),
            175
        );
        let issued = [("function", "token"), ("result", "success")];
        assert_eq!(samples.sum("oauth_token_requests_total", &issued), 1);
    }
    let model = MODEL.strip_prefix("us.").unwrap();
    assert_eq!(told.sum("usage_calls_total", &[("model", model)]), 1_000);
    let functions = ["stream", "invoke", "token"];
    let counted = lasting(&told, &functions);
    assert!(counted.len() > 30, "{counted:?}");
    assert_eq!(counted, lasting(&lines, &functions));
}

/// B-20: who may scrape.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_scope_of_metrics_and_admins_open_the_metrics() {
    let stack = Stack::start(&["--environments", "1"]).await;
    assert_eq!(stack.anonymous().get("/metrics").await.status, 401);
    let user = stack.new_user().await;
    assert_eq!(user.caller.get("/metrics").await.status, 403);
    assert_eq!(stack.admin().get("/metrics").await.status, 200);
    let scraper = scraper(&stack).await;
    assert_eq!(scraper.get("/metrics").await.status, 200);
    for path in [
        "/api/usage/records",
        "/api/admin/users",
        "/api/keys",
        "/api/admin/prices",
    ] {
        assert_eq!(scraper.get(path).await.status, 403, "{path}");
    }
}

/// B-21
#[tokio::test(flavor = "multi_thread")]
async fn after_a_hundred_uploads_the_counters_are_right() {
    let stack = Stack::start(&ARGUMENTS).await;
    let user = stack.new_user().await;
    let upload = async |number: usize| {
        let bytes = "x".repeat(1_000 + number);
        let answer = user.caller.upload(&number.to_string(), bytes.as_bytes()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    };
    stream::iter(0..100)
        .map(upload)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let refused = user
        .caller
        .send("POST", "/api/v1/files/upload", &headers, "--b--")
        .await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let told = Samples::of_gateway(&scraper(&stack).await).await;
    let lines = Samples::of_lines(&stack).await;
    for samples in [&told, &lines] {
        let uploads = |result| samples.sum("uploads_total", &[("way", "form"), ("result", result)]);
        assert_eq!((uploads("stored"), uploads("refused"), uploads("failed")), (100, 1, 0));
        let bytes: u64 = (1_000..1_100).sum();
        assert_eq!(samples.sum("upload_bytes_total", &[]), bytes);
        assert_eq!(
            samples.sum("requests_total", &[("function", "upload"), ("class", "2xx")]),
            100
        );
        assert_eq!(
            samples.sum("request_duration_seconds_count", &[("function", "upload")]),
            101
        );
    }
    assert_eq!(lasting(&told, &["upload"]), lasting(&lines, &["upload"]));
}
