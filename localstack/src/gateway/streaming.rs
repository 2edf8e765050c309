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

/// What is left of a stream.
struct Rest {
    first: Bytes,
    body: lambda::Body,
    broken: bool,
}

/// The rest of the answer. Its failure, a silence that is too long and the end of its time all break the connection off: a
/// client must never take a part for the whole.
fn pass_on(first: Bytes, body: lambda::Body, until: Instant, idle: Duration, log: StreamLog) -> Body {
    let rest = Rest {
        first,
        body,
        broken: false,
    };
    let chunks = stream::unfold((rest, log), move |(mut rest, log)| async move {
        if rest.broken {
            return None;
        }
        let chunk = rest.next(until, idle).await?;
        if let Err(failure) = &chunk {
            rest.broken = true;
            log.log.broke_off(&log.request_id, &failure.to_string());
        }
        Some((chunk.map(Frame::data), (rest, log)))
    });
    StreamBody::new(chunks).boxed_unsync()
}

impl Rest {
    async fn next(&mut self, until: Instant, idle: Duration) -> Option<Result<Bytes, Failure>> {
        if !self.first.is_empty() {
            return Some(Ok(std::mem::take(&mut self.first)));
        }
        let silent_until = until.min(Instant::now() + idle);
        let silence = |_| {
            Some(Err(Failure::TimedOut {
                seconds: idle.as_secs(),
            }))
        };
        tokio::time::timeout_at(silent_until, self.body.next())
            .await
            .unwrap_or_else(silence)
    }
}
