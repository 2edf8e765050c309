//! The mock as its callers meet it: over the wire, through the SDK where the SDK can see it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod answers;
mod control;
mod converse;
mod counts;
mod faults;
mod logs;

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

/// After which a test has failed.
const PATIENCE: Duration = Duration::from_secs(10);
const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn client(mock: &Mock) -> Client {
    let config = aws_sdk_bedrockruntime::config::Builder::from(&sdk_config(false));
    let config = config.retry_config(aws_sdk_bedrockruntime::config::retry::RetryConfig::disabled());
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
        let received = tokio::time::timeout(PATIENCE, output.body.recv()).await;
        match received.expect("the stream goes on") {
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
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
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
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
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
    let (mut buffer, mut decoder, mut frames) = (BytesMut::from(bytes), MessageFrameDecoder::new(), Vec::new());
    loop {
        let before = buffer.remaining();
        match decoder.decode_frame(&mut buffer)? {
            DecodedFrame::Complete(message) => frames.push(message),
            DecodedFrame::Incomplete => return Ok((frames, before)),
        }
    }
}

/// Waits until the sums are as they should be.
async fn counted(mock: &Mock, what: &str, as_wanted: impl Fn(&Totals) -> bool) -> Ledger {
    let wait = async {
        while !as_wanted(&mock.ledger().totals) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        mock.ledger()
    };
    tokio::time::timeout(PATIENCE, wait).await.expect(what)
}

/// Waits until no call is open, which a call that was left is for a moment.
async fn settled(mock: &Mock) -> Ledger {
    counted(mock, "every call is settled", |totals| totals.open == 0).await
}

fn picodollars(usage: &Usage) -> u128 {
    let list: Value = serde_json::from_str(&Options::default().prices).unwrap();
    let price = list["prices"]
        .as_array()
        .unwrap()
        .iter()
        .find(|price| price["model"] == MODEL && price["tier"] == "default")
        .unwrap()
        .clone();
    let rate = |field: &str| u128::from(price[field].as_u64().unwrap());
    u128::from(usage.input_tokens) * rate("input")
        + u128::from(usage.output_tokens) * rate("output")
        + u128::from(usage.cache_read_input_tokens) * rate("cache_read")
        + u128::from(usage.cache_creation.ephemeral_5m_input_tokens) * rate("cache_write_5m")
        + u128::from(usage.cache_creation.ephemeral_1h_input_tokens) * rate("cache_write_1h")
}
