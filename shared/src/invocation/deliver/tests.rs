//! Ten thousand generated streams and bodies, by a seed, through both forms of delivery.

use aws_smithy_types::body::SdkBody;
use aws_smithy_types::event_stream::{Header, HeaderValue as Text, Message};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::StreamBody;
use serde_json::{Value, json};

use super::super::incoming::Incoming;
use super::super::meter::AnswerMeter;
use super::*;
use crate::clock::Stopwatch;
use crate::upstream::Operation;
use crate::wire::frames::FrameReader;

/// Numbers that a seed repeats (SplitMix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) % (limit as u64)).unwrap()
    }

    fn text(&mut self) -> String {
        const PARTS: [&str; 8] = [
            "a",
            "é",
            "日本",
            "👍",
            "\n\ndata: {}\n\n",
            "\"",
            "event: message_stop",
            "\u{2028}",
        ];
        (0..self.below(6)).map(|_| PARTS[self.below(PARTS.len())]).collect()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most))
            .map(|_| u8::try_from(self.below(256)).unwrap())
            .collect()
    }
}

fn frame(headers: &[(&str, &str)], payload: Vec<u8>) -> Bytes {
    let text = |text: &str| text.to_owned();
    let message = headers.iter().fold(Message::new(payload), |message, (name, value)| {
        message.add_header(Header::new(text(name), Text::String(text(value).into())))
    });
    let mut out = Vec::new();
    aws_smithy_eventstream::frame::write_message_to(&message, &mut out).unwrap();
    out.into()
}

