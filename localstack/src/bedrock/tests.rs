#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::Credentials;
use aws_sdk_bedrockruntime::error::ProvideErrorMetadata;
use aws_sdk_bedrockruntime::operation::invoke_model_with_response_stream::InvokeModelWithResponseStreamOutput;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::ResponseStream;
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::Message;
use base64::Engine as _;
use bytes::{Buf as _, BytesMut};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::aws::sdk_config;

const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn client(mock: &Mock) -> Client {
    let config = aws_sdk_bedrockruntime::config::Builder::from(&sdk_config(false));
    let config =
        config.retry_config(aws_sdk_bedrockruntime::config::retry::RetryConfig::disabled());
    Client::from_conf(config.endpoint_url(&mock.url).build())
}

fn body_of(text: &str) -> Vec<u8> {
    let body = json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096,
        "messages": [{ "role": "user", "content": text }],
    });
    body.to_string().into_bytes()
}

fn asking(directive: &Value) -> Vec<u8> {
    body_of(&format!("do mock:{directive} please"))
}

async fn stream(mock: &Mock, directive: Value) -> InvokeModelWithResponseStreamOutput {
    let call = client(mock)
        .invoke_model_with_response_stream()
        .model_id(MODEL)
        .body(Blob::new(asking(&directive)));
    call.send().await.unwrap()
}

/// The events until the stream ends, and how it ended.
async fn read(mut output: InvokeModelWithResponseStreamOutput) -> (Vec<Value>, Result<(), String>) {
    let mut events = Vec::new();
    loop {
        match output.body.recv().await {
            Ok(Some(ResponseStream::Chunk(part))) => {
                events.push(serde_json::from_slice(part.bytes().unwrap().as_ref()).unwrap());
            }
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => return (events, Ok(())),
            Err(error) => return (events, Err(format!("{:?}", error.into_source().unwrap()))),
        }
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}

fn text(events: &[Value]) -> String {
    events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str())
        .collect()
}

/// Sends a signed request over a socket of its own.
async fn raw(mock: &Mock, path: &str, body: &[u8]) -> tokio::net::TcpStream {
    let url = format!("{}{path}", mock.url);
    let host = mock.url.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in signature::sign(&url, body) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("connection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(body).await.unwrap();
    socket
}

/// The chunks of a chunked answer, and whether it ended as it should.
async fn chunks(mut socket: tokio::net::TcpStream) -> (Vec<Vec<u8>>, bool) {
    let mut bytes = Vec::new();
    // A reset ends it as well as a close.
    let _ = socket.read_to_end(&mut bytes).await;
    let head = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap()
        + 4;
    let mut rest = &bytes[head..];
    let mut chunks = Vec::new();
    while let Some(line) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return (chunks, true);
        }
        rest = &rest[line + 2..];
        if rest.len() < size + 2 {
            return (chunks, false);
        }
        chunks.push(rest[..size].to_vec());
        rest = &rest[size + 2..];
    }
    (chunks, false)
}

/// Frames of `bytes`, checksums verified, and what is left over.
fn frames(bytes: &[u8]) -> Result<(Vec<Message>, usize), aws_smithy_eventstream::error::Error> {
    let (mut buffer, mut decoder, mut frames) = (
        BytesMut::from(bytes),
        MessageFrameDecoder::new(),
        Vec::new(),
    );
    loop {
        let before = buffer.remaining();
        match decoder.decode_frame(&mut buffer)? {
            DecodedFrame::Complete(message) => frames.push(message),
            DecodedFrame::Incomplete => return Ok((frames, before)),
        }
    }
}

