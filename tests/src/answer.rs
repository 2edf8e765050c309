//! An answer of a function, whichever way it came, and how goldens show it.

use aws_smithy_eventstream::frame::read_message_from;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::placeholder;

/// What a function answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A function behind a proxy integration.
    Http(HttpAnswer),
    /// A function that is invoked directly (the authorizer, the sweep): what it answers with, or the error that it failed with.
    Direct(Value),
}

/// Status, headers and body.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

/// Headers of the transport, which differ by the way an answer comes.
const TRANSPORT: [&str; 6] = [
    "content-length",
    "x-amzn-remapped-content-length",
    "date",
    "transfer-encoding",
    "connection",
    "lambda-runtime-function-response-mode",
];

impl Answer {
    /// Reads API Gateway's JSON (`statusCode`, `multiValueHeaders`, `body`); what has no `statusCode` was invoked directly.
    pub fn from_json(json: &Value) -> Self {
        let Some(status) = json["statusCode"].as_u64() else {
            return Self::Direct(json.clone());
        };
        let mut headers = HeaderMap::new();
        for (name, values) in json["multiValueHeaders"].as_object().into_iter().flatten() {
            for value in values.as_array().into_iter().flatten() {
                headers.append(
                    name.parse::<http::HeaderName>().unwrap(),
                    value.as_str().unwrap().parse().unwrap(),
                );
            }
        }
        let body = json["body"].as_str().unwrap_or_default();
        let body = if json["isBase64Encoded"] == true {
            BASE64_STANDARD.decode(body).unwrap()
        } else {
            body.as_bytes().to_vec()
        };
        Self::Http(HttpAnswer {
            status: u16::try_from(status).unwrap(),
            headers,
            body: body.into(),
        })
    }

    /// The answer of a function that was invoked directly.
    pub fn direct(self) -> Value {
        match self {
            Self::Direct(value) => value,
            Self::Http(answer) => panic!("an HTTP answer: {answer:?}"),
        }
    }

    /// The answer of a function behind a proxy integration.
    pub fn http(self) -> HttpAnswer {
        match self {
            Self::Http(answer) => answer,
            Self::Direct(value) => panic!("no HTTP answer: {value}"),
        }
    }

    /// As a golden shows it, with placeholders.
    pub fn golden(&self) -> Value {
        let shown = match self {
            Self::Direct(value) => value.clone(),
            Self::Http(answer) => answer.shown(),
        };
        placeholder::replaced(shown)
    }
}

impl HttpAnswer {
    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The body's server-sent events; see [`events`].
    pub fn events(&self) -> Vec<Value> {
        events(std::str::from_utf8(&self.body).unwrap())
    }

    /// The body's frames; see [`frames`].
    pub fn frames(&self) -> Vec<Value> {
        frames(self.body.clone())
    }

    fn shown(&self) -> Value {
        let mut headers = Map::new();
        for name in self.headers.keys().filter(|name| !TRANSPORT.contains(&name.as_str())) {
            let values = self.headers.get_all(name).iter();
            let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
            headers.insert(name.to_string(), values.join(", ").into());
        }
        let (form, body) = self.shown_body();
        json!({"statusCode": self.status, "headers": headers, form: body})
    }

    fn shown_body(&self) -> (&'static str, Value) {
        match self.header("content-type") {
            "application/json" | "application/problem+json" => ("json", self.json()),
            "text/event-stream" => ("events", self.events().into()),
            "application/vnd.amazon.eventstream" => ("frames", self.frames().into()),
            _ => ("text", String::from_utf8(self.body.to_vec()).unwrap().into()),
        }
    }
}

/// Server-sent events as `{"event","data"}`, or as their data alone where they have no names.
///
/// # Panics
/// At anything but `event: NAME`, `data: JSON`, empty line, which is the form that Anthropic's API keeps, and `data: JSON` or `data: [DONE]`,
/// empty line, which is the one of OpenAI's.
pub fn events(text: &str) -> Vec<Value> {
    let event = |block: &str| {
        let lines: Vec<_> = block.split('\n').collect();
        let (name, data) = match lines[..] {
            [data] => (None, data),
            [name, data] => (Some(name), data),
            _ => panic!("neither one line nor two: {block:?}"),
        };
        let data = data.strip_prefix("data: ").expect("the last line is data");
        let Some(name) = name else {
            return if data == "[DONE]" {
                json!(data)
            } else {
                serde_json::from_str(data).expect("the data is JSON")
            };
        };
        let data: Value = serde_json::from_str(data).expect("the data is JSON");
        let name = name.strip_prefix("event: ").expect("the first line names the event");
        assert_eq!(data["type"], name, "an event is named by its type");
        json!({"event": name, "data": data})
    };
    let blocks = text
        .strip_suffix("\n\n")
        .unwrap_or_else(|| panic!("the last event is not whole: {text:?}"));
    blocks.split("\n\n").map(event).collect()
}

/// Event-stream frames as `{"event" or "exception": TYPE, "payload"}`, with both checksums verified and the model's JSON
/// taken out of its base64.
///
/// # Panics
/// At a broken frame or a part of one.
pub fn frames(mut bytes: Bytes) -> Vec<Value> {
    let mut all = Vec::new();
    while bytes.has_remaining() {
        let message = read_message_from(&mut bytes).expect("a whole frame with right checksums");
        let header = |name: &str| {
            let mut headers = message.headers().iter();
            let found = headers.find(|header| header.name().as_str() == name)?;
            Some(found.value().as_string().unwrap().as_str().to_owned())
        };
        let kind = header(":message-type").expect("a message type");
        let name = header(&format!(":{kind}-type"));
        all.push(json!({kind: name, "payload": payload(message.payload())}));
    }
    all
}

/// A frame's payload, the chunk's bytes decoded.
pub fn payload(bytes: &[u8]) -> Value {
    let mut payload: Value = serde_json::from_slice(bytes).expect("a payload of JSON");
    if let Some(chunk) = payload["bytes"]
        .as_str()
        .map(|text| BASE64_STANDARD.decode(text).unwrap())
    {
        payload["bytes"] = serde_json::from_slice(&chunk).expect("a chunk of JSON");
    }
    payload
}
