//! Bedrock, and nothing else: one call out, its answer with status, headers and body as they came.

mod capture;

use std::time::Duration;

use aws_sdk_bedrockruntime::error::SdkError;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::{CountTokensInput, InvokeModelTokensRequest};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::usage::Tokens;

use capture::Capture;

/// How long a count of tokens may take.
const COUNT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which operation of Bedrock Runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `InvokeModel`: one answer.
    Invoke,
    /// `InvokeModelWithResponseStream`: event-stream frames.
    InvokeStream,
}

/// The client of Bedrock Runtime.
#[derive(Clone, Debug)]
pub struct Bedrock {
    client: aws_sdk_bedrockruntime::Client,
}

/// What Bedrock answered, unread: whatever the status, the body is still on its way.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The body. Frames keep every byte, which the SDK's own decoder would not.
    pub body: SdkBody,
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
        let capture = Capture::default();
        let prepare = move |request: &mut aws_smithy_runtime_api::http::Request| {
            prepare(request, &headers, &body);
        };
        // The typed output is of no use here: the capture has taken the answer before it was read.
        let failure = match operation {
            Operation::Invoke => {
                let call = self.client.invoke_model().model_id(model).customize();
                call.interceptor(capture.clone())
                    .mutate_request(prepare)
                    .send()
                    .await
                    .err()
                    .map(no_answer)
            }
            Operation::InvokeStream => {
                let call = self
                    .client
                    .invoke_model_with_response_stream()
                    .model_id(model)
                    .customize();
                call.interceptor(capture.clone())
                    .mutate_request(prepare)
                    .send()
                    .await
                    .err()
                    .map(no_answer)
            }
        };
        match (capture.take(), failure) {
            (Some(answer), _) => Ok(answer),
            (None, Some(failure)) => Err(failure),
            (None, None) => Err(NoAnswer::Lost("the SDK reported success without an answer".into())),
        }
    }
}

impl Bedrock {
    /// What the prompt of a body of `InvokeModel` counts (`CountTokens`, which costs nothing), or nothing where Bedrock does not say:
    /// some models have no count, and nobody waits long for one. `model` is a bare id, without profile.
    pub async fn count_tokens(&self, model: &str, body: &Bytes) -> Option<Tokens> {
        let request = InvokeModelTokensRequest::builder()
            .body(Blob::new(body.to_vec()))
            .build()
            .ok()?;
        let count = self
            .client
            .count_tokens()
            .model_id(model)
            .input(CountTokensInput::InvokeModel(request))
            .send();
        match tokio::time::timeout(COUNT_TIMEOUT, count).await {
            Ok(Ok(answer)) => u64::try_from(answer.input_tokens).ok().map(Tokens::new),
            Ok(Err(error)) => {
                tracing::info!(model, error = %error.into_service_error(), "Bedrock counts no tokens");
                None
            }
            Err(_) => None,
        }
    }
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

/// Whether the connection itself failed, so that no byte of the request has left.
fn is_connect(error: Option<&aws_smithy_runtime_api::client::result::ConnectorError>) -> bool {
    let mut cause = error.map(|error| error as &dyn std::error::Error);
    while let Some(current) = cause {
        if current.downcast_ref::<std::io::Error>().is_some_and(|io| {
            matches!(
                io.kind(),
                std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::AddrNotAvailable
            )
        }) {
            return true;
        }
        cause = current.source();
    }
    false
}