/// Waits until no call is open, which a call that was left is for a moment.
async fn settled(mock: &Mock) -> Ledger {
    let wait = async {
        while mock.ledger().totals.open > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        mock.ledger()
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .expect("every call is settled")
}

fn picodollars(usage: &Usage) -> u128 {
    let list: Value = serde_json::from_str(&Options::default().prices).unwrap();
    let price = list["prices"]
        .as_array()
        .unwrap()
        .iter()
        .find(|price| price["model"] == MODEL)
        .unwrap()
        .clone();
    let rate = |field: &str| u128::from(price[field].as_u64().unwrap());
    u128::from(usage.input_tokens) * rate("input")
        + u128::from(usage.output_tokens) * rate("output")
        + u128::from(usage.cache_read_input_tokens) * rate("cache_read")
        + u128::from(usage.cache_creation.ephemeral_5m_input_tokens) * rate("cache_write_5m")
        + u128::from(usage.cache_creation.ephemeral_1h_input_tokens) * rate("cache_write_1h")
}

#[tokio::test]
async fn the_sdk_gets_a_priced_answer_in_one_piece() {
    let mock = start().await.unwrap();
    let body = asking(&json!({ "output_tokens": 12 }));
    let answer = client(&mock)
        .invoke_model()
        .model_id(MODEL)
        .body(Blob::new(body))
        .send()
        .await
        .unwrap();
    let message: Value = serde_json::from_slice(answer.body().as_ref()).unwrap();
    assert_eq!(message["type"], "message");
    assert_eq!(message["model"], "claude-sonnet-4-5-20250929");
    assert!(message["id"].as_str().unwrap().starts_with("msg_bdrk_01"));
    assert_eq!(message["content"][0]["text"].as_str().unwrap().len(), 48);
    assert_eq!(message["stop_reason"], "end_turn");
    assert_eq!(message["usage"]["output_tokens"], 12);

    let ledger = mock.ledger();
    let call = &ledger.calls[0];
    assert_eq!(
        (call.outcome, call.billed, call.exact, call.status),
        ("complete", true, true, 200)
    );
    assert_eq!(message["usage"]["input_tokens"], call.usage.input_tokens);
    assert!(call.usage.input_tokens > 0);
    assert_eq!(call.cost_picodollars, picodollars(&call.usage));
    assert_eq!(ledger.totals.cost_picodollars, call.cost_picodollars);
}

#[tokio::test]
async fn the_head_of_an_answer_in_one_piece_has_the_counts() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke");
    let mut answer = String::new();
    raw(&mock, &path, &body_of("hi"))
        .await
        .read_to_string(&mut answer)
        .await
        .unwrap();
    let usage = mock.ledger().calls[0].usage;
    for (name, count) in [
        ("input", usage.input_tokens),
        ("output", usage.output_tokens),
    ] {
        assert!(
            answer.contains(&format!("x-amzn-bedrock-{name}-token-count: {count}\r\n")),
            "{answer}"
        );
    }
    for header in [
        "HTTP/1.1 200 OK\r\n",
        "content-type: application/json\r\n",
        "x-amzn-bedrock-cache-read-input-token-count: 0\r\n",
        "x-amzn-bedrock-cache-write-input-token-count: 0\r\n",
        "x-amzn-bedrock-invocation-latency: ",
    ] {
        assert!(answer.contains(header), "{header} in {answer}");
    }
    assert!(answer.contains(&format!(
        "x-amzn-requestid: {}\r\n",
        mock.ledger().calls[0].request_id
    )));
}

