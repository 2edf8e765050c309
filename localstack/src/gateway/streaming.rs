//! Streamed proxy integrations: a prelude in JSON, eight NUL bytes, then what the client gets, chunk by chunk.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::Instant;

use super::log::Log;
use super::proxy_answer::{self, Head};
use super::refusal::{Kind, Refusal};
use super::{Body, Limits, Reply, integration};
use crate::lambda::{self, Failure, Lambda};

const DELIMITER: [u8; 8] = [0; 8];
/// The delimiter must come within this many bytes.
const PRELUDE_LIMIT_BYTES: usize = 16 * 1024;

/// Calls a function and answers as soon as the head of its answer is here.
pub(super) async fn integrate(
    lambda: &Lambda,
    function: &str,
    event: Bytes,
    limits: Limits,
    log: StreamLog,
) -> Result<Reply, Refusal> {
    integration::check_size(&event)?;
    let until = Instant::now() + limits.streamed;
    let first_until = until.min(Instant::now() + limits.idle);
    let begun = async {
        let answer = lambda.invoke(function, event).await;
        let mut body = answer.map_err(|failure| integration::failed(function, &failure))?.body;
        let (head, rest) = read_prelude(function, &mut body).await?;
        Ok((head, rest, body))
    };
    let begun = tokio::time::timeout_at(first_until, begun).await;
    let (head, rest, body) = begun.map_err(|_| Refusal::of(Kind::IntegrationTimeout))??;
    Ok(integration::reply(head, pass_on(rest, body, until, limits.idle, log)))
}

/// Where a stream that breaks off is told of.
pub(super) struct StreamLog {
    pub(super) log: Log,
    pub(super) request_id: String,
}

/// The head, and what of the body came with it.
async fn read_prelude(function: &str, body: &mut lambda::Body) -> Result<(Head, Bytes), Refusal> {
    let mut read = BytesMut::new();
    loop {
        if let Some(at) = read.windows(DELIMITER.len()).position(|window| window == DELIMITER) {
            let head = proxy_answer::prelude(&read[..at]).ok_or_else(|| integration::malformed(function))?;
            read.advance(at + DELIMITER.len());
            return Ok((head, read.freeze()));
        }
        if read.len() > PRELUDE_LIMIT_BYTES {
            return Err(integration::malformed(function));
        }
        match body.next().await {
            Some(Ok(chunk)) => read.extend_from_slice(&chunk),
            Some(Err(failure)) => return Err(integration::failed(function, &failure)),
            None => return Err(integration::malformed(function)),
        }
    }
}

/// The rest of the answer. Its failure, a silence that is too long and the end of its time all break the connection off: a
/// client must never take a part for the whole.
fn pass_on(first: Bytes, body: lambda::Body, until: Instant, idle: Duration, log: StreamLog) -> Body {
    let rest = Rest {
        first,
        body,
        ended: false,
        log,
    };
    let chunks = stream::unfold(rest, move |mut rest| async move {
        let chunk = rest.next(until, idle).await?;
        Some((chunk.map(Frame::data), rest))
    });
    StreamBody::new(chunks).boxed_unsync()
}

/// What is left of a stream.
struct Rest {
    first: Bytes,
    body: lambda::Body,
    ended: bool,
    log: StreamLog,
}

impl Rest {
    /// The next chunk; after a failure nothing.
    async fn next(&mut self, until: Instant, idle: Duration) -> Option<Result<Bytes, Failure>> {
        if self.ended {
            return None;
        }
        if !self.first.is_empty() {
            return Some(Ok(std::mem::take(&mut self.first)));
        }
        let silent_until = until.min(Instant::now() + idle);
        let silence = |_| {
            Some(Err(Failure::TimedOut {
                seconds: idle.as_secs(),
            }))
        };
        let chunk = tokio::time::timeout_at(silent_until, self.body.next())
            .await
            .unwrap_or_else(silence);
        self.ended = !matches!(chunk, Some(Ok(_)));
        if let Some(Err(failure)) = &chunk {
            self.log.log.broke_off(&self.log.request_id, &failure.to_string());
        }
        chunk
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if !self.ended {
            self.log.log.broke_off(&self.log.request_id, "the client left");
        }
    }
}
