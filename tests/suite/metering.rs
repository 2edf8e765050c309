//! One row for each call to Bedrock, and the rows' sum is Bedrock's bill: checked against the mock's ledger.

use std::collections::HashMap;

use futures_util::future::join_all;
use gateway::store::UsageRow;
use gateway::usage::Outcome;
use localstack::bedrock::Call;
use serde_json::{Value, json};
use tests::backing::{Backing, Setup, nowhere};
use tests::books::open_calls;
use tests::event::{
    MODEL, bedrock_body, chat, chat_body, converse, converse_body, converse_stream, invoke, invoke_stream, messages,
    messages_body, request,
};
use tests::in_process::Functions;
use tests::local::eventually;
use tests::logs;
use tests::unreliable::Outage;

const ALICE: &str = "user:alice";

/// All rows of a principal, newest first.
async fn rows(backing: &Backing, subject: &str) -> Vec<UsageRow> {
    let page = backing
        .store()
        .usage_of(&subject.parse().unwrap(), 500, None)
        .await
        .unwrap();
    assert_eq!(page.next_cursor, None);
    page.items
}

/// The rows, once there are as many as calls in the ledger and none of those is under way.
async fn settled(backing: &Backing, subject: &str) -> Vec<UsageRow> {
    eventually("a row for each call", async || {
        let rows = rows(backing, subject).await;
        let totals = backing.mock.ledger().totals;
        (totals.open == 0 && rows.len() >= totals.calls).then_some(rows)
    })
    .await
}

/// Each call has one row, with its own tokens and its own cost.
fn assert_equal(rows: &[UsageRow], calls: &[Call]) {
    assert_eq!(rows.len(), calls.len(), "a row for each call, and a call for each row");
    let by_id: HashMap<_, _> = rows
        .iter()
        .map(|row| (row.upstream_request_id.clone().unwrap(), row))
        .collect();
    for call in calls {
        let row = by_id[&call.request_id];
        assert_eq!(
            (json!(row.usage), row.cost_picodollars.as_u128(), row.estimated),
            (json!(call.usage), call.cost_picodollars, call.billed && !call.exact),
            "{call:?}\n{row:?}"
        );
    }
}

/// How much of an answer its caller waits for.
#[derive(Clone, Copy, Debug)]
enum Stay {
    ToTheEnd,
    For(usize),
}

async fn call(functions: &Functions, route: usize, directive: &Value, stay: Stay) {
    let (function, request) = match route % 8 {
        0 => ("invoke", invoke(ALICE, &bedrock_body(directive))),
        1 => ("stream", invoke_stream(ALICE, &bedrock_body(directive))),
        2 => ("stream", messages(ALICE, &messages_body(false, directive))),
        3 => ("invoke", converse(ALICE, &converse_body(directive))),
        4 => ("stream", converse_stream(ALICE, &converse_body(directive))),
        5 => ("stream", chat(ALICE, &chat_body(false, directive))),
        6 => ("stream", chat(ALICE, &chat_body(true, directive))),
        _ => ("stream", messages(ALICE, &messages_body(true, directive))),
    };
    let mut answer = functions.begin(function, &request.event()).await;
    match stay {
        Stay::ToTheEnd => drop(answer.rest().await),
        Stay::For(chunks) => {
            for _ in 0..chunks {
                answer.next().await;
            }
        }
    }
}

