//! Model calls: the four forms they have, and how their answers are read.

use gateway::wire::frames::{Content, Frame, FrameReader};
use serde_json::{Value, json};

use super::{Answer, Caller, Reply};

/// A model by its Bedrock id, with a colon in it, which some clients send encoded.
pub const MODEL: &str = "us.anthropic.claude-haiku-4-5-20251001-v1:0";
/// A model by Anthropic's name.
pub const ALIAS: &str = "claude-sonnet-5-5";

/// The forms of a model call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Bedrock's dialect, one answer.
    Invoke,
    /// Bedrock's dialect, frames.
    InvokeStream,
    /// Anthropic's dialect, one answer.
    Messages,
    /// Anthropic's dialect, server-sent events.
    MessagesStream,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Invoke, Self::InvokeStream, Self::Messages, Self::MessagesStream];
    /// Those that stream.
    pub const STREAMED: [Self; 2] = [Self::InvokeStream, Self::MessagesStream];

    /// Whether the answer comes in events.
    pub fn is_streamed(self) -> bool {
        Self::STREAMED.contains(&self)
    }

    /// Whether this is Bedrock's dialect.
    pub fn is_bedrock(self) -> bool {
        matches!(self, Self::Invoke | Self::InvokeStream)
    }

    /// The path of a call to `model`, which stands there as it is.
    pub fn path(self, model: &str) -> String {
        match self {
            Self::Invoke => format!("/bedrock/model/{model}/invoke"),
            Self::InvokeStream => format!("/bedrock/model/{model}/invoke-with-response-stream"),
            Self::Messages | Self::MessagesStream => "/anthropic/v1/messages".to_owned(),
        }
    }

    /// The body of a call to `model` with this text from the user.
    pub fn body(self, model: &str, text: &str) -> Value {
        let mut body = json!({ "max_tokens": 1000, "messages": [{ "role": "user", "content": text }] });
        match self {
            Self::Invoke | Self::InvokeStream => body["anthropic_version"] = json!("bedrock-2023-05-31"),
            Self::Messages => body["model"] = json!(model),
            Self::MessagesStream => {
                body["model"] = json!(model);
                body["stream"] = json!(true);
            }
        }
        body
    }

    /// Makes the call with a text of the user's; the answer's head.
    pub async fn open(self, caller: &Caller, text: &str) -> Reply {
        let body = self.body(MODEL, text).to_string();
        let headers = [("content-type", "application/json")];
        caller.open("POST", &self.path(MODEL), &headers, body).await
    }

    /// Makes the call with a text of the user's; the whole answer.
    pub async fn call(self, caller: &Caller, text: &str) -> Answer {
        let reply = self.open(caller, text).await;
        reply
            .whole()
            .await
            .unwrap_or_else(|error| panic!("{self:?} {text}: {error}"))
    }
}

/// A text that nobody else has said.
pub fn marker() -> String {
    gateway::random::identifier("t").unwrap()
}

/// A user's text that tells the mock how to answer.
#[expect(clippy::needless_pass_by_value, reason = "always written in its place")]
pub fn directed(marker: &str, directive: Value) -> String {
    format!("{marker} mock:{directive}")
}

/// A server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Value,
}

/// Reads server-sent events as they come.
#[derive(Debug)]
pub struct Events {
    reply: Reply,
    buffer: Vec<u8>,
}

impl Events {
    /// Of an answer that is on its way.
    pub fn of(reply: Reply) -> Self {
        assert_eq!(reply.status, 200);
        assert_eq!(reply.headers["content-type"], "text/event-stream");
        Self {
            reply,
            buffer: Vec::new(),
        }
    }

    /// The next event; `None` at the proper end of the body.
    ///
    /// # Errors
    /// When the connection breaks off.
    pub async fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\n\n") {
                let text: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(Some(event(std::str::from_utf8(&text).unwrap())));
            }
            match self.reply.chunk().await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => {
                    assert!(self.buffer.is_empty(), "the body ends inside an event");
                    return Ok(None);
                }
            }
        }
    }

    /// All that are left, to the proper end of the body.
    pub async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await.unwrap() {
            events.push(event);
        }
        events
    }
}

/// `event: NAME`, `data: JSON`, an empty line: nothing else is sent here.
fn event(text: &str) -> Event {
    let (name, rest) = text
        .strip_prefix("event: ")
        .and_then(|text| text.split_once('\n'))
        .unwrap_or_else(|| panic!("no event: {text:?}"));
    let data = rest
        .strip_prefix("data: ")
        .and_then(|rest| rest.strip_suffix("\n\n"))
        .unwrap_or_else(|| panic!("no data: {text:?}"));
    Event {
        name: name.to_owned(),
        data: serde_json::from_str(data).unwrap(),
    }
}

/// Reads event-stream frames as they come.
#[derive(Debug)]
pub struct Frames {
    reply: Reply,
    reader: FrameReader,
}

impl Frames {
    /// Of an answer that is on its way.
    pub fn of(reply: Reply) -> Self {
        assert_eq!(reply.status, 200);
        assert_eq!(reply.headers["content-type"], "application/vnd.amazon.eventstream");
        Self {
            reply,
            reader: FrameReader::default(),
        }
    }

    /// The next frame; `None` at the proper end of the body.
    ///
    /// # Errors
    /// When the connection breaks off, or a frame is broken.
    pub async fn next(&mut self) -> Result<Option<Frame>, String> {
        loop {
            if let Some(frame) = self.reader.next_frame().map_err(|error| error.to_string())? {
                return Ok(Some(frame));
            }
            match self.reply.chunk().await? {
                Some(chunk) => self.reader.push(&chunk),
                None => {
                    assert!(self.reader.is_empty(), "the body ends inside a frame");
                    return Ok(None);
                }
            }
        }
    }

    /// All that are left, to the proper end of the body.
    pub async fn rest(mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await.unwrap() {
            frames.push(frame);
        }
        frames
    }
}

/// An event of the model's, out of either form of stream; nothing for an exception.
pub fn model_event(content: &Content) -> Option<Value> {
    match content {
        Content::Chunk(json) => Some(serde_json::from_slice(json).unwrap()),
        Content::Event { .. } | Content::Exception { .. } | Content::Other => None,
    }
}
