//! Bedrock, and nothing else: one call out, its answer with status, headers and body as they came.

mod capture;
mod choice;
pub mod config;
pub mod health;
mod reach;
mod targets;

use std::time::Duration;

use aws_sdk_bedrockruntime::error::SdkError;
use aws_sdk_bedrockruntime::types::{ConverseTokensRequest, CountTokensInput};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;

use crate::usage::Tokens;
use crate::wire::bedrock::upstream_error;
use crate::wire::count;

use capture::Capture;
pub use reach::Reach;

pub use choice::preferred;
pub use targets::{Target, Upstream};

/// How long a count of tokens may take.
const COUNT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which operation of Bedrock Runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `InvokeModel`: one answer.
    Invoke,
    /// `InvokeModelWithResponseStream`: event-stream frames.
    InvokeStream,
    /// `Converse`: one answer, in a form that is the same for all models.
    Converse,
    /// `ConverseStream`: event-stream frames of that form.
    ConverseStream,
}

impl Operation {
    /// Every operation, for tables and tests.
    pub const ALL: [Self; 4] = [Self::Invoke, Self::InvokeStream, Self::Converse, Self::ConverseStream];

    /// Whether the answer comes in frames.
    pub const fn streams(self) -> bool {
        matches!(self, Self::InvokeStream | Self::ConverseStream)
    }

    /// Whether body and answer have the form that is the same for all models, and not the model's own.
    pub const fn converses(self) -> bool {
        matches!(self, Self::Converse | Self::ConverseStream)
    }

    /// AWS's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invoke => "InvokeModel",
            Self::InvokeStream => "InvokeModelWithResponseStream",
            Self::Converse => "Converse",
            Self::ConverseStream => "ConverseStream",
        }
    }
}

/// The client of Bedrock Runtime.
#[derive(Clone, Debug)]
pub struct Bedrock {
    client: aws_sdk_bedrockruntime::Client,
}

/// What Bedrock answered, unread: whatever the status, the body is still on its way.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The body. Frames keep every byte, which the SDK's own decoder would not.
    pub body: SdkBody,
}