/// Answers in full, errors before the head, exceptions inside streams, streams that break in every way, and callers
/// who leave at once or later, all six routes, all at the same time.
#[tokio::test]
async fn the_rows_of_a_mixed_batch_equal_the_ledger_token_for_token_and_picodollar_for_picodollar() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let directives = [
        json!({}),
        json!({"output_tokens": 50}),
        json!({"thinking": "Let me see.", "text": "So it is."}),
        json!({"tool_use": {"name": "weather", "input": {"city": "Bern"}}, "unknown_event": true}),
        json!({"output_tokens": 3, "stop_reason": "max_tokens", "split": 7}),
        json!({"error_type": "ThrottlingException", "retry_after": 1}),
        json!({"error_type": "ValidationException"}),
        json!({"error_type": "ModelErrorException"}),
        json!({"error_type": "ServiceUnavailableException"}),
        json!({"error_type": "AccessDeniedException"}),
    ];
    let breaks = [
        json!({"output_tokens": 40, "exception_after": {"events": 5, "type": "throttlingException"}}),
        json!({"output_tokens": 40, "exception_after": {"events": 1, "type": "modelStreamErrorException"}}),
        json!({"output_tokens": 40, "cut_after": 1}),
        json!({"output_tokens": 40, "cut_after": 6}),
        json!({"output_tokens": 40, "truncate_frame": 7, "split": 11}),
        json!({"output_tokens": 40, "end_after": 1}),
        json!({"output_tokens": 40, "end_after": 8}),
    ];
    let mut calls = Vec::new();
    for route in 0..8 {
        for directive in &directives {
            calls.push((route, directive.clone(), Stay::ToTheEnd));
            calls.push((route, directive.clone(), Stay::For(0)));
        }
    }
    for route in [1, 4, 6, 7] {
        for directive in &breaks {
            calls.push((route, directive.clone(), Stay::ToTheEnd));
        }
        for chunks in 0..12 {
            calls.push((route, json!({"output_tokens": 60}), Stay::For(chunks)));
        }
    }
    join_all(
        calls
            .iter()
            .map(|(route, directive, stay)| call(&functions, *route, directive, *stay)),
    )
    .await;

    let rows = settled(&backing, ALICE).await;
    let ledger = backing.mock.ledger();
    assert_eq!(ledger.calls.len(), calls.len());
    assert_equal(&rows, &ledger.calls);
    let spent: u128 = rows.iter().map(|row| row.cost_picodollars.as_u128()).sum();
    assert!(spent > 0);
    assert_eq!(spent, ledger.totals.cost_picodollars);
    let outcomes = rows
        .iter()
        .filter(|row| row.outcome == Outcome::StreamInterrupted)
        .count();
    assert_eq!(outcomes, 4 * breaks.len(), "every broken stream says so");
}

/// Written with a lifetime of five minutes, written with one of an hour, and read: three counts, three prices.
#[tokio::test]
async fn cache_writes_are_priced_by_their_lifetime_and_cache_reads_apart() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let block = |text: &str, ttl: &str| json!({"type": "text", "text": text.repeat(400), "cache_control": {"type": "ephemeral", "ttl": ttl}});
    for stream in [false, true, true] {
        let mut body = messages_body(stream, &json!({"output_tokens": 5}));
        body["system"] = json!([block("an hour ", "1h"), block("five minutes ", "5m")]);
        let answer = functions.call("stream", &messages(ALICE, &body).event()).await.http();
        assert_eq!(answer.status, 200);
    }
    let rows = settled(&backing, ALICE).await;
    assert_equal(&rows, &backing.mock.ledger().calls);
    let usages: Vec<Value> = rows.iter().map(|row| json!(row.usage)).collect();
    let written = |usage: &Value| {
        ["ephemeral_1h_input_tokens", "ephemeral_5m_input_tokens"]
            .map(|name| usage["cache_creation"][name].as_u64().unwrap())
    };
    let first = usages
        .iter()
        .find(|usage| usage["cache_read_input_tokens"] == 0)
        .unwrap();
    assert!(written(first).iter().all(|tokens| *tokens > 700), "{first}");
    for later in usages.iter().filter(|usage| *usage != first) {
        assert_eq!(written(later), [0, 0]);
        assert!(later["cache_read_input_tokens"].as_u64().unwrap() > 1500, "{later}");
    }
}

/// The caller leaves while Bedrock is still in the middle of its answer. Bedrock goes on, and so does the meter.
#[tokio::test]
async fn a_caller_who_leaves_mid_stream_is_billed_what_bedrock_produced() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    for (name, request) in [
        (
            "a",
            invoke_stream(
                ALICE,
                &bedrock_body(&json!({"output_tokens": 200, "hold_after": 4, "hold": "a"})),
            ),
        ),
        (
            "b",
            messages(
                ALICE,
                &messages_body(true, &json!({"output_tokens": 200, "hold_after": 4, "hold": "b"})),
            ),
        ),
    ] {
        let mut answer = functions.begin("stream", &request.event()).await;
        assert!(answer.next().await.is_some());
        drop(answer);
        assert_eq!(backing.mock.ledger().totals.open, 1, "Bedrock is not done");
        backing.mock.release(name);
        settled(&backing, ALICE).await;
    }
    let rows = settled(&backing, ALICE).await;
    assert_equal(&rows, &backing.mock.ledger().calls);
    for row in rows {
        assert_eq!(
            (row.outcome, row.usage.output_tokens.as_u64(), row.estimated),
            (Outcome::ClientDisconnected, 200, false)
        );
    }
}