fn chunk(json: &str) -> Bytes {
    chunk_of(format!(r#"{{"bytes":"{}","p":"abc"}}"#, BASE64_STANDARD.encode(json)).into_bytes())
}

fn chunk_of(payload: Vec<u8>) -> Bytes {
    frame(&[(":event-type", "chunk"), (":message-type", "event")], payload)
}

/// One generated frame: what Bedrock sends, what of it an Anthropic client gets, and whether it says that the answer is over.
struct Made {
    raw: Bytes,
    event: Option<Value>,
    ends: bool,
}

#[expect(clippy::needless_pass_by_value, reason = "a literal of a test")]
fn said(json: String) -> Made {
    let event: Option<Value> = serde_json::from_str(&json).ok();
    let kind = event
        .as_ref()
        .and_then(|event| event["type"].as_str())
        .unwrap_or_default();
    Made {
        raw: chunk(&json),
        ends: ["message_stop", "error"].contains(&kind),
        event: event.filter(|event| event["type"].is_string()),
    }
}

fn silent(raw: Bytes) -> Made {
    Made {
        raw,
        event: None,
        ends: false,
    }
}

fn exception(seeded: &mut Seeded) -> Made {
    const KINDS: [&str; 5] = [
        "throttlingException",
        "modelStreamErrorException",
        "validationException",
        "serviceUnavailableException",
        "neverSeenException",
    ];
    let kind = KINDS[seeded.below(KINDS.len())];
    let payload = match seeded.below(3) {
        0 => json!({"message": seeded.text()}).to_string().into_bytes(),
        1 => seeded.bytes(20),
        _ => Vec::new(),
    };
    let raw = if seeded.below(4) == 0 {
        frame(&[(":message-type", "error"), (":error-code", kind)], payload)
    } else {
        frame(&[(":message-type", "exception"), (":exception-type", kind)], payload)
    };
    Made {
        raw,
        event: None,
        ends: true,
    }
}

fn stop(seeded: &mut Seeded) -> Made {
    const METRICS: &str = r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":1,"outputTokenCount":2}"#;
    said(match seeded.below(4) {
        0 => r#"{"type":"message_stop"}"#.to_owned(),
        1 => format!("{{\r\n \"type\" : \"message_stop\",\n{METRICS} }}"),
        2 => format!(r#"{{{METRICS},"type":"message_stop","new":{{"x":1.0}}}}"#),
        _ => format!(r#"{{"type":"message_stop",{METRICS}}}"#),
    })
}

/// A frame of any kind but an end.
fn any(seeded: &mut Seeded) -> Made {
    let (text, n) = (json!(seeded.text()), seeded.below(1000));
    match seeded.below(12) {
        0 => said(format!(
            r#"{{"type":"message_start","message":{{"id":"m","usage":{{"input_tokens":{n},"output_tokens":1}}}}}}"#
        )),
        1 | 2 => said(format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{text}}}}}"#
        )),
        3 => said(format!(
            r#"{{"type":"content_block_start","index":{n},"content_block":{{"type":"never_{n}","x":{text}}}}}"#
        )),
        4 => said(format!("{{\n\"type\":\r\n\"never_seen_{n}\", \"x\" : [1.50,{text}]}}")),
        5 => said(format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{{"output_tokens":{n}}}}}"#
        )),
        6 => said([r#"{"no":"type"}"#, "[]", "not json", "", r#"{"type":7}"#][seeded.below(5)].to_owned()),
        7 => silent(chunk_of(
            vec![seeded.bytes(30), br#"{"bytes":"*"}"#.to_vec(), b"{}".to_vec()].swap_remove(seeded.below(3)),
        )),
        8 => silent(frame(
            &[(":message-type", "event"), (":event-type", "newEvent")],
            seeded.bytes(60),
        )),
        9 => silent(frame(&[], seeded.bytes(20))),
        10 => silent(frame(
            &[(":message-type", "neverSeen"), (":event-type", "chunk")],
            seeded.bytes(20),
        )),
        _ => said(r#"{"type":"ping"}"#.to_owned()),
    }
}

/// A stream, with exceptions before, between, after or nowhere, and more behind its end or nothing.
fn made(seeded: &mut Seeded) -> Vec<Made> {
    let mut all: Vec<_> = (0..seeded.below(9)).map(|_| any(seeded)).collect();
    if seeded.below(4) > 0 {
        all.push(stop(seeded));
    }
    if seeded.below(3) == 0 {
        let place = seeded.below(all.len() + 1);
        let exception = exception(seeded);
        all.insert(place, exception);
    }
    if seeded.below(8) == 0 {
        all.push(said(format!(
            r#"{{"type":"error","error":{{"type":"api_error","message":{}}}}}"#,
            json!(seeded.text())
        )));
    }
    if seeded.below(4) == 0 {
        all.extend((0..seeded.below(3)).map(|_| any(seeded)).collect::<Vec<_>>());
    }
    all
}

/// A stream as it is written, which may break off anywhere or have a wrong byte; so many frames come whole.
fn written(seeded: &mut Seeded, all: &[Made]) -> (Vec<u8>, usize) {
    let mut bytes: Vec<u8> = all.iter().flat_map(|made| made.raw.to_vec()).collect();
    let ends: Vec<usize> = all
        .iter()
        .scan(0, |end, made| {
            *end += made.raw.len();
            Some(*end)
        })
        .collect();
    if bytes.is_empty() || seeded.below(3) > 0 {
        return (bytes, all.len());
    }
    let place = seeded.below(bytes.len());
    let whole = ends.iter().filter(|end| **end <= place).count();
    if seeded.below(2) == 0 {
        bytes.truncate(place);
    } else {
        bytes[place] ^= 1 << seeded.below(8);
    }
    (bytes, whole)
}

fn pieces(seeded: &mut Seeded, bytes: &[u8], size: Option<usize>) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(size.unwrap_or_else(|| 1 + seeded.below(300)).min(rest.len()));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = behind;
    }
    pieces
}

fn incoming(pieces: Vec<Bytes>) -> Incoming {
    let frames = pieces
        .into_iter()
        .map(|piece| Ok::<_, std::convert::Infallible>(http_body::Frame::data(piece)));
    let mut incoming = Incoming::new(Stopwatch::start());
    incoming.body = SdkBody::from_body_1_x(StreamBody::new(stream::iter(frames)));
    incoming
}

