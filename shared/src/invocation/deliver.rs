//! How an answer leaves: whole, as frames, or as server-sent events.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use tokio::time::Instant;

use super::cost;
use super::incoming::{Next, Source};
use super::live::Live;
use super::meter::End;
use super::{Admitted, Delivery, told_by_bedrock};
use crate::error::{Error, Kind};
use crate::usage::Outcome;
use crate::wire::bedrock::{exception_kind, is_returned};
use crate::wire::dialect::{self, Dialect, anthropic_body};
use crate::wire::frames::{self, Content, Frame};
use crate::wire::openai::{self, Chunks, Label, completion};
use crate::wire::sse;

/// Bedrock refused. In its own dialect every byte of that passes; in another one its meaning does.
pub(super) async fn refusal(mut live: Live) -> Result<Response, Error> {
    let refused = refused(&mut live).await;
    refused.or_else(|error| cost::with_dropped(live.what_was_dropped(), error))
}

async fn refused(live: &mut Live) -> Result<Response, Error> {
    let body = live.whole().await.unwrap_or_default();
    let status = live.status();
    live.settle(Outcome::from_status(status.as_u16())).await?;
    if live.admitted().dialect == Dialect::Bedrock {
        let mut headers = returned(live.headers());
        cost::of_dropped(live.what_was_dropped(), &mut headers);
        return Ok((status, headers, body).into_response());
    }
    Err(told_by_bedrock(status, live.headers(), &body))
}

/// The answer in one piece, after its row is written.
pub(super) async fn whole(mut live: Live) -> Result<Response, Error> {
    let answer = settled(&mut live).await;
    answer.or_else(|error| cost::with_dropped(live.what_was_dropped(), error))
}

async fn settled(live: &mut Live) -> Result<Response, Error> {
    match live.whole().await {
        Ok(body) => {
            live.settle(Outcome::Success).await?;
            let body = in_the_callers_form(live, body)?;
            let mut headers = match live.admitted().dialect {
                Dialect::Bedrock => returned(live.headers()),
                _ => HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]),
            };
            cost::of_settled(live, &mut headers);
            Ok((live.status(), headers, body).into_response())
        }
        Err(cause) if live.is_late() => {
            live.settle(Outcome::Timeout).await?;
            Err(Error::new(Kind::UpstreamTimeout, TIME_IS_UP).caused_by(cause))
        }
        Err(cause) => {
            live.settle(Outcome::UpstreamError).await?;
            Err(Error::upstream_unavailable("Bedrock's answer broke off.", cause))
        }
    }
}

fn in_the_callers_form(live: &mut Live, body: Bytes) -> Result<Bytes, Error> {
    let admitted = live.admitted();
    match admitted.delivery {
        Delivery::Completion(reading) => completion(&body, &label(admitted), reading)
            .ok_or_else(|| Error::upstream_unavailable("Bedrock's answer cannot be read.", "it is none of Converse's")),
        _ => Ok(body),
    }
}

/// A completion is called by its request, so that its row is found by it.
fn label(admitted: &Admitted) -> Label {
    let call = &admitted.admission.call;
    Label {
        id: format!("chatcmpl-{}", admitted.caller.request_id),
        created: call.started_at.as_second(),
        model: call.model.clone(),
    }
}

/// The answer as it comes. Its last event leaves after its row is written.
pub(super) fn streamed(mut live: Live) -> Response {
    let form = Form::of(&mut live);
    let mut headers = match form.shape {
        Shape::Messages | Shape::Chunks(_) => {
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))])
        }
        Shape::Frames => returned(live.headers()),
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    cost::of_admitted(&live.admitted().admission, &mut headers);
    cost::of_dropped(live.what_was_dropped(), &mut headers);
    let body = stream::unfold(Some((live, form)), |state| async {
        let (mut live, mut form) = state?;
        let (bytes, over) = step(&mut live, &mut form).await?;
        Some((
            Ok::<_, std::convert::Infallible>(bytes),
            if over { None } else { Some((live, form)) },
        ))
    });
    (headers, Body::from_stream(body)).into_response()
}

/// What shapes the events of one stream.
struct Form {
    shape: Shape,
    request_id: String,
    ping_after: std::time::Duration,
    ends_at: Option<Instant>,
}

/// What the events of a stream are.
enum Shape {
    /// Bedrock's own frames.
    Frames,
    /// The Messages API's.
    Messages,
    /// Chunks of a completion.
    Chunks(Chunks),
}

impl Form {
    fn of(live: &mut Live) -> Self {
        let (ping_after, ends_at) = (live.ping_after(), live.ends_at());
        let admitted = live.admitted();
        let shape = match admitted.delivery {
            Delivery::Chunks(reading) => Shape::Chunks(Chunks::new(label(admitted), reading)),
            Delivery::Events => Shape::Messages,
            _ => Shape::Frames,
        };
        Self {
            shape,
            request_id: admitted.caller.request_id.clone(),
            ping_after,
            ends_at,
        }
    }

    /// Until when the next frame is waited for.
    fn waits_until(&self) -> Option<Instant> {
        let ping_at = self.ping().map(|_| Instant::now() + self.ping_after);
        [ping_at, self.ends_at].into_iter().flatten().min()
    }