/// Invariant 1: who has seen the last event finds the row, before the body has ended.
#[tokio::test]
async fn the_row_is_written_before_the_last_event_leaves() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let directive = json!({"output_tokens": 10});
    for (count, request) in [
        invoke_stream(ALICE, &bedrock_body(&directive)),
        messages(ALICE, &messages_body(true, &directive)),
    ]
    .iter()
    .enumerate()
    {
        let mut answer = functions.begin("stream", &request.event()).await;
        let mut last = answer.next().await.unwrap();
        while backing.mock.ledger().totals.open > 0 || !is_stop(&last) {
            last = answer.next().await.unwrap();
        }
        assert_eq!(
            rows(&backing, ALICE).await.len(),
            count + 1,
            "before the end was asked for"
        );
        assert_eq!(answer.next().await, None);
    }
}

fn is_stop(chunk: &[u8]) -> bool {
    let text = String::from_utf8_lossy(chunk);
    // In a frame it stands in base64: `{"type":"message_stop"` is `eyJ0eXBlIjoibWVzc2FnZV9zdG9wI`.
    text.contains("event: message_stop") || text.contains("eyJ0eXBlIjoibWVzc2FnZV9zdG9wI")
}

/// What it cost nobody said, so the row says that it is a guess.
#[tokio::test]
async fn an_answer_whose_usage_never_came_is_marked_as_an_estimate() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let whole = invoke(ALICE, &bedrock_body(&json!({"output_tokens": 30, "cut_after": 1})));
    let answer = functions.call("invoke", &whole.event()).await.http();
    assert_eq!(
        (answer.status, answer.header("x-amzn-errortype")),
        (503, "ServiceUnavailableException")
    );
    for directive in [
        json!({"output_tokens": 30, "corrupt_crc": 5}),
        json!({"output_tokens": 30, "cut_after": 0}),
        json!({"output_tokens": 30, "exception_after": {"events": 0, "type": "internalServerException"}}),
    ] {
        let request = invoke_stream(ALICE, &bedrock_body(&directive));
        let answer = functions.call("stream", &request.event()).await.http();
        assert!(answer.frames().last().unwrap()["exception"].is_string());
    }
    let rows = settled(&backing, ALICE).await;
    assert_eq!(rows.len(), 4);
    // An answer in one piece has its counts in its head, which came whole.
    assert!(rows.iter().all(|row| row.estimated == row.streamed), "{rows:?}");
    let whole = rows.iter().find(|row| !row.streamed).unwrap();
    assert_eq!(whole.usage.output_tokens.as_u64(), 30);
}

/// A call that never left cost nothing, and has its row.
#[tokio::test]
async fn a_bedrock_that_cannot_be_reached_is_an_unbilled_call_with_a_row() {
    let backing = Backing::start().await;
    let functions = Functions::with(&backing, &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &nowhere())]);
    let request = invoke(ALICE, &bedrock_body(&json!({})));
    let answer = functions.call("invoke", &request.event()).await.http();
    assert_eq!(answer.status, 503);
    let rows = rows(&backing, ALICE).await;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (
            row.outcome,
            row.estimated,
            row.cost_picodollars.as_u128(),
            row.upstream_status
        ),
        (Outcome::UpstreamError, false, 0, None)
    );
}

/// What the row would have held is in the log, the call stays in the outbox, and no answer ends as if it were complete.
#[tokio::test]
async fn a_table_that_goes_down_during_a_call_leaves_the_row_in_the_log_and_the_call_in_the_outbox() {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    let functions = Functions::new(&backing);
    let logs = logs::capture();
    let directive = json!({"output_tokens": 20, "hold": "outage"});

    let whole = invoke(ALICE, &bedrock_body(&directive));
    let frames = invoke_stream(ALICE, &bedrock_body(&directive));
    let events = messages(ALICE, &messages_body(true, &directive));
    let given = [whole.event(), frames.event(), events.event()];
    let outage = async {
        eventually("all three are with Bedrock", async || {
            let calls = backing.mock.ledger().calls;
            (calls.iter().filter(|call| call.status == 200).count() == 3).then_some(())
        })
        .await;
        backing.unreliable().unwrap().table_is(Some(Outage::Failing));
        backing.mock.release("outage");
    };
    let (whole_answer, frames_answer, events_answer, ()) = tokio::join!(
        functions.call("invoke", &given[0]),
        functions.call("stream", &given[1]),
        functions.call("stream", &given[2]),
        outage,
    );

    assert_eq!(open_calls(&backing.store()).await.len(), 3);
    let answer = whole_answer.http();
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    assert_eq!(answer.header("x-amzn-errortype"), "ServiceUnavailableException");
    let last = frames_answer.http().frames().pop().unwrap();
    assert_eq!(last["exception"], "serviceUnavailableException");
    let all = events_answer.http().events();
    assert_eq!(all.last().unwrap()["data"]["error"]["type"], "overloaded_error");
    assert!(
        all.iter().all(|event| event["event"] != "message_stop"),
        "it did not end as if complete"
    );

    let calls = backing.mock.ledger().calls;
    let lines = logs.lines();
    for request in [whole, frames, events] {
        let row = lines
            .iter()
            .filter(|line| line["level"] == "ERROR")
            .filter_map(|line| serde_json::from_str::<UsageRow>(line["row"].as_str()?).ok())
            .find(|row| row.request_id == request.request_id)
            .unwrap_or_else(|| panic!("no row of {} in {}", request.request_id, logs.text()));
        let call = calls
            .iter()
            .find(|call| Some(&call.request_id) == row.upstream_request_id.as_ref())
            .unwrap();
        assert_eq!(
            (json!(row.usage), row.cost_picodollars.as_u128()),
            (json!(call.usage), call.cost_picodollars)
        );
    }
}

