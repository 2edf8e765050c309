//! Streams that break off.

use serde_json::{Value, json};
use tests::backing::Backing;
use tests::books::{assert_rows_equal_bills, rows};
use tests::event::{bedrock_body, invoke_stream};
use tests::in_process::Functions;

use super::{CARLA, answer, by_carla, by_messages};

fn merged(mut one: Value, other: &Value) -> Value {
    for (name, value) in other.as_object().unwrap() {
        one[name] = value.clone();
    }
    one
}

/// Whatever Bedrock bills of a stream that it breaks, the row says the same: before the first event, after each, and in the middle
/// of each.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_at_any_event_is_billed_as_the_mock_billed_it() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let answers = [
        json!({"output_tokens": 23, "delta_tokens": 4}),
        json!({"thinking": "Let me think of it.", "text": "So it is, and nothing else."}),
        json!({"tool_use": {"name": "weather", "input": {"city": "Bern"}}}),
    ];
    let mut calls = 0;
    for given in &answers {
        for at in 0..18 {
            let exception = json!({"exception_after": {"events": at, "type": "modelStreamErrorException"}});
            for fault in [
                json!({"cut_after": at}),
                json!({"end_after": at}),
                exception,
                json!({"truncate_frame": at + 1}),
            ] {
                let directive = merged(given.clone(), &fault);
                let request = if calls % 2 == 0 {
                    by_messages(&directive, 4_096, true)
                } else {
                    by_carla(invoke_stream(CARLA, &bedrock_body(&directive)))
                };
                answer(&functions, "stream", &request).await;
                calls += 1;
            }
        }
    }
    let ledger = backing.mock.ledger();
    assert_eq!(ledger.totals.billed, calls);
    assert_rows_equal_bills(&rows(&backing.store(), CARLA).await, &ledger.calls);
}