/// A call without a table.
struct Played {
    incoming: Incoming,
    settled: Vec<Outcome>,
}

impl Source for Played {
    async fn next(&mut self) -> Next {
        self.incoming.next().await
    }

    fn end(&mut self) -> Option<End> {
        self.incoming.meter.end()
    }

    fn is_settled(&mut self) -> bool {
        !self.settled.is_empty()
    }

    async fn settle(&mut self, outcome: Outcome) -> Result<(), Error> {
        if self.settled.is_empty() {
            self.settled.push(outcome);
        }
        Ok(())
    }
}

/// What the caller gets.
async fn delivered(delivery: Delivery, pieces: Vec<Bytes>) -> Vec<u8> {
    let label = Label {
        id: "chatcmpl-r".to_owned(),
        created: 0,
        model: "m".to_owned(),
    };
    let mut form = Form {
        shape: match delivery {
            Delivery::Events => Shape::Messages,
            Delivery::Chunks(reading) => Shape::Chunks(Chunks::new(label, reading)),
            _ => Shape::Frames,
        },
        request_id: "r".to_owned(),
        ping_after: std::time::Duration::from_secs(60),
        ends_at: None,
    };
    let mut played = Played {
        incoming: incoming(pieces),
        settled: Vec::new(),
    };
    let mut out = Vec::new();
    while let Some((bytes, over)) = step(&mut played, &mut form).await {
        out.extend_from_slice(&bytes);
        if over {
            break;
        }
    }
    assert_eq!(played.settled.len(), 1, "it is settled before its end is sent");
    out
}

/// Bedrock's own bytes, and behind them an exception of ours where they do not say that the answer is over.
fn check_frames(out: &[u8], all: &[Made]) {
    let bytes: Vec<u8> = all.iter().flat_map(|made| made.raw.to_vec()).collect();
    let ours = out.strip_prefix(&bytes[..]).expect("Bedrock's own bytes come first");
    if all.iter().any(|made| made.ends) {
        assert_eq!(ours, b"");
        return;
    }
    let mut reader = FrameReader::default();
    reader.push(ours);
    let told = reader.next_frame().unwrap().unwrap();
    assert!(matches!(told.content, Content::Exception { kind, .. } if kind == "modelStreamErrorException"));
    assert!(reader.is_empty());
}

