//! AWS event-stream frames (`application/vnd.amazon.eventstream`), cut out of a byte stream and read, with their raw
//! bytes kept. Both checksums of a frame are verified; a frame is handed on whole or not at all.

use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf as _, Bytes, BytesMut};
use serde::Deserialize;

/// AWS bounds a message at 24 MiB of payload and 128 KiB of headers; nothing longer is waited for.
const LONGEST_FRAME_BYTES: usize = 25 * 1024 * 1024;
/// Prelude (8), prelude checksum (4), message checksum (4).
const SHORTEST_FRAME_BYTES: usize = 16;

/// Cuts frames out of chunks that may end anywhere.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: BytesMut,
}

/// A frame that is broken. Nothing behind it can be trusted, since its length cannot.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a broken event-stream frame: {0}")]
pub struct BrokenFrame(&'static str);

impl BrokenFrame {
    /// The stream ended inside a frame.
    pub const CUT_OFF: Self = Self("the stream ended inside it");
}

/// One frame: its bytes as they came, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The frame, prelude and checksums included.
    pub raw: Bytes,
    /// What it says.
    pub content: Content,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A `chunk` event: the model's own JSON, out of its base64.
    Chunk(Bytes),
    /// An event of another type, as `ConverseStream` has them: `messageStart`, `contentBlockDelta`, `metadata` and so on.
    Event {
        /// Its type.
        kind: String,
        /// Its payload, unread: JSON, if it is one of `ConverseStream`'s.
        json: Bytes,
    },
    /// An exception: its type and its message.
    Exception {
        /// For example `throttlingException`.
        kind: String,
        /// Bedrock's words.
        message: String,
    },
    /// Something else, which is passed on unread.
    Other,
}

impl FrameReader {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether no part of a frame is waiting for its rest.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next whole frame, or `None` until more bytes have come.
    ///
    /// # Errors
    /// [`BrokenFrame`] for an impossible length or a wrong checksum.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, BrokenFrame> {
        let Some(prelude) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prelude) as usize;
        if !(SHORTEST_FRAME_BYTES..=LONGEST_FRAME_BYTES).contains(&length) {
            return Err(BrokenFrame("impossible length"));
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let raw = self.buffer.split_to(length).freeze();
        let mut unread = raw.clone();
        let message = aws_smithy_eventstream::frame::read_message_from(&mut unread)
            .map_err(|_| BrokenFrame("wrong checksum or headers"))?;
        if unread.has_remaining() {
            return Err(BrokenFrame("bytes left over"));
        }
        Ok(Some(Frame {
            content: content(&message),
            raw,
        }))
    }
}

fn content(message: &Message) -> Content {
    let header = |name: &str| {
        message
            .headers()
            .iter()
            .find(|header| header.name().as_str() == name)
            .and_then(|header| header.value().as_string().ok())
            .map(|text| text.as_str().to_owned())
    };
    match header(":message-type").as_deref() {
        Some("event") => match header(":event-type") {
            Some(kind) if kind == "chunk" => chunk(message.payload()),
            Some(kind) => Content::Event {
                kind,
                json: message.payload().clone(),
            },
            None => Content::Other,
        },
        Some("exception") => Content::Exception {
            kind: header(":exception-type").unwrap_or_else(|| "internalServerException".into()),
            message: exception_message(message.payload()),
        },
        Some("error") => Content::Exception {
            kind: header(":error-code").unwrap_or_else(|| "internalServerException".into()),
            message: header(":error-message").unwrap_or_default(),
        },
        _ => Content::Other,
    }
}

/// The model's JSON. A chunk of another form, whose checksums are right, is what Bedrock sent all the same.
fn chunk(payload: &[u8]) -> Content {
    #[derive(Deserialize)]
    struct Payload<'a> {
        bytes: &'a str,
    }
    let bytes = serde_json::from_slice::<Payload<'_>>(payload).ok();
    let bytes = bytes.and_then(|payload| BASE64_STANDARD.decode(payload.bytes).ok());
    bytes.map_or(Content::Other, |bytes| Content::Chunk(Bytes::from(bytes)))
}

fn exception_message(payload: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(alias = "Message")]
        message: String,
    }
    serde_json::from_slice::<Payload>(payload)
        .map(|payload| payload.message)
        .unwrap_or_default()
}

/// An exception frame of our own, for an error after the head has been sent.
pub fn exception(kind: &'static str, message: &str) -> Bytes {
    let text = |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
    let payload = serde_json::json!({"message": message}).to_string();
    let frame = Message::new(payload.into_bytes())
        .add_header(text(":message-type", "exception"))
        .add_header(text(":exception-type", kind))
        .add_header(text(":content-type", "application/json"));
    let mut out = Vec::new();
    // Writing fails only for headers or payloads past the format's bounds, which these are not.
    match aws_smithy_eventstream::frame::write_message_to(&frame, &mut out) {
        Ok(()) => Bytes::from(out),
        Err(_) => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(json: &str) -> Vec<u8> {
        let payload = serde_json::json!({"bytes": BASE64_STANDARD.encode(json), "p": "abcd"}).to_string();
        let message = Message::new(payload.into_bytes())
            .add_header(Header::new(":event-type", HeaderValue::String("chunk".into())))
            .add_header(Header::new(
                ":content-type",
                HeaderValue::String("application/json".into()),
            ))
            .add_header(Header::new(":message-type", HeaderValue::String("event".into())));
        let mut out = Vec::new();
        aws_smithy_eventstream::frame::write_message_to(&message, &mut out).unwrap();
        out
    }

    fn read_all(reader: &mut FrameReader) -> Vec<Frame> {
        std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_and_unchanged_wherever_the_stream_is_cut(cuts in prop::collection::vec(1_usize..40, 1..40)) {
            let all = [frame(r#"{"a":1}"#), frame("{}"), exception("throttlingException", "slow down").to_vec()].concat();
            let mut reader = FrameReader::default();
            let (mut out, mut rest, mut cuts) = (Vec::new(), all.as_slice(), cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (chunk, behind) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                reader.push(chunk);
                out.extend(read_all(&mut reader));
                rest = behind;
            }
            prop_assert!(reader.is_empty());
            prop_assert_eq!(out.iter().flat_map(|frame| frame.raw.to_vec()).collect::<Vec<_>>(), all);
            prop_assert_eq!(&out[0].content, &Content::Chunk(Bytes::from_static(br#"{"a":1}"#)));
            let exception = Content::Exception { kind: "throttlingException".into(), message: "slow down".into() };
            prop_assert_eq!(&out[2].content, &exception);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = FrameReader::default();
            reader.push(&bytes);
            while let Ok(Some(_)) = reader.next_frame() {}
        }
    }

    #[test]
    fn one_changed_byte_is_found_by_a_checksum() {
        let good = frame(r#"{"a":1}"#);
        for position in 0..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 1;
            let mut reader = FrameReader::default();
            reader.push(&bytes);
            assert!(!matches!(reader.next_frame(), Ok(Some(_))), "position {position}");
        }
    }
}
