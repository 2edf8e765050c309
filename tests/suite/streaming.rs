//! Streams as their callers see them: server-sent events and frames, whole, in time, and never ended as if complete.

use gateway::usage::Outcome;
use serde_json::{Value, json};
use tests::answer::events;
use tests::backing::Backing;
use tests::event::{bedrock_body, chat, chat_body, invoke_stream, messages, messages_body};
use tests::in_process::{Begun, Functions};
use tests::local::PATIENCE;

const ALICE: &str = "user:alice";

/// Every way in which the mock can shape or break a stream.
fn faults() -> Vec<(Value, bool)> {
    let complete = [
        json!({}),
        json!({"split": 1, "output_tokens": 10}),
        json!({"split": 13, "thinking": "Hm.", "text": "line one\nline two\r\n\ndata: {}\n\n", "delta_tokens": 1}),
        json!({"tool_use": {"name": "t", "input": {"text": "event: error\n\n"}}, "unknown_event": true}),
        json!({"refusal": true}),
        json!({"text": "日本語 👍 \u{2028} \u{0} \"quoted\" \\ back", "delta_tokens": 1, "split": 5}),
    ];
    let broken = [
        json!({"output_tokens": 30, "exception_after": {"events": 0, "type": "throttlingException"}}),
        json!({"output_tokens": 30, "exception_after": {"events": 4, "type": "neverSeenException", "message": "a\n\nb"}}),
        json!({"output_tokens": 30, "cut_after": 0}),
        json!({"output_tokens": 30, "cut_after": 5}),
        json!({"output_tokens": 30, "truncate_frame": 1}),
        json!({"output_tokens": 30, "truncate_frame": 6, "split": 3}),
        json!({"output_tokens": 30, "end_after": 0}),
        json!({"output_tokens": 30, "end_after": 7}),
        json!({"output_tokens": 30, "corrupt_crc": 1}),
        json!({"output_tokens": 30, "corrupt_crc": 5}),
    ];
    let all = complete.into_iter().map(|it| (it, true));
    all.chain(broken.into_iter().map(|it| (it, false))).collect()
}

///
#[tokio::test]
async fn server_sent_events_are_well_formed_and_end_in_message_stop_or_an_error_whatever_bedrock_does() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    for (directive, is_complete) in faults() {
        let request = messages(ALICE, &messages_body(true, &directive));
        let answer = functions.call("stream", &request.event()).await.http();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "text/event-stream")
        );
        let text = std::str::from_utf8(&answer.body).unwrap();
        assert!(!text.contains("amazon-bedrock"), "Bedrock's metrics leaked: {text}");
        let names: Vec<_> = events(text)
            .iter()
            .map(|event| event["event"].as_str().unwrap().to_owned())
            .collect();
        let ends = ["message_stop", "error"].map(|end| names.iter().filter(|name| *name == end).count());
        let (expected, last) = if is_complete {
            ([1, 0], "message_stop")
        } else {
            ([0, 1], "error")
        };
        assert_eq!(
            (ends, &**names.last().unwrap()),
            (expected, last),
            "{directive}: {names:?}"
        );
    }
}

#[tokio::test]
async fn chunks_are_whole_and_end_in_done_or_an_error_whatever_bedrock_does() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    for (directive, is_complete) in faults() {
        let request = chat(ALICE, &chat_body(true, &directive));
        let answer = functions.call("stream", &request.event()).await.http();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "text/event-stream")
        );
        let chunks = answer.events();
        let (last, before) = chunks.split_last().unwrap();
        assert!(
            before.iter().all(|chunk| chunk["choices"][0]["index"] == 0),
            "{directive}: {chunks:?}"
        );
        let finished = before
            .last()
            .is_some_and(|chunk| chunk["choices"][0]["finish_reason"].is_string());
        if is_complete {
            assert_eq!((last, finished), (&json!("[DONE]"), true), "{directive}");
        } else {
            assert!(last["error"]["message"].is_string(), "{directive}: {chunks:?}");
        }
    }
}

///
#[tokio::test]
async fn frames_are_whole_and_end_in_message_stop_or_an_exception_whatever_bedrock_does() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    for (directive, is_complete) in faults() {
        let request = invoke_stream(ALICE, &bedrock_body(&directive));
        let answer = functions.call("stream", &request.event()).await.http();
        assert_eq!(answer.header("content-type"), "application/vnd.amazon.eventstream");
        let frames = answer.frames();
        let (last, others) = frames.split_last().unwrap();
        let is_end =
            |frame: &Value| frame["payload"]["bytes"]["type"] == "message_stop" || frame["exception"].is_string();
        assert!(is_end(last) && !others.iter().any(is_end), "{directive}: {frames:?}");
        assert_eq!(last["exception"].is_null(), is_complete, "{directive}: {last}");
    }
}