    fn time_is_up(&self) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= Instant::now())
    }

    /// A frame in the caller's form. `None` where it says nothing to the caller.
    fn frame(&mut self, frame: &Frame) -> Option<Bytes> {
        match (&mut self.shape, &frame.content) {
            (Shape::Frames, _) => Some(frame.raw.clone()),
            (_, Content::Exception { kind, message }) => {
                let kind = exception_kind(kind).unwrap_or(Kind::Internal);
                Some(self.error(kind, message))
            }
            (Shape::Messages, Content::Chunk(json)) => sse::from_model(json),
            (Shape::Chunks(chunks), Content::Event { kind, json }) => chunks.event(kind, json),
            _ => None,
        }
    }

    /// What a stream of events says last, once its answer has said that it is over: whatever comes behind that is no part of it, and
    /// clients read no further. Frames have no such end.
    fn last(&self, end: Option<End>) -> Option<Bytes> {
        match (end?, &self.shape) {
            (_, Shape::Frames) => None,
            (End::Complete, Shape::Messages) => Some(sse::event("message_stop", r#"{"type":"message_stop"}"#)),
            (End::Complete, Shape::Chunks(_)) => Some(Bytes::from_static(openai::DONE.as_bytes())),
            (End::Failed, _) => Some(self.error(Kind::ModelFailed, "Bedrock ended the stream with an error.")),
        }
    }

    /// An error inside the stream, since the head has been sent.
    fn error(&self, kind: Kind, message: &str) -> Bytes {
        match self.shape {
            Shape::Messages => {
                let (_, code) = dialect::status_and_code(kind, Dialect::Anthropic);
                sse::event("error", &anthropic_body(code, message, &self.request_id))
            }
            Shape::Chunks(_) => Bytes::from(openai::error::event(kind, message)),
            Shape::Frames => frames::exception(stream_exception(kind), message),
        }
    }

    /// What is said in a silence, where anything may be.
    fn ping(&self) -> Option<&'static [u8]> {
        match self.shape {
            Shape::Messages => Some(sse::PING),
            Shape::Chunks(_) => Some(openai::PING),
            Shape::Frames => None,
        }
    }
}

/// The exceptions that may stand inside a stream (Bedrock Runtime API, `ResponseStream`).
const fn stream_exception(kind: Kind) -> &'static str {
    match kind {
        Kind::UpstreamThrottled | Kind::RateLimited => "throttlingException",
        Kind::UpstreamTimeout => "modelTimeoutException",
        Kind::ModelFailed | Kind::UpstreamUnavailable => "modelStreamErrorException",
        Kind::Unavailable => "serviceUnavailableException",
        _ => "internalServerException",
    }
}

/// The next bytes for the caller and whether they are the last; `None` at the end.
async fn step(live: &mut impl Source, form: &mut Form) -> Option<(Bytes, bool)> {
    loop {
        let waited = match form.waits_until() {
            None => Ok(live.next().await),
            Some(at) => tokio::time::timeout_at(at, live.next()).await,
        };
        let next = match waited {
            Ok(next) => next,
            Err(_) if form.time_is_up() => return late(live, form).await,
            Err(_) if live.is_settled() => continue,
            Err(_) => return Some((Bytes::from_static(form.ping().unwrap_or_default()), false)),
        };
        match next {
            Next::Frame(frame) => {
                if let Err(error) = settle_at_the_end(live).await {
                    return Some((form.error(error.kind, &error.message), true));
                }
                match (form.frame(&frame), form.last(live.end())) {
                    (Some(bytes), last) => return Some((bytes, last.is_some())),
                    (None, Some(last)) => return Some((last, true)),
                    (None, None) => {}
                }
            }
            Next::End if live.is_settled() => return None,
            Next::End => {
                return Some(broken(live, form, "Bedrock ended the stream before the message was complete.").await);
            }
            Next::Broken(cause) => {
                tracing::warn!(request_id = form.request_id, error = %cause, "Bedrock's stream broke");
                if live.is_settled() {
                    return None;
                }
                return Some(broken(live, form, "Bedrock's stream broke off.").await);
            }
        }
    }
}

/// The frame that says that the answer is over waits until the row is written: who has seen it finds its row.
async fn settle_at_the_end(live: &mut impl Source) -> Result<(), Error> {
    match live.end() {
        Some(End::Complete) => live.settle(Outcome::Success).await,
        Some(End::Failed) => live.settle(Outcome::StreamInterrupted).await,
        None => Ok(()),
    }
}

async fn broken(live: &mut impl Source, form: &Form, message: &str) -> (Bytes, bool) {
    let recorded = live.settle(Outcome::StreamInterrupted).await;
    let bytes = match recorded {
        Ok(()) => form.error(Kind::UpstreamUnavailable, message),
        Err(error) => form.error(error.kind, &error.message),
    };
    (bytes, true)
}

/// The function is about to be killed: the caller is told, and the row is written, while there is time.
async fn late(live: &mut impl Source, form: &Form) -> Option<(Bytes, bool)> {
    if live.is_settled() {
        return None;
    }
    live.hurry();
    let bytes = match live.settle(Outcome::Timeout).await {
        Ok(()) => form.error(Kind::UpstreamTimeout, TIME_IS_UP),
        Err(error) => form.error(error.kind, &error.message),
    };
    Some((bytes, true))
}

/// What callers are told whose answer takes longer than a function lives.
const TIME_IS_UP: &str = "The answer took longer than a call may take here.";

pub(super) fn returned(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| is_returned(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