/// What the model said is in the body.
impl std::fmt::Debug for Answer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Answer({})", self.status)
    }
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The request was not sent: nothing can have been billed.
    #[error("Bedrock could not be reached")]
    NotSent(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request may have arrived, so it may have been billed.
    #[error("Bedrock's answer was lost")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long. It may have been billed.
    #[error("Bedrock took too long")]
    TimedOut(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Bedrock {
    /// A client, for example [`crate::aws::Aws::bedrockruntime`].
    pub fn new(client: aws_sdk_bedrockruntime::Client) -> Self {
        Self { client }
    }

    /// Sends one request, once. `model` is a Bedrock id or ARN; `headers` go along, signed; `body` goes as it is.
    ///
    /// # Errors
    /// [`NoAnswer`] when none came. An answer that reports an error is an [`Answer`].
    pub async fn call(
        &self,
        operation: Operation,
        model: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, NoAnswer> {
        self.send(Wanted::Call(operation), model, headers, body).await
    }

    async fn send(&self, wanted: Wanted, model: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, NoAnswer> {
        let capture = Capture::default();
        let prepare = move |request: &mut aws_smithy_runtime_api::http::Request| {
            prepare(request, &headers, &body);
        };
        // The typed output is of no use here: the capture has taken the answer before it was read.
        macro_rules! failure {
            ($call:expr) => {
                $call
                    .model_id(model)
                    .customize()
                    .interceptor(capture.clone())
                    .mutate_request(prepare)
                    .send()
                    .await
                    .err()
                    .map(no_answer)
            };
        }
        let client = &self.client;
        let failure = match wanted {
            Wanted::Call(Operation::Invoke) => failure!(client.invoke_model()),
            Wanted::Call(Operation::InvokeStream) => failure!(client.invoke_model_with_response_stream()),
            Wanted::Call(Operation::Converse) => failure!(client.converse()),
            Wanted::Call(Operation::ConverseStream) => failure!(client.converse_stream()),
            // The SDK asks for an input before it asks for the body that is sent in its place.
            Wanted::Count => {
                let input = CountTokensInput::Converse(ConverseTokensRequest::builder().build());
                failure!(client.count_tokens().input(input))
            }
        };
        match (capture.take(), failure) {
            (Some(answer), _) => Ok(answer),
            // Credentials that cannot be had, for example: nothing has gone out.
            (None, Some(NoAnswer::Lost(cause) | NoAnswer::TimedOut(cause))) if !capture.was_sent() => {
                Err(NoAnswer::NotSent(cause))
            }
            (None, Some(failure)) => Err(failure),
            (None, None) => Err(NoAnswer::Lost("the SDK reported success without an answer".into())),
        }
    }
}

impl Bedrock {
    /// Sends one request for a count of tokens (`CountTokens`, which costs nothing), as [`Self::call`] sends a call. `model` is a bare
    /// id, without profile; the body is the operation's own.
    ///
    /// # Errors
    /// [`NoAnswer`] when none came.
    pub async fn count(&self, model: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, NoAnswer> {
        self.send(Wanted::Count, model, headers, body).await
    }

    /// What the prompt of a body of `operation` counts, or nothing where Bedrock does not say: some models have no count, and nobody
    /// waits long for one. `model` is a bare id, without profile.
    pub async fn count_tokens(&self, operation: Operation, model: &str, body: &Bytes) -> Option<Tokens> {
        let request = if operation.converses() {
            count::of_converse(body)?
        } else {
            count::of_invoke(body)
        };
        match tokio::time::timeout(COUNT_TIMEOUT, self.counted(model, request)).await {
            Ok(Ok(tokens)) => Some(tokens),
            Ok(Err(reason)) => {
                tracing::info!(model, error = reason, "Bedrock counts no tokens");
                None
            }
            Err(_) => None,
        }
    }

    async fn counted(&self, model: &str, request: Bytes) -> Result<Tokens, String> {
        let answer = self.count(model, HeaderMap::new(), request).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        let body = answer
            .body
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        if !answer.status.is_success() {
            // Its words may quote the prompt.
            let told = upstream_error(answer.status, &answer.headers, &body);
            return Err(told.kind.label().to_owned());
        }
        count::tokens(&body).ok_or_else(|| "its answer is no count".to_owned())
    }
}

/// Which request it is.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Call(Operation),
    Count,
}

/// Runs before signing, so that body and headers are covered by the signature.
fn prepare(request: &mut aws_smithy_runtime_api::http::Request, headers: &HeaderMap, body: &Bytes) {
    *request.body_mut() = SdkBody::from(body.clone());
    for (name, value) in headers {
        if let Ok(value) = value.to_str() {
            request.headers_mut().insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    if !headers.contains_key(http::header::CONTENT_TYPE) {
        request.headers_mut().insert("content-type", "application/json");
    }
    request.headers_mut().insert("content-length", body.len().to_string());
}

fn no_answer<E, R>(error: SdkError<E, R>) -> NoAnswer
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match &error {
        SdkError::ConstructionFailure(_) => NoAnswer::NotSent(error.into()),
        SdkError::TimeoutError(_) => NoAnswer::TimedOut(error.into()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() && !is_connect(failure.as_connector_error()) => {
            NoAnswer::TimedOut(error.into())
        }
        SdkError::DispatchFailure(failure) if failure.is_user() || is_connect(failure.as_connector_error()) => {
            NoAnswer::NotSent(error.into())
        }
        _ => NoAnswer::Lost(error.into()),
    }
}

/// Whether the connection itself was not made (refused, not found, not in time, without a handshake), so that no byte of the request
/// has left.
fn is_connect(error: Option<&aws_smithy_runtime_api::client::result::ConnectorError>) -> bool {
    let mut cause = error.map(|error| error as &dyn std::error::Error);
    while let Some(current) = cause {
        if current
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
        {
            return true;
        }
        cause = current.source();
    }
    false
}
