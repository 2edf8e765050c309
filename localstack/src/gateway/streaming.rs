//! Streamed proxy integrations: a prelude in JSON, eight NUL bytes, then what the client gets, chunk by chunk.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::Instant;

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
    limits: &Limits,
) -> Result<Reply, Refusal> {
    integration::check_size(&event)?;
    let until = Instant::now() + limits.streamed;
    let first_until = until.min(Instant::now() + limits.idle);
    let begun = async {
        let answer = lambda
            .invoke(function, event)
            .await
            .map_err(|failure| integration::refusal(&failure))?;
        let mut body = answer.body;
        read_prelude(&mut body).await.map(|(head, rest)| (head, rest, body))
    };
    let begun = tokio::time::timeout_at(first_until, begun).await;
    let (head, rest, body) = begun.map_err(|_| Refusal::of(Kind::IntegrationTimeout))??;
    Ok(integration::reply(head, pass_on(rest, body, until, *limits)))
}

/// The head, and what of the body came with it.
async fn read_prelude(body: &mut lambda::Body) -> Result<(Head, Bytes), Refusal> {
    let malformed = || Refusal::of(Kind::IntegrationFailure);
    let mut read = BytesMut::new();
    loop {
        if let Some(at) = read.windows(DELIMITER.len()).position(|window| window == DELIMITER) {
            let head = proxy_answer::prelude(&read[..at]).ok_or_else(malformed)?;
            read.advance(at + DELIMITER.len());
            return Ok((head, read.freeze()));
        }
        if read.len() > PRELUDE_LIMIT_BYTES {
            return Err(malformed());
        }
        match body.next().await {
            Some(Ok(chunk)) => read.extend_from_slice(&chunk),
            Some(Err(failure)) => return Err(integration::refusal(&failure)),
            None => return Err(malformed()),
        }
    }
}

/// The rest of the answer. Its failure, a silence that is too long and the end of its time all break the connection off: a
/// client must never take a part for the whole.
fn pass_on(first: Bytes, body: lambda::Body, until: Instant, limits: Limits) -> Body {
    let chunks = stream::unfold((first, body, false), move |(first, mut body, failed)| async move {
        if failed {
            return None;
        }
        if !first.is_empty() {
            return Some((Ok(Frame::data(first)), (Bytes::new(), body, false)));
        }
        let silent_until = until.min(Instant::now() + limits.idle);
        match tokio::time::timeout_at(silent_until, body.next()).await {
            Ok(Some(Ok(chunk))) => Some((Ok(Frame::data(chunk)), (Bytes::new(), body, false))),
            Ok(None) => None,
            Ok(Some(Err(failure))) => Some((Err(failure), (Bytes::new(), body, true))),
            Err(_) => {
                let failure = Failure::TimedOut {
                    seconds: limits.idle.as_secs(),
                };
                Some((Err(failure), (Bytes::new(), body, true)))
            }
        }
    });
    StreamBody::new(chunks).boxed_unsync()
}