/// what nobody knows yet passes, in its place.
#[tokio::test]
async fn events_and_blocks_of_unknown_types_reach_the_caller() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let request = messages(
        ALICE,
        &messages_body(true, &json!({"text": "hi", "unknown_event": true})),
    );
    let all = functions.call("stream", &request.event()).await.http().events();
    assert!(all.iter().any(|event| event["event"] == "vendor_event"));
    assert!(
        all.iter()
            .any(|event| event["data"]["content_block"]["type"] == "mystery_block")
    );
    assert!(
        all.iter()
            .any(|event| event["data"]["delta"]["type"] == "mystery_delta")
    );
}

#[tokio::test]
async fn the_first_event_reaches_the_caller_while_bedrock_holds_the_second_back() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    for (name, is_events) in [("frames", false), ("events", true)] {
        let directive = json!({"output_tokens": 10, "hold_after": 1, "hold": name});
        let request = if is_events {
            messages(ALICE, &messages_body(true, &directive))
        } else {
            invoke_stream(ALICE, &bedrock_body(&directive))
        };
        let mut answer = functions.begin("stream", &request.event()).await;
        let first = answer.next().await.unwrap();
        assert!(!first.is_empty());
        assert_eq!(backing.mock.ledger().totals.open, 1, "the second is held back");
        backing.mock.release(name);
        let rest = answer.rest().await;
        assert!(rest.body.len() > first.len());
    }
}

/// A silence of the upstream is filled, and what comes after it is whole.
#[tokio::test]
async fn a_silence_is_filled_with_pings_and_costs_nothing() {
    let backing = Backing::start().await;
    let functions = Functions::with(&backing, &[("TOLLGATE_SSE_PING_SECONDS", "1")]);
    let directive = json!({"output_tokens": 10, "hold_after": 2, "hold": "silence"});
    let request = messages(ALICE, &messages_body(true, &directive));
    let mut answer = functions.begin("stream", &request.event()).await;
    let mut seen = Vec::new();
    let ping = until(b"event: ping", &mut answer, &mut seen);
    tokio::time::timeout(PATIENCE, ping).await.expect("a ping");
    assert_eq!(backing.mock.ledger().totals.open, 1, "Bedrock is silent");
    backing.mock.release("silence");
    let rest = answer.rest().await;
    seen.extend_from_slice(&rest.body);
    let all = events(std::str::from_utf8(&seen).unwrap());
    let names: Vec<_> = all.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(
        names[..4],
        ["message_start", "content_block_start", "ping", "ping"],
        "ours, then the model's own"
    );
    assert_eq!(names.last(), Some(&"message_stop"));
    let rows = backing
        .store()
        .usage_of(&ALICE.parse().unwrap(), 10, None)
        .await
        .unwrap()
        .items;
    assert_eq!(
        (rows.len(), rows[0].outcome, rows[0].usage.output_tokens.as_u64()),
        (1, Outcome::Success, 10)
    );
}

/// OpenAI's clients know no event of that name, and skip lines that begin with a colon.
#[tokio::test]
async fn a_silence_between_chunks_is_filled_with_comments() {
    let backing = Backing::start().await;
    let functions = Functions::with(&backing, &[("TOLLGATE_SSE_PING_SECONDS", "1")]);
    let directive = json!({"output_tokens": 10, "hold_after": 2, "hold": "silence"});
    let request = chat(ALICE, &chat_body(true, &directive));
    let mut answer = functions.begin("stream", &request.event()).await;
    let mut seen = Vec::new();
    let ping = until(b": ping", &mut answer, &mut seen);
    tokio::time::timeout(PATIENCE, ping).await.expect("a ping");
    backing.mock.release("silence");
    seen.extend_from_slice(&answer.rest().await.body);
    let seen = String::from_utf8(seen).unwrap().replace(": ping\n\n", "");
    assert_eq!(events(&seen).last(), Some(&json!("[DONE]")));
}

async fn until(start: &[u8], answer: &mut Begun, seen: &mut Vec<u8>) {
    loop {
        let chunk = answer.next().await.unwrap();
        seen.extend_from_slice(&chunk);
        if chunk.starts_with(start) {
            return;
        }
    }
}

/// Both dialects bill and say the same; only the form differs.
#[tokio::test]
async fn the_same_answer_streamed_and_not_has_the_same_content_and_usage() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let directive = json!({"thinking": "Let me see.", "text": "So it is.", "delta_tokens": 1});
    let whole = messages(ALICE, &messages_body(false, &directive));
    let whole = functions.call("stream", &whole.event()).await.http().json();
    let streamed = messages(ALICE, &messages_body(true, &directive));
    let streamed = functions.call("stream", &streamed.event()).await.http().events();
    let said: String = streamed
        .iter()
        .filter_map(|event| event["data"]["delta"]["text"].as_str())
        .collect();
    assert_eq!(said, whole["content"][1]["text"]);
    let delta = streamed.iter().find(|event| event["event"] == "message_delta").unwrap();
    assert_eq!(delta["data"]["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
    assert_eq!(delta["data"]["delta"]["stop_reason"], whole["stop_reason"]);
}