#[tokio::test]
async fn the_sdk_reads_a_stream_with_events_in_their_order() {
    let mock = start().await.unwrap();
    let directive = json!({ "text": "one two", "thinking": "hm", "tool_use": { "name": "t", "input": { "a": 1 } } });
    let (events, end) = read(stream(&mock, directive).await).await;
    end.unwrap();
    let expected = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(types(&events), expected);
    assert_eq!(events[4]["delta"]["type"], "signature_delta");
    assert_eq!(events[10]["delta"]["partial_json"], r#"{"a":1}"#);
    assert_eq!(events[12]["delta"]["stop_reason"], "tool_use");
    let call = &mock.ledger().calls[0];
    let (start, metrics) = (
        &events[0]["message"]["usage"],
        &events[13]["amazon-bedrock-invocationMetrics"],
    );
    assert_eq!(start["input_tokens"], call.usage.input_tokens);
    assert_eq!(start["output_tokens"], 1);
    assert_eq!(
        events[12]["usage"]["output_tokens"],
        call.usage.output_tokens
    );
    assert_eq!(call.usage.output_tokens, (2 + 7 + 7_u64).div_ceil(4));
    assert_eq!(metrics["inputTokenCount"], call.usage.input_tokens);
    assert_eq!(metrics["outputTokenCount"], call.usage.output_tokens);
    assert_eq!(
        (
            &metrics["cacheReadInputTokenCount"],
            &metrics["cacheWriteInputTokenCount"]
        ),
        (&json!(0), &json!(0))
    );
    assert!(metrics["invocationLatency"].is_u64() && metrics["firstByteLatency"].is_u64());
}

#[tokio::test]
async fn frames_carry_bedrocks_headers_checksums_and_padding() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke-with-response-stream");
    let (chunks, whole) = chunks(raw(&mock, &path, &body_of("hi")).await).await;
    assert!(whole);
    let (frames, left) = frames(&chunks.concat()).unwrap();
    assert_eq!(left, 0);
    let mut paddings = Vec::new();
    for frame in &frames {
        let headers = frame.headers().iter();
        let headers: Vec<_> = headers
            .map(|header| {
                (
                    header.name().as_str(),
                    header.value().as_string().unwrap().as_str(),
                )
            })
            .collect();
        let expected = [
            (":event-type", "chunk"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        assert_eq!(headers, expected);
        let payload: Value = serde_json::from_slice(frame.payload()).unwrap();
        let event = base64::engine::general_purpose::STANDARD
            .decode(payload["bytes"].as_str().unwrap())
            .unwrap();
        assert!(serde_json::from_slice::<Value>(&event).unwrap()["type"].is_string());
        let padding = payload["p"].as_str().unwrap().to_owned();
        assert!(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".starts_with(&padding)
        );
        paddings.push(padding.len());
    }
    paddings.sort_unstable();
    paddings.dedup();
    assert!(paddings.len() > 3, "the padding varies: {paddings:?}");
}

#[tokio::test]
async fn ids_come_raw_encoded_and_as_arns() {
    let mock = start().await.unwrap();
    let arn = format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{MODEL}");
    let application = APPLICATION_PROFILE_ARN.to_owned();
    for id in [
        MODEL,
        "anthropic.claude-3-5-sonnet-20240620-v1:0",
        &arn,
        &application,
    ] {
        client(&mock)
            .invoke_model()
            .model_id(id)
            .body(Blob::new(body_of("hi")))
            .send()
            .await
            .unwrap();
        assert_eq!(mock.ledger().calls.last().unwrap().model, id);
    }
    assert_eq!(
        mock.ledger().calls.last().unwrap().priced_as,
        APPLICATION_PROFILE_MODEL
    );
    for path in [
        format!("/model/{MODEL}/invoke"),
        format!("/model/{arn}/invoke"),
    ] {
        let mut answer = String::new();
        raw(&mock, &path, &body_of("hi"))
            .await
            .read_to_string(&mut answer)
            .await
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert_eq!(mock.requests().last().unwrap().path, path);
    }
    for id in [
        "anthropic.claude-nobody",
        "arn:aws:bedrock:us-east-1:1:inference-profile/nobody",
        "../admin",
    ] {
        let call = client(&mock)
            .invoke_model()
            .model_id(id)
            .body(Blob::new(body_of("hi")));
        let error = call.send().await.unwrap_err().into_service_error();
        assert!(error.is_validation_exception());
        assert_eq!(
            error.message(),
            Some("The provided model identifier is invalid.")
        );
    }
    assert_eq!(mock.ledger().totals.billed, 6);
}

#[tokio::test]
async fn a_wrong_signature_a_foreign_key_and_no_signature_are_refused() {
    let mock = start().await.unwrap();
    for (key, secret, code) in [
        ("local", "wrong", "InvalidSignatureException"),
        ("other", "local", "UnrecognizedClientException"),
    ] {
        let config = aws_sdk_bedrockruntime::config::Builder::from(&sdk_config(false))
            .endpoint_url(&mock.url);
        let config = config.credentials_provider(Credentials::new(key, secret, None, None, "test"));
        let call = Client::from_conf(config.build())
            .invoke_model()
            .model_id(MODEL)
            .body(Blob::new(body_of("hi")));
        assert_eq!(call.send().await.unwrap_err().code(), Some(code));
    }
    let url = format!("{}/model/{MODEL}/invoke", mock.url);
    let bearer = reqwest::Client::new()
        .post(&url)
        .bearer_auth("tg_secret")
        .header("x-api-key", "tg_secret");
    let answer = bearer
        .header("cookie", "a=b")
        .body(body_of("hi"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
    let kind = answer.headers()["x-amzn-errortype"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        kind.starts_with("MissingAuthenticationTokenException:http"),
        "{kind}"
    );
    let requests = mock.requests();
    assert_eq!(
        requests.last().unwrap().forbidden_headers,
        ["x-api-key", "cookie", "authorization"]
    );
    assert!(requests[0].forbidden_headers.is_empty());
    assert_eq!(
        (
            mock.ledger().totals.calls,
            mock.ledger().totals.cost_picodollars
        ),
        (3, 0)
    );
}

#[tokio::test]
async fn every_error_before_the_head_has_its_status_and_type_and_bills_nothing() {
    let mock = start().await.unwrap();
    let errors = [
        ("AccessDeniedException", 403),
        ("ValidationException", 400),
        ("ServiceQuotaExceededException", 400),
        ("ConflictException", 400),
        ("ResourceNotFoundException", 404),
        ("ModelTimeoutException", 408),
        ("ModelErrorException", 424),
        ("ThrottlingException", 429),
        ("ModelNotReadyException", 429),
        ("InternalServerException", 500),
        ("ServiceUnavailableException", 503),
    ];
    for (kind, status) in errors {
        let body = asking(&json!({ "error_type": kind, "message": "why", "retry_after": 7 }));
        let error = client(&mock)
            .invoke_model()
            .model_id(MODEL)
            .body(Blob::new(body))
            .send()
            .await
            .unwrap_err();
        let response = error.raw_response().unwrap();
        assert_eq!(response.status().as_u16(), status, "{kind}");
        assert_eq!(response.headers().get("retry-after"), Some("7"));
        assert_eq!((error.code(), error.message()), (Some(kind), Some("why")));
    }
    for status in [400, 403, 404, 408, 424, 429, 500, 503] {
        let body = asking(&json!({ "status": status }));
        let call = client(&mock)
            .invoke_model_with_response_stream()
            .model_id(MODEL)
            .body(Blob::new(body));
        let error = call.send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), status);
        let (kind, _) = errors
            .iter()
            .find(|(kind, _)| error.code() == Some(*kind))
            .unwrap();
        assert!(!kind.is_empty());
    }
    let ledger = mock.ledger();
    assert!(
        ledger
            .calls
            .iter()
            .all(|call| call.outcome == "error" && !call.billed && call.status >= 400)
    );
    assert_eq!(
        (ledger.totals.calls, ledger.totals.cost_picodollars),
        (19, 0)
    );
}

#[tokio::test]
async fn the_six_stream_exceptions_come_after_the_frames_asked_for_and_bill_what_was_said() {
    let mock = start().await.unwrap();
    for kind in [
        "internalServerException",
        "modelStreamErrorException",
        "validationException",
        "throttlingException",
        "modelTimeoutException",
        "serviceUnavailableException",
    ] {
        let directive = json!({ "output_tokens": 50, "exception_after": { "events": 5, "type": kind, "message": "broke" } });
        let (events, end) = read(stream(&mock, directive).await).await;
        assert_eq!(
            types(&events)[3..],
            ["content_block_delta", "content_block_delta"]
        );
        let error = end.unwrap_err().to_lowercase();
        assert!(
            error.starts_with(&kind.to_lowercase()) && error.contains("broke"),
            "{error}"
        );
        let call = mock.ledger().calls.pop().unwrap();
        assert_eq!(
            (call.outcome, call.billed, call.exact),
            ("exception", true, false)
        );
        assert_eq!(
            call.usage.output_tokens,
            (text(&events).len() as u64).div_ceil(4)
        );
        assert_eq!(
            (call.usage.output_tokens, call.cost_picodollars),
            (10, picodollars(&call.usage))
        );
    }
}

#[tokio::test]
async fn a_cut_a_truncated_frame_and_a_false_end_are_told_apart_on_the_wire() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke-with-response-stream");
    let mut seen = Vec::new();
    for fault in ["cut_after", "truncate_frame", "end_after"] {
        let body = asking(&json!({ "output_tokens": 50, fault: 6 }));
        let (chunks, ended) = chunks(raw(&mock, &path, &body).await).await;
        let (frames, left) = frames(&chunks.concat()).unwrap();
        let call = mock.ledger().calls.pop().unwrap();
        seen.push((
            call.outcome,
            frames.len(),
            left > 0,
            ended,
            call.usage.output_tokens,
            call.exact,
        ));
    }
    let expected = [
        ("cut", 6, false, false, 15, false),
        ("truncated", 5, true, false, 10, false),
        ("ended", 6, false, true, 15, false),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_corrupt_frame_fails_its_checksum_and_no_other_does() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke-with-response-stream");
    let body = asking(&json!({ "output_tokens": 50, "corrupt_crc": 3 }));
    let (chunks, _) = chunks(raw(&mock, &path, &body).await).await;
    assert!(frames(&chunks.concat()).is_err());
    assert_eq!(frames(&chunks[..2].concat()).unwrap().0.len(), 2);
    assert!(frames(&chunks[3..].concat()).is_ok());
    let call = mock.ledger().calls.pop().unwrap();
    assert_eq!((call.outcome, call.exact), ("complete", false));
}

#[tokio::test]
async fn writes_are_split_as_asked_and_still_add_up() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke-with-response-stream");
    let body = asking(&json!({ "text": "split me", "split": 7 }));
    let (chunks, ended) = chunks(raw(&mock, &path, &body).await).await;
    assert!(ended && chunks.iter().all(|chunk| chunk.len() <= 7));
    assert_eq!(frames(&chunks.concat()).unwrap().0.len(), 7);
}

#[tokio::test]
async fn a_held_stream_gives_its_first_frame_and_goes_on_when_released() {
    let mock = start().await.unwrap();
    let mut output = stream(
        &mock,
        json!({ "text": "x", "hold_after": 1, "hold": "here" }),
    )
    .await;
    let first = output.body.recv().await.unwrap();
    assert!(first.is_some());
    let second = tokio::time::timeout(Duration::from_millis(50), output.body.recv()).await;
    assert!(second.is_err(), "nothing more comes while it is held");
    let control = reqwest::Client::new();
    let holds: Value = control
        .get(format!("{}/_mock/holds", mock.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        holds,
        json!({ "here": { "waiting": 1, "released": false } })
    );
    let released = control
        .post(format!("{}/_mock/release/here", mock.url))
        .send()
        .await
        .unwrap();
    assert_eq!(released.status(), 204);
    let (events, end) = read(output).await;
    end.unwrap();
    assert_eq!(types(&events).last(), Some(&"message_stop"));
    // A release lasts.
    let (events, _) = read(
        stream(
            &mock,
            json!({ "text": "x", "hold_after": 1, "hold": "here" }),
        )
        .await,
    )
    .await;
    assert_eq!(types(&events).last(), Some(&"message_stop"));
}

#[tokio::test]
async fn who_leaves_midway_is_billed_the_whole_answer() {
    let mock = start().await.unwrap();
    let mut output = stream(
        &mock,
        json!({ "output_tokens": 500, "hold_after": 4, "hold": "never" }),
    )
    .await;
    output.body.recv().await.unwrap();
    drop(output);
    let stalled = json!({ "stall": true, "output_tokens": 7 });
    let invoke = client(&mock)
        .invoke_model()
        .model_id(MODEL)
        .body(Blob::new(asking(&stalled)))
        .send();
    assert!(
        tokio::time::timeout(Duration::from_millis(50), invoke)
            .await
            .is_err()
    );
    let ledger = settled(&mock).await;
    let seen: Vec<_> = ledger
        .calls
        .iter()
        .map(|call| (call.outcome, call.usage.output_tokens, call.exact))
        .collect();
    assert_eq!(
        seen,
        [("client_left", 500, false), ("client_left", 7, false)]
    );
    assert_eq!(
        ledger.calls[0].cost_picodollars,
        picodollars(&ledger.calls[0].usage)
    );
}

#[tokio::test]
async fn cached_prefixes_are_written_once_and_then_read_and_priced_by_lifetime() {
    let mock = start().await.unwrap();
    let cached = json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 100,
        "system": [
            { "type": "text", "text": "a".repeat(4000), "cache_control": { "type": "ephemeral", "ttl": "1h" } },
            { "type": "text", "text": "b".repeat(400), "cache_control": { "type": "ephemeral" } },
        ],
        "messages": [{ "role": "user", "content": "q" }],
    });
    for _ in 0..2 {
        let call = client(&mock)
            .invoke_model_with_response_stream()
            .model_id(MODEL);
        let (events, _) = read(
            call.body(Blob::new(cached.to_string()))
                .send()
                .await
                .unwrap(),
        )
        .await;
        let (start, usage) = (
            &events[0]["message"]["usage"],
            mock.ledger().calls.pop().unwrap().usage,
        );
        let written = usage.cache_creation;
        assert_eq!(
            start["cache_read_input_tokens"],
            usage.cache_read_input_tokens
        );
        assert_eq!(
            start["cache_creation"]["ephemeral_1h_input_tokens"],
            written.ephemeral_1h_input_tokens
        );
        assert_eq!(
            start["cache_creation"]["ephemeral_5m_input_tokens"],
            written.ephemeral_5m_input_tokens
        );
        let sum = written.ephemeral_1h_input_tokens + written.ephemeral_5m_input_tokens;
        assert_eq!(start["cache_creation_input_tokens"], sum);
    }
    let calls = mock.ledger().calls;
    let (first, second) = (&calls[0].usage, &calls[1].usage);
    assert!(first.cache_creation.ephemeral_1h_input_tokens > 1000);
    assert!((100..130).contains(&first.cache_creation.ephemeral_5m_input_tokens));
    assert_eq!(second.cache_read_input_tokens, first.cache_creation.total());
    assert_eq!(second.cache_creation, CacheCreation::default());
    assert!(
        calls
            .iter()
            .all(|call| call.cost_picodollars == picodollars(&call.usage))
    );
}

