//! An answer as it comes: its bytes, cut into frames where it streams, and read along by the meter.

use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use super::meter::{AnswerMeter, End};
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::usage::Outcome;
use crate::wire::frames::{BrokenFrame, Frame, FrameReader};

/// An answer in one piece may be this long; Bedrock's own are far shorter.
const LONGEST_WHOLE_BYTES: usize = 64 * 1024 * 1024;

/// What comes next in a stream.
#[derive(Debug)]
pub(super) enum Next {
    /// A frame.
    Frame(Frame),
    /// The end of the upstream's body.
    End,
    /// The upstream broke off, or sent what is no frame.
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

/// A streamed call as far as it must be known to be delivered.
pub(super) trait Source {
    /// The next frame of a stream, observed by the meter. Cancelling it loses nothing.
    async fn next(&mut self) -> Next;

    /// How the answer itself said that it ended.
    fn end(&mut self) -> Option<End>;

    /// Whether the row is written.
    fn is_settled(&mut self) -> bool;

    /// The time is up: what is done now must be done at once.
    fn hurry(&mut self) {}

    /// Writes the row, once; a second call does nothing.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] when the table does not take it. The row is then in the log.
    async fn settle(&mut self, outcome: Outcome) -> Result<(), Error>;
}

/// The answer.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) stopwatch: Stopwatch,
    pub(super) body: SdkBody,
    reader: FrameReader,
    pub(super) meter: AnswerMeter,
    pub(super) first_byte_ms: Option<u64>,
}

impl Incoming {
    pub(super) fn new(stopwatch: Stopwatch) -> Self {
        Self {
            stopwatch,
            body: SdkBody::empty(),
            reader: FrameReader::default(),
            meter: AnswerMeter::default(),
            first_byte_ms: None,
        }
    }

    pub(super) async fn next(&mut self) -> Next {
        loop {
            match self.reader.next_frame() {
                Ok(Some(frame)) => {
                    self.meter.frame(&frame.content);
                    return Next::Frame(frame);
                }
                Ok(None) => {}
                Err(broken) => return Next::Broken(broken.into()),
            }
            match self.data().await {
                Some(Ok(bytes)) => self.reader.push(&bytes),
                Some(Err(error)) => return Next::Broken(error),
                None if self.reader.is_empty() => return Next::End,
                None => return Next::Broken(BrokenFrame::CUT_OFF.into()),
            }
        }
    }

    /// The whole of it, unread.
    pub(super) async fn collected(&mut self) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.data().await {
            all.extend_from_slice(&bytes?);
            if all.len() > LONGEST_WHOLE_BYTES {
                return Err("the answer is too long".into());
            }
        }
        Ok(all.freeze())
    }

    async fn data(&mut self) -> Option<Result<Bytes, Box<dyn std::error::Error + Send + Sync>>> {
        loop {
            let frame = match self.body.frame().await? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error)),
            };
            if let Ok(bytes) = frame.into_data() {
                self.first_byte_ms.get_or_insert_with(|| self.stopwatch.elapsed_ms());
                return Some(Ok(bytes));
            }
        }
    }
}
