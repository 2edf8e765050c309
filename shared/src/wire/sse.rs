//! Server-sent events as the Messages API sends them.

use bytes::Bytes;
use serde::Deserialize;

use super::json::Object;

/// What Bedrock adds to the last event of a stream, which is not the caller's business.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// A silence filler.
pub const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// One event: `event: NAME`, `data: JSON`, an empty line.
pub fn event(name: &str, json: &str) -> Bytes {
    // A line break inside JSON can only stand between its tokens, where any white space is as good; in a data line it
    // would end the line.
    let one_line = if json.contains(['\n', '\r']) {
        json.replace(['\n', '\r'], " ")
    } else {
        json.to_owned()
    };
    Bytes::from(format!("event: {name}\ndata: {one_line}\n\n"))
}

/// An event of the model's, from the JSON that Bedrock sent: named by its `type`, in its own bytes, without Bedrock's
/// metrics. `None` when it is no JSON object with a `type` that fits on a line.
pub fn from_model(json: &[u8]) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        kind: String,
    }
    let text = std::str::from_utf8(json).ok()?;
    let Typed { kind } = serde_json::from_str(text).ok()?;
    if kind.is_empty() || kind.contains(['\n', '\r']) {
        return None;
    }
    if !text.contains(METRICS) {
        return Some(event(&kind, text));
    }
    let mut object = Object::parse(json).ok()?;
    object.remove(METRICS);
    Some(event(&kind, &object.to_json()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A-32
    #[test]
    fn an_unknown_event_passes_in_its_own_bytes() {
        let sent = from_model(br#"{"type":"never_seen","x": 1.0}"#).unwrap();
        assert_eq!(
            &sent[..],
            b"event: never_seen\ndata: {\"type\":\"never_seen\",\"x\": 1.0}\n\n"
        );
    }

    /// A-32
    #[test]
    fn bedrocks_metrics_never_leak() {
        let sent =
            from_model(br#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}"#).unwrap();
        assert_eq!(&sent[..], b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }

    #[test]
    fn no_data_can_end_its_line_or_forge_an_event() {
        let sent = from_model(b"{\"type\":\"a\",\n\"x\":1}").unwrap();
        assert_eq!(&sent[..], b"event: a\ndata: {\"type\":\"a\", \"x\":1}\n\n");
        assert_eq!(from_model(br#"{"type":"a\ndata: {}"}"#), None);
        assert_eq!(from_model(b"[]"), None);
        assert_eq!(from_model(b"\xff"), None);
    }
}