#[tokio::test]
async fn an_unknown_event_and_block_are_added_in_both_forms() {
    let mock = start().await.unwrap();
    let directive = json!({ "text": "t", "unknown_event": true, "refusal": true });
    let (events, _) = read(stream(&mock, directive.clone()).await).await;
    assert!(types(&events).contains(&"vendor_event"));
    assert!(
        events
            .iter()
            .any(|event| event["content_block"]["type"] == "mystery_block")
    );
    let stop = events
        .iter()
        .find(|event| event["type"] == "message_delta")
        .unwrap();
    assert_eq!(stop["delta"]["stop_reason"], "refusal");
    let call = client(&mock)
        .invoke_model()
        .model_id(MODEL)
        .body(Blob::new(asking(&directive)));
    let message: Value =
        serde_json::from_slice(call.send().await.unwrap().body().as_ref()).unwrap();
    assert_eq!(message["content"][1]["type"], "mystery_block");
}

#[tokio::test]
async fn queued_directives_are_taken_in_turn_by_calls_without_their_own() {
    let mock = start().await.unwrap();
    let control = reqwest::Client::new();
    let queue = |directives: Value| {
        control
            .post(format!("{}/_mock/faults", mock.url))
            .json(&directives)
            .send()
    };
    let bad = queue(json!([{ "text": "x" }, { "txet": "x" }]))
        .await
        .unwrap();
    assert_eq!(bad.status(), 400);
    assert!(bad.text().await.unwrap().contains("unknown field `txet`"));
    assert_eq!(
        queue(json!([{ "status": 429 }, { "text": "queued", "extra_headers": { "x-e": "1" } }]))
            .await
            .unwrap()
            .status(),
        204
    );
    let call = |body: Vec<u8>| {
        client(&mock)
            .invoke_model()
            .model_id(MODEL)
            .body(Blob::new(body))
            .send()
    };
    assert!(call(asking(&json!({ "text": "own" }))).await.is_ok());
    assert!(
        call(body_of("a"))
            .await
            .unwrap_err()
            .into_service_error()
            .is_throttling_exception()
    );
    let queued = call(body_of("b")).await.unwrap();
    assert!(String::from_utf8_lossy(queued.body().as_ref()).contains("queued"));
    let plain = call(body_of("question c")).await.unwrap();
    assert!(String::from_utf8_lossy(plain.body().as_ref()).contains("question c"));
    let misspelt = call(body_of("mock:{\"output_token\":1}"))
        .await
        .unwrap_err()
        .into_service_error();
    assert!(misspelt.is_validation_exception());
}

