//! Errors as Bedrock sends them: a status, a header that names the type, and a message.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::directive::Directive;
use super::wire;

/// Every error of the service's model, with its status. The first of a status is the one that a status alone means.
const ERRORS: [(&str, u16); 13] = [
    ("ValidationException", 400),
    ("ServiceQuotaExceededException", 400),
    ("ConflictException", 400),
    ("AccessDeniedException", 403),
    ("UnrecognizedClientException", 403),
    ("ResourceNotFoundException", 404),
    ("ModelTimeoutException", 408),
    ("ModelErrorException", 424),
    ("ThrottlingException", 429),
    ("ModelNotReadyException", 429),
    ("InternalServerException", 500),
    ("ServiceUnavailableException", 503),
    ("InternalFailure", 500),
];

/// The errors of a request whose signature names nobody.
const STRANGERS: [&str; 3] = [
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
];

/// What the service appends to the type in the header.
const TYPE_TAIL: &str = ":http://internal.amazon.com/coral/com.amazon.bedrock/";

/// An error before the head.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    kind: String,
    message: String,
    retry_after: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            message: message.into(),
            retry_after: None,
        }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationException", message)
    }

    /// The error that a directive asks for, if it does: type and status complete each other.
    pub(super) fn asked_for(directive: &Directive) -> Option<Self> {
        let kind = directive.error_type.as_deref();
        let status = directive.status.or_else(|| kind.map(status_of))?;
        let kind = kind.unwrap_or_else(|| kind_of(status));
        let message = directive
            .message
            .clone()
            .unwrap_or_else(|| default_message(kind).to_owned());
        let mut refusal = Self::new(status, kind, message);
        refusal.retry_after = directive.retry_after.as_ref().map(as_header);
        Some(refusal)
    }

    /// The error's type.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether it says that nobody knows who called.
    pub(super) fn is_of_a_stranger(&self) -> bool {
        STRANGERS.contains(&self.kind.as_str())
    }

    pub(super) fn into_response(self, request_id: &str) -> Response {
        let body = error_body(&self.kind, &self.message).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        wire::set(headers, "x-amzn-requestid", request_id);
        wire::set(headers, "x-amzn-errortype", &format!("{}{TYPE_TAIL}", self.kind));
        if let Some(retry_after) = self.retry_after {
            wire::set(headers, "retry-after", &retry_after);
        }
        response
    }
}

/// The JSON of an error or of a stream's exception. Model errors carry more than a message.
pub(super) fn error_body(kind: &str, message: &str) -> Value {
    match kind {
        "ModelErrorException" => json!({ "message": message, "originalStatusCode": 500 }),
        "modelStreamErrorException" => {
            json!({ "message": message, "originalStatusCode": 500, "originalMessage": message })
        }
        _ => json!({ "message": message }),
    }
}

fn status_of(kind: &str) -> u16 {
    ERRORS
        .iter()
        .find(|(known, _)| *known == kind)
        .map_or(500, |(_, status)| *status)
}

fn kind_of(status: u16) -> &'static str {
    ERRORS
        .iter()
        .find(|(_, known)| *known == status)
        .map_or("InternalFailure", |(kind, _)| *kind)
}

fn as_header(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn default_message(kind: &str) -> &'static str {
    match kind {
        "ThrottlingException" => "Too many requests, please wait before trying again.",
        "ModelNotReadyException" => "Model is not ready for inference. Wait and try your request again.",
        "ServiceUnavailableException" => "Bedrock is unable to process your request.",
        "AccessDeniedException" => "You don't have access to the model with the specified model ID.",
        "ResourceNotFoundException" => "Could not resolve the foundation model from the provided model identifier.",
        "ModelTimeoutException" => "Model has timed out in processing the request. Try your request again.",
        "ModelErrorException" => {
            "The system encountered an unexpected error during processing. Try your request again."
        }
        "ServiceQuotaExceededException" => "Your request exceeds the service quota for your account.",
        _ => "The system encountered an unexpected error during processing. Try your request again.",
    }
}
