//! Event-stream frames with their checksums.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::error::error_body;

/// Bedrock hides the length of what it says behind a part of this of changing length.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// A `chunk` event that carries `event`. `number` varies the padding.
pub(super) fn chunk(event: &str, number: usize) -> Bytes {
    // A step that shares no factor with the length visits every length.
    let padding = &PADDING[..number * 37 % PADDING.len() + 1];
    let payload = format!(r#"{{"bytes":"{}","p":"{padding}"}}"#, STANDARD.encode(event));
    encode(
        &[
            (":event-type", "chunk"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ],
        payload,
    )
}

/// An event of `ConverseStream`, whose payload is `json` with the padding in it.
pub(super) fn event(name: &str, json: &str, number: usize) -> Bytes {
    let padding = &PADDING[..number * 37 % PADDING.len() + 1];
    let payload = match json.strip_suffix('}') {
        Some(members) if members.len() > 1 => format!(r#"{members},"p":"{padding}"}}"#),
        _ => format!(r#"{{"p":"{padding}"}}"#),
    };
    encode(
        &[
            (":event-type", name),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ],
        payload,
    )
}

/// An exception of the stream.
pub(super) fn exception(kind: &str, message: &str) -> Bytes {
    let headers = [
        (":exception-type", kind),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    encode(&headers, error_body(kind, message).to_string())
}

/// The same frame with a message checksum that does not fit.
pub(super) fn corrupt(frame: &Bytes) -> Bytes {
    let mut bytes = frame.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 0xff;
    }
    bytes.into()
}

fn encode(headers: &[(&str, &str)], payload: String) -> Bytes {
    let message = headers
        .iter()
        .fold(Message::new(Bytes::from(payload)), |message, (name, value)| {
            let value = HeaderValue::String((*value).to_owned().into());
            message.add_header(Header::new((*name).to_owned(), value))
        });
    let mut bytes = Vec::new();
    // It refuses only frames past its limits, of which these are far.
    if write_message_to(&message, &mut bytes).is_err() {
        bytes.clear();
    }
    bytes.into()
}
