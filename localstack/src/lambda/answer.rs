//! What an invocation gives.

use std::fmt;
use std::pin::Pin;
use std::task::{self, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Why an invocation gave no answer, or only part of one. The words are Lambda's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The function said so: its error's type and message.
    Function {
        /// `errorType`.
        kind: String,
        /// `errorMessage`.
        message: String,
    },
    /// The process ended before the answer did.
    Exited(String),
    /// The function's timeout passed; its process was killed.
    TimedOut {
        /// The timeout, in seconds.
        seconds: u64,
    },
    /// The event or the answer is larger than Lambda takes.
    TooLarge,
    /// There is no such function, or nothing that could run it.
    Unavailable(String),
}

impl Failure {
    /// `errorType` as Lambda's Invoke answers it.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Function { kind, .. } => kind,
            Self::Exited(_) => "Runtime.ExitError",
            Self::TimedOut { .. } => "Sandbox.Timedout",
            Self::TooLarge => "Function.ResponseSizeTooLarge",
            Self::Unavailable(_) => "ServiceException",
        }
    }

    /// `errorMessage` as Lambda's Invoke answers it.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Function { message, .. } => message.clone(),
            Self::Exited(reason) | Self::Unavailable(reason) => reason.clone(),
            Self::TimedOut { seconds } => format!("Task timed out after {seconds}.00 seconds"),
            Self::TooLarge => "Payload size exceeded the maximum allowed payload size (6291556 bytes).".to_owned(),
        }
    }

    /// The JSON of a failed invocation.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "errorType": self.kind(), "errorMessage": self.message() })
    }

    /// A function's error from the JSON that it posted. What is not of that form is kept as the message.
    pub(super) fn from_posted(header: Option<&str>, body: &[u8]) -> Self {
        let posted: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| posted.get(key).and_then(Value::as_str).map(str::to_owned);
        Self::Function {
            kind: text("errorType")
                .or_else(|| header.map(str::to_owned))
                .unwrap_or_else(|| "Unhandled".to_owned()),
            message: text("errorMessage").unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind(), self.message())
    }
}

impl std::error::Error for Failure {}

/// An answer that has begun.
#[derive(Debug)]
pub struct Answer {
    /// Whether the function streams it; then the body is a prelude, eight NUL bytes, and what the client gets.
    pub streamed: bool,
    /// The media type the function gave it.
    pub content_type: String,
    /// Its bytes.
    pub body: Body,
}

/// The bytes of an answer as they come. A failure is the last item, and means that the answer is not complete.
#[derive(Debug)]
pub struct Body {
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
}

/// A part of a body on its way. The end is said, so that a channel that merely closes can never pass for a whole answer.
#[derive(Debug)]
pub(super) enum Piece {
    Chunk(Bytes),
    End,
    Failed(Failure),
}

/// How many chunks wait for a slow reader before the function does.
const CHUNKS_IN_FLIGHT: usize = 32;

impl Body {
    /// A body and what fills it.
    pub(super) fn channel() -> (mpsc::Sender<Piece>, Self) {
        let (sender, pieces) = mpsc::channel(CHUNKS_IN_FLIGHT);
        (sender, Self { pieces, ended: false })
    }

    /// A body that is here already.
    pub(super) fn whole(bytes: Bytes) -> Self {
        let (sender, body) = Self::channel();
        // There is room: the channel is new.
        let _ = sender.try_send(Piece::Chunk(bytes));
        let _ = sender.try_send(Piece::End);
        body
    }

    /// The next chunk; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = task::ready!(self.pieces.poll_recv(cx));
        self.ended = !matches!(piece, Some(Piece::Chunk(_)));
        Poll::Ready(match piece {
            Some(Piece::Chunk(bytes)) => Some(Ok(bytes)),
            Some(Piece::End) => None,
            Some(Piece::Failed(failure)) => Some(Err(failure)),
            None => Some(Err(Failure::Exited("the answer was cut off".to_owned()))),
        })
    }

    /// The whole body.
    ///
    /// # Errors
    /// If it ends early, or is longer than `limit_bytes`.
    pub async fn collect(mut self, limit_bytes: usize) -> Result<Bytes, Failure> {
        let Some(first) = self.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let mut whole = BytesMut::from(first);
        while let Some(chunk) = self.next().await.transpose()? {
            if whole.len() + chunk.len() > limit_bytes {
                return Err(Failure::TooLarge);
            }
            whole.extend_from_slice(&chunk);
        }
        if whole.len() > limit_bytes {
            Err(Failure::TooLarge)
        } else {
            Ok(whole.freeze())
        }
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[tokio::test]
    async fn a_body_whose_sender_vanishes_is_not_complete() {
        let (sender, mut body) = Body::channel();
        sender.send(Piece::Chunk(Bytes::from_static(b"half"))).await.unwrap();
        drop(sender);
        assert_eq!(body.next().await.unwrap().unwrap(), "half");
        assert!(body.next().await.unwrap().is_err());
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn a_body_over_the_limit_by_one_byte_is_refused() {
        assert_eq!(
            Body::whole(Bytes::from_static(b"12345")).collect(5).await.unwrap(),
            "12345"
        );
        assert_eq!(
            Body::whole(Bytes::from_static(b"123456")).collect(5).await.unwrap_err(),
            Failure::TooLarge
        );
    }
}
