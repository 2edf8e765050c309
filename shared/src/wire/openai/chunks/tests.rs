use serde_json::{Value, json};

use super::*;

fn stream(reading: Reading, events: &[(&str, Value)]) -> Vec<Value> {
    let label = Label {
        id: "chatcmpl-r".into(),
        created: 7,
        model: "m".into(),
    };
    let mut chunks = Chunks::new(label, reading);
    let mut text = String::new();
    for (kind, event) in events {
        if let Some(bytes) = chunks.event(kind, event.to_string().as_bytes()) {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
    let mut lines: Vec<_> = text.split_terminator("\n\n").collect();
    assert_eq!(lines.pop(), Some("data: [DONE]"), "{text}");
    let parsed = lines
        .iter()
        .map(|line| serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap());
    parsed.collect()
}

fn deltas(reading: Reading, events: &[(&str, Value)]) -> Vec<Value> {
    let chunks = stream(reading, events);
    let of = |chunk: &Value| {
        let choice = &chunk["choices"][0];
        if choice["finish_reason"].is_null() {
            choice["delta"].clone()
        } else {
            choice["finish_reason"].clone()
        }
    };
    chunks.iter().skip(1).map(of).collect()
}

fn started() -> (&'static str, Value) {
    ("messageStart", json!({"role": "assistant"}))
}

fn text(index: u64, text: &str) -> (&'static str, Value) {
    (
        "contentBlockDelta",
        json!({"contentBlockIndex": index, "delta": {"text": text}}),
    )
}

fn tool(index: u64, name: &str) -> (&'static str, Value) {
    let start = json!({"toolUse": {"toolUseId": format!("id-{index}"), "name": name}});
    ("contentBlockStart", json!({"contentBlockIndex": index, "start": start}))
}

fn input(index: u64, input: &str) -> (&'static str, Value) {
    (
        "contentBlockDelta",
        json!({"contentBlockIndex": index, "delta": {"toolUse": {"input": input}}}),
    )
}

fn closed(index: u64) -> (&'static str, Value) {
    ("contentBlockStop", json!({"contentBlockIndex": index}))
}

fn stopped(reason: &str) -> (&'static str, Value) {
    ("messageStop", json!({"stopReason": reason}))
}

fn metadata() -> (&'static str, Value) {
    let usage = json!({"inputTokens": 3, "outputTokens": 2, "totalTokens": 5, "cacheReadInputTokens": 4});
    ("metadata", json!({"usage": usage, "metrics": {"latencyMs": 1}}))
}

#[test]
fn a_stream_begins_with_the_role_and_ends_with_its_reason_and_done() {
    let chunks = stream(
        Reading::default(),
        &[
            started(),
            text(0, "Hel"),
            text(0, ""),
            text(0, "lo"),
            closed(0),
            stopped("end_turn"),
            metadata(),
        ],
    );
    assert_eq!(chunks.len(), 4);
    assert_eq!(
        chunks[0],
        json!({"id": "chatcmpl-r", "object": "chat.completion.chunk", "created": 7, "model": "m",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": "", "refusal": null}, "logprobs": null, "finish_reason": null}]})
    );
    assert_eq!(chunks[2]["choices"][0]["delta"], json!({"content": "lo"}));
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn usage_comes_last_where_it_is_asked_for_and_is_null_until_then() {
    let reading = Reading {
        include_usage: true,
        ..Reading::default()
    };
    let chunks = stream(reading, &[started(), text(0, "hi"), stopped("end_turn"), metadata()]);
    let (last, before) = chunks.split_last().unwrap();
    assert!(
        before
            .iter()
            .all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
    );
    assert_eq!(last["choices"], json!([]));
    assert_eq!(
        last["usage"],
        json!({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0}})
    );
}

#[test]
fn calls_are_numbered_among_themselves_and_always_have_arguments() {
    let events = [
        started(),
        text(0, "Let me see"),
        closed(0),
        tool(1, "f"),
        input(1, ""),
        input(1, "{\"a\""),
        input(1, ":1}"),
        closed(1),
        tool(2, "g"),
        closed(2),
        stopped("tool_use"),
        metadata(),
    ];
    assert_eq!(
        deltas(Reading::default(), &events),
        [
            json!({"content": "Let me see"}),
            json!({"tool_calls": [{"index": 0, "id": "id-1", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\""}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
            json!({"tool_calls": [{"index": 1, "id": "id-2", "type": "function", "function": {"name": "g", "arguments": ""}}]}),
            json!({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
            json!("tool_calls"),
        ]
    );
    let one = Reading {
        one_call: true,
        ..Reading::default()
    };
    let deltas = deltas(one, &events);
    assert_eq!(deltas.len(), 5);
    assert!(deltas.iter().all(|delta| delta["tool_calls"][0]["id"] != "id-2"));
}

#[test]
fn an_answer_in_a_tool_is_the_content_and_what_is_said_before_it_is_not() {
    let reading = Reading {
        json: Json::InTool,
        ..Reading::default()
    };
    let events = [
        started(),
        text(0, "Here:"),
        tool(1, JSON_TOOL),
        input(1, "{\"a\""),
        input(1, ":1}"),
        closed(1),
        stopped("tool_use"),
        metadata(),
    ];
    assert_eq!(
        deltas(reading, &events),
        [json!({"content": "{\"a\""}), json!({"content": ":1}"}), json!("stop")]
    );
    let instead = [
        started(),
        text(0, "I can"),
        text(0, "not."),
        stopped("end_turn"),
        metadata(),
    ];
    assert_eq!(
        deltas(reading, &instead),
        [json!({"content": "I cannot."}), json!("stop")]
    );
    let called = [
        started(),
        text(0, "Let me see"),
        tool(1, "f"),
        input(1, "{}"),
        closed(1),
        stopped("tool_use"),
        metadata(),
    ];
    assert_eq!(deltas(reading, &called).last().unwrap(), "tool_calls");
}

#[test]
fn an_answer_in_text_is_the_object_alone() {
    let reading = Reading {
        json: Json::InText,
        ..Reading::default()
    };
    let events = [
        started(),
        text(0, "``"),
        text(0, "`json\n{\"a\""),
        text(0, ":1}\n```"),
        stopped("end_turn"),
        metadata(),
    ];
    assert_eq!(
        deltas(reading, &events),
        [json!({"content": "{\"a\""}), json!({"content": ":1}"}), json!("stop")]
    );
}

#[test]
fn thoughts_are_told_apart_and_what_is_not_known_says_nothing() {
    let events = [
        started(),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "s"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"neverSeen": 1}}),
        ),
        ("contentBlockDelta", json!({"contentBlockIndex": "x"})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 1, "start": {"neverSeen": 1}}),
        ),
        ("neverSeen", json!({})),
        text(1, "yes"),
        stopped("end_turn"),
        metadata(),
    ];
    assert_eq!(
        deltas(Reading::default(), &events),
        [
            json!({"reasoning_content": "hm"}),
            json!({"content": "yes"}),
            json!("stop")
        ]
    );
}