/// Whether a credential counts cannot be found out: API Gateway is told neither yes nor no.
#[tokio::test]
async fn the_authorizer_lets_nobody_in_when_its_table_or_its_secret_is_down() {
    let backing = Backing::start().await;
    for variable in ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
        let functions = Functions::with(&backing, &[(variable, &nowhere())]);
        let credential = if variable.ends_with("DYNAMODB") {
            tests::fixtures::API_KEY.to_owned()
        } else {
            tests::fixtures::access_token(|_| ())
        };
        let event = json!({
            "type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:000000000000:tollgate00/live/GET/api/keys",
            "headers": {"x-api-key": credential}, "multiValueHeaders": {"x-api-key": [credential]},
        });
        let answer = functions.call("authorizer", &event).await.golden();
        assert_eq!(
            answer["errorMessage"], "The credential cannot be checked right now.",
            "{variable}"
        );
    }
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_before_any_call() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let unpriced = "us.anthropic.claude-tomorrow-9-20301231-v1:0";
    let mut body = messages_body(false, &json!({}));
    body["model"] = unpriced.into();
    let by_path = |suffix: &str| {
        request("POST", &format!("/bedrock/model/{unpriced}/{suffix}"))
            .by(ALICE)
            .json(&bedrock_body(&json!({})))
    };
    for (function, request) in [
        ("stream", messages(ALICE, &body)),
        ("stream", by_path("invoke-with-response-stream")),
        ("invoke", by_path("invoke")),
    ] {
        let answer = functions.call(function, &request.event()).await.http();
        assert_eq!(answer.status, 404, "{:?}", answer.body);
        assert!(
            answer.body.windows(8).any(|part| part == b"no price"),
            "{:?}",
            answer.body
        );
    }
    assert!(backing.mock.requests().is_empty());
    assert!(rows(&backing, ALICE).await.is_empty());
}

/// every field of a row, and that its owner alone reads it.
#[tokio::test]
async fn a_row_says_who_called_what_when_how_and_at_what_cost() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let call = messages(ALICE, &messages_body(true, &json!({"output_tokens": 12}))).principal(
        json!({"principalId": ALICE, "sub": ALICE, "scopes": "models:invoke usage:read", "key_id": "key_0000fixture"}),
    );
    functions.call("stream", &call.event()).await;
    let records = request("GET", "/api/usage/records").by(ALICE);
    let answer = functions.call("admin", &records.event()).await.http().json();
    let [record] = &answer["records"].as_array().unwrap()[..] else {
        panic!("{answer}")
    };
    let ledger = &backing.mock.ledger().calls[0];
    let (latency, first_byte) = (
        record["latency_ms"].as_u64().unwrap(),
        record["time_to_first_byte_ms"].as_u64().unwrap(),
    );
    assert!(first_byte <= latency, "{record}");
    let mut expected = json!({
        "request_id": call.request_id, "principal": ALICE, "key_id": "key_0000fixture", "model": MODEL,
        "price_model": MODEL, "profile": "us", "region": "us-east-1", "target": "home", "dialect": "anthropic", "streamed": true,
        "started_at": "2026-12-01T12:00:00Z", "ended_at": "2026-12-01T12:00:00Z", "outcome": "success",
        "stop_reason": "end_turn", "upstream_status": 200, "upstream_request_id": ledger.request_id,
        "service_tier": "default", "usage": ledger.usage, "cost_picodollars": u64::try_from(ledger.cost_picodollars).unwrap(), "estimated": false,
    });
    for name in ["latency_ms", "time_to_first_byte_ms", "price_version", "rates"] {
        expected[name] = record[name].clone();
    }
    assert_eq!(*record, expected);
    let mallory = request("GET", "/api/usage/records").by("user:mallory");
    let answer = functions.call("admin", &mallory.event()).await.http().json();
    assert_eq!(answer, json!({"records": [], "next_cursor": null}));
}
