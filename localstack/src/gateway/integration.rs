//! Buffered proxy integrations.

use bytes::Bytes;
use http::Response;
use http::header::ACCEPT;

use super::call::Call;
use super::proxy_answer::{self, Head};
use super::refusal::{Kind, Refusal};
use super::{Body, Limits, Reply, full, headers};
use crate::lambda::{Failure, Lambda, PAYLOAD_LIMIT_BYTES};
use crate::template::Api;

/// Calls a function and answers with all of its answer. When the time is over the function goes on without its caller.
pub(super) async fn integrate(
    lambda: &Lambda,
    function: &str,
    event: Bytes,
    call: &Call,
    api: &Api,
    limits: &Limits,
) -> Result<Reply, Refusal> {
    check_size(&event)?;
    let answered = async {
        let answer = lambda.invoke(function, event).await?;
        answer.body.collect(PAYLOAD_LIMIT_BYTES).await
    };
    let answer = tokio::time::timeout(limits.buffered, answered).await;
    let bytes = answer
        .map_err(|_| Refusal::of(Kind::IntegrationTimeout))?
        .map_err(|failure| failed(function, &failure))?;
    let accepted = call
        .header(ACCEPT.as_str())
        .unwrap_or_else(|| "application/json".to_owned());
    let decode = headers::is_binary(&accepted, &api.binary_media_types);
    let (head, body) = proxy_answer::buffered(&bytes, decode).ok_or_else(|| malformed(function))?;
    Ok(reply(head, full(body)))
}

/// An event over Lambda's limit (a body of about 4.5 MB in base64) is the client's fault.
pub(super) fn check_size(event: &Bytes) -> Result<(), Refusal> {
    if event.len() > PAYLOAD_LIMIT_BYTES {
        Err(Refusal::of(Kind::RequestTooLarge))
    } else {
        Ok(())
    }
}

/// What a client is told when a function fails before its answer begins. A function that ran into its own timeout is, to
/// API Gateway, one that failed.
pub(super) fn failed(function: &str, failure: &Failure) -> Refusal {
    Refusal::of(Kind::IntegrationFailure).detailed(format!("{function}: {failure}"))
}

/// What a client is told when a function answers in a form that API Gateway does not take.
pub(super) fn malformed(function: &str) -> Refusal {
    Refusal::of(Kind::IntegrationFailure).detailed(format!("{function}: malformed Lambda proxy response"))
}

pub(super) fn reply(head: Head, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = head.status;
    *reply.headers_mut() = head.headers;
    reply
}