#[tokio::test]
async fn the_control_api_shows_requests_and_the_ledger_and_clears_them() {
    let mock = start().await.unwrap();
    let body = body_of("say \"hi\"");
    client(&mock)
        .invoke_model()
        .model_id(MODEL)
        .body(Blob::new(body.clone()))
        .send()
        .await
        .unwrap();
    let control = reqwest::Client::new();
    let get = async |name: &str| -> Value {
        control
            .get(format!("{}/_mock/{name}", mock.url))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let requests = get("requests").await;
    assert_eq!(requests[0]["method"], "POST");
    assert_eq!(
        requests[0]["path"],
        format!("/model/{}/invoke", MODEL.replace(':', "%3A"))
    );
    assert_eq!(requests[0]["body"].as_str().unwrap().as_bytes(), body);
    assert!(
        requests[0]["headers"]["authorization"]
            .as_str()
            .unwrap()
            .starts_with("AWS4-HMAC-SHA256")
    );
    let ledger = get("ledger").await;
    let call = &ledger["calls"][0];
    assert_eq!(call["operation"], "InvokeModel");
    assert!(call["usage"]["cache_creation"]["ephemeral_1h_input_tokens"].is_u64());
    assert_eq!(
        call["cost_picodollars"],
        ledger["totals"]["cost_picodollars"]
    );
    for name in ["ledger", "requests"] {
        let cleared = control
            .delete(format!("{}/_mock/{name}", mock.url))
            .send()
            .await
            .unwrap();
        assert_eq!(cleared.status(), 204);
    }
    assert_eq!(get("ledger").await["totals"]["calls"], 0);
    assert_eq!(get("requests").await, json!([]));
}

#[tokio::test]
async fn an_application_profile_can_be_named_by_the_control_api() {
    let mock = start().await.unwrap();
    let arn = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc";
    let call = || {
        client(&mock)
            .invoke_model()
            .model_id(arn)
            .body(Blob::new(body_of("hi")))
            .send()
    };
    assert!(call().await.is_err());
    let put = reqwest::Client::new().put(format!("{}/_mock/profiles", mock.url));
    put.json(&json!({ "abc": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0" }))
        .send()
        .await
        .unwrap();
    call().await.unwrap();
    assert_eq!(
        mock.ledger().calls[1].priced_as,
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
    );
}

#[tokio::test]
async fn a_body_of_one_byte_too_much_is_refused() {
    let mock = start().await.unwrap();
    let whole = |padding: usize| body_of(&"x".repeat(padding));
    let room = request::MAX_BODY_BYTES - whole(0).len();
    let call = |body: Vec<u8>| {
        client(&mock)
            .invoke_model()
            .model_id(MODEL)
            .body(Blob::new(body))
            .send()
    };
    assert!(call(whole(room)).await.is_ok());
    let error = call(whole(room + 1))
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_validation_exception());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_at_once_are_each_billed_what_they_were_told() {
    let mock = start().await.unwrap();
    let client = client(&mock);
    let calls = (1..=60_u64).map(|number| {
        let body = asking(
            &json!({ "output_tokens": number, "hold_after": 2, "hold": "all", "split": 64 }),
        );
        let client = client.clone();
        tokio::spawn(async move {
            let call = client
                .invoke_model_with_response_stream()
                .model_id(MODEL)
                .body(Blob::new(body));
            let (events, end) = read(call.send().await.unwrap()).await;
            end.unwrap();
            let delta = events
                .iter()
                .find(|event| event["type"] == "message_delta")
                .unwrap();
            delta["usage"]["output_tokens"].as_u64().unwrap()
        })
    });
    let calls: Vec<_> = calls.collect();
    while mock.ledger().totals.open < 60 {
        tokio::task::yield_now().await;
    }
    mock.release("all");
    let told: u64 = join_all(calls).await.into_iter().map(Result::unwrap).sum();
    let totals = mock.ledger().totals;
    assert_eq!((totals.calls, totals.billed, totals.open), (60, 60, 0));
    assert_eq!((told, totals.usage.output_tokens), (1830, 1830));
    assert_eq!(totals.cost_picodollars, picodollars(&totals.usage));
}

#[tokio::test]
async fn stopping_ends_held_streams_at_once() {
    let mock = start().await.unwrap();
    let url = mock.url.clone();
    let mut output = stream(&mock, json!({ "text": "x", "hold_after": 1 })).await;
    output.body.recv().await.unwrap();
    tokio::time::timeout(Duration::from_secs(2), mock.stop())
        .await
        .expect("it does not wait for the hold");
    assert!(output.body.recv().await.is_err());
    assert!(reqwest::get(format!("{url}/_mock/ledger")).await.is_err());
}

#[tokio::test]
async fn delays_come_before_the_head_and_between_events() {
    let mock = start().await.unwrap();
    let began = std::time::Instant::now();
    let output = stream(
        &mock,
        json!({ "text": "x", "delay_ms": 60, "event_delay_ms": 10 }),
    )
    .await;
    assert!(began.elapsed() >= Duration::from_millis(60));
    let head = began.elapsed();
    let (events, _) = read(output).await;
    assert_eq!(events.len(), 7);
    assert!(began.elapsed() - head >= Duration::from_millis(50));
}

#[tokio::test]
async fn the_body_streams_over_http_2_as_well() {
    let mock = start().await.unwrap();
    let url = format!("{}/model/{MODEL}/invoke-with-response-stream", mock.url);
    let body = asking(&json!({ "text": "x", "hold_after": 1, "hold": "h2" }));
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let signed = signature::sign(&url, &body)
        .into_iter()
        .fold(client.post(&url), |request, (name, value)| {
            request.header(name, value)
        });
    let answer = signed.body(body).send().await.unwrap();
    assert_eq!(
        (answer.version(), answer.status().as_u16()),
        (http::Version::HTTP_2, 200)
    );
    let mut stream = answer.bytes_stream();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(frames(&first).unwrap().0.len(), 1);
    mock.release("h2");
    assert!(stream.next().await.unwrap().is_ok());
}