/// Server-sent events of one line of JSON each, the last and no other of which ends the message.
fn check_events(out: &[u8], all: &[Made]) {
    let text = std::str::from_utf8(out).unwrap();
    let text = text.strip_suffix("\n\n").expect("the last event is whole");
    let events: Vec<Value> = text
        .split("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        })
        .collect();
    let is_end = |event: &Value| ["message_stop", "error"].iter().any(|end| event["type"] == *end);
    let (last, others) = events.split_last().unwrap();
    assert!(is_end(last) && !others.iter().any(is_end), "{events:?}");
    let before_the_end = all.iter().take_while(|made| !made.ends);
    let expected: Vec<_> = before_the_end.filter_map(|made| made.event.clone()).collect();
    assert_eq!(others, expected);
    assert!(!text.contains("invocationMetrics"), "{text}");
    let end = all.iter().find(|made| made.ends);
    let complete = end
        .and_then(|made| made.event.as_ref())
        .is_some_and(|event| event["type"] == "message_stop");
    assert_eq!(last["type"] == "message_stop", complete);
}

/// Chunks of one line of JSON each, and behind them `[DONE]` or an error.
fn check_chunks(out: &[u8], all: &[Made]) {
    let text = std::str::from_utf8(out).unwrap();
    let text = text.strip_suffix("\n\n").expect("the last event is whole");
    let data: Vec<&str> = text
        .split("\n\n")
        .map(|event| event.strip_prefix("data: ").unwrap())
        .collect();
    let (last, others) = data.split_last().unwrap();
    for chunk in others {
        let chunk: Value = serde_json::from_str(chunk).unwrap();
        assert_eq!(chunk["object"], "chat.completion.chunk");
    }
    let end = all.iter().find(|made| made.ends);
    let complete = end
        .and_then(|made| made.event.as_ref())
        .is_some_and(|event| event["type"] == "message_stop");
    if complete {
        assert_eq!(*last, "[DONE]");
    } else {
        let error: Value = serde_json::from_str(last).unwrap();
        assert!(error["error"]["message"].is_string(), "{last}");
    }
}

async fn play(seeded: &mut Seeded, number: usize) {
    let all = made(seeded);
    let (bytes, whole) = written(seeded, &all);
    let size = number.is_multiple_of(25).then_some(1);
    check_frames(
        &delivered(Delivery::Frames, pieces(seeded, &bytes, size)).await,
        &all[..whole],
    );
    check_events(
        &delivered(Delivery::Events, pieces(seeded, &bytes, size)).await,
        &all[..whole],
    );
    check_chunks(
        &delivered(
            Delivery::Chunks(openai::Reading::default()),
            pieces(seeded, &bytes, size),
        )
        .await,
        &all[..whole],
    );
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.unwrap().block_on(test);
}

/// A-30, A-32: unknown events and blocks, writes cut anywhere, exceptions before, between and after, streams that break off or are spoilt.
#[test]
fn ten_thousand_streams_pass_unchanged_as_frames_and_end_properly_as_events() {
    run(async {
        let mut seeded = Seeded(6);
        for number in 0..10_000 {
            play(&mut seeded, number).await;
        }
    });
}

#[test]
fn a_stream_cut_in_two_at_every_byte_or_ended_there_passes_as_it_should() {
    run(async {
        let mut seeded = Seeded(7);
        for _ in 0..8 {
            let all = made(&mut seeded);
            let bytes: Vec<u8> = all.iter().flat_map(|made| made.raw.to_vec()).collect();
            let mut end = 0;
            let ends: Vec<usize> = all
                .iter()
                .map(|made| {
                    end += made.raw.len();
                    end
                })
                .collect();
            for place in 0..bytes.len() {
                let whole = ends.iter().filter(|end| **end <= place).count();
                let (first, second) = bytes.split_at(place);
                let both = || vec![Bytes::copy_from_slice(first), Bytes::copy_from_slice(second)];
                check_frames(&delivered(Delivery::Frames, both()).await, &all);
                check_events(&delivered(Delivery::Events, both()).await, &all);
                let cut = || vec![Bytes::copy_from_slice(first)];
                check_frames(&delivered(Delivery::Frames, cut()).await, &all[..whole]);
                check_events(&delivered(Delivery::Events, cut()).await, &all[..whole]);
            }
        }
    });
}

/// A-29: whatever Bedrock answers in one piece is read along with, and leaves as it came.
#[test]
fn ten_thousand_bodies_pass_unchanged() {
    run(async {
        let mut seeded = Seeded(8);
        for number in 0..10_000 {
            let text = json!(seeded.text());
            let body = match seeded.below(4) {
                0 => seeded.bytes(200),
                1 => format!("{{ \"usage\" : {{\"input_tokens\":{number},\"output_tokens\":2}},\r\n\"x\":1.50,\"content\":[{{\"type\":\"never\",\"t\":{text}}}] }}").into_bytes(),
                2 => format!(r#"{{"usage":{{"inputTokens":{number},"outputTokens":-1,"cacheDetails":7}},"stopReason":{text}}}"#).into_bytes(),
                _ => format!(r#"{{"usage":[{text}],"stop_reason":{{}}}}"#).into_bytes(),
            };
            let read = incoming(pieces(&mut seeded, &body, None)).collected().await.unwrap();
            assert_eq!(read, body);
            for operation in Operation::ALL {
                let mut meter = AnswerMeter::default();
                meter.whole(operation, &HeaderMap::new(), &read);
                assert_eq!(meter.end(), Some(End::Complete));
            }
        }
    });
}
