//! Bedrock Runtime's headers and errors.

use http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;

use super::dialect::AMZN_ERROR_TYPE;
use crate::error::Kind;

/// What a caller of the Bedrock routes may say to Bedrock by header. Everything else stays behind, credentials and
/// cookies first of all.
pub const FORWARDED: [HeaderName; 9] = [
    http::header::CONTENT_TYPE,
    http::header::ACCEPT,
    HeaderName::from_static("x-amzn-bedrock-accept"),
    HeaderName::from_static("x-amzn-bedrock-trace"),
    GUARDRAIL,
    HeaderName::from_static("x-amzn-bedrock-guardrailversion"),
    SERVICE_TIER,
    PERFORMANCE_LATENCY,
    REQUEST_METADATA,
];

/// The same of `Converse`, which says all else in its body.
pub const FORWARDED_OF_CONVERSE: [HeaderName; 2] = [http::header::CONTENT_TYPE, http::header::ACCEPT];

/// A guardrail of the account's, which is billed beside the model.
pub const GUARDRAIL: HeaderName = HeaderName::from_static("x-amzn-bedrock-guardrailidentifier");

/// Metadata of a call, which Bedrock writes into its invocation log: a JSON object of strings.
pub const REQUEST_METADATA: HeaderName = HeaderName::from_static("x-amzn-bedrock-request-metadata");

/// The member of a call's metadata that holds our request's id.
pub const REQUEST_ID_METADATA: &str = "tollgate_request_id";

/// How urgently Bedrock serves a call, which sets its price; Bedrock's answer repeats it.
pub const SERVICE_TIER: HeaderName = HeaderName::from_static("x-amzn-bedrock-service-tier");

/// A latency mode, which changes the price.
pub const PERFORMANCE_LATENCY: HeaderName = HeaderName::from_static("x-amzn-bedrock-performanceconfig-latency");

/// Whether a header of Bedrock's answer is for the caller.
pub fn is_returned(name: &HeaderName) -> bool {
    let name = name.as_str();
    ["content-type", "retry-after", "x-amzn-errortype", "x-amzn-requestid"].contains(&name)
        || name.starts_with("x-amzn-bedrock-")
}

/// An error that Bedrock answered with.
#[derive(Debug, PartialEq, Eq)]
pub struct UpstreamError {
    /// What it means.
    pub kind: Kind,
    /// Bedrock's words.
    pub message: String,
    /// When to come back, in seconds, if Bedrock said so.
    pub retry_after_seconds: Option<u32>,
}

/// Reads an error answer of Bedrock's.
pub fn upstream_error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
    #[derive(Deserialize, Default)]
    struct Body {
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let name = headers
        .get(AMZN_ERROR_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    // "ValidationException:http://internal.amazon.com/…" names its namespace behind the colon.
    let name = name.split(':').next().unwrap_or_default();
    let message = serde_json::from_slice::<Body>(body).unwrap_or_default().message;
    UpstreamError {
        kind: exception_kind(name).unwrap_or_else(|| status_kind(status)),
        message: message.unwrap_or_else(|| "Bedrock gave no reason.".to_owned()),
        retry_after_seconds: headers
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok()),
    }
}

/// The kind of an exception by name, from an answer's header or from inside a stream (where it starts in lower case).
pub fn exception_kind(name: &str) -> Option<Kind> {
    let kind = match name.to_ascii_lowercase().as_str() {
        "accessdeniedexception" | "unrecognizedclientexception" => Kind::Denied,
        "validationexception" | "servicequotaexceededexception" => Kind::InvalidRequest,
        "conflictexception" => Kind::Conflict,
        "resourcenotfoundexception" => Kind::NotFound,
        "modeltimeoutexception" => Kind::UpstreamTimeout,
        "modelerrorexception" | "modelstreamerrorexception" => Kind::ModelFailed,
        "throttlingexception" | "modelnotreadyexception" => Kind::UpstreamThrottled,
        "internalserverexception" => Kind::Internal,
        "serviceunavailableexception" => Kind::UpstreamUnavailable,
        _ => return None,
    };
    Some(kind)
}

/// Whether an exception that a stream begins with says that the call is not served now, as the status 429 or 503 says it before an
/// answer: then nothing was done for it, and nothing is billed. After any other the prompt may have been read.
pub fn is_refusal(exception: &str) -> bool {
    matches!(
        exception_kind(exception),
        Some(Kind::UpstreamThrottled | Kind::UpstreamUnavailable)
    )
}

fn status_kind(status: StatusCode) -> Kind {
    match status.as_u16() {
        403 => Kind::Denied,
        404 => Kind::NotFound,
        408 | 504 => Kind::UpstreamTimeout,
        409 => Kind::Conflict,
        413 => Kind::TooLarge,
        424 => Kind::ModelFailed,
        429 => Kind::UpstreamThrottled,
        400..=499 => Kind::InvalidRequest,
        500 => Kind::Internal,
        _ => Kind::UpstreamUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dialect::{Dialect, status_and_code};

    fn read(status: u16, name: &'static str) -> UpstreamError {
        let mut headers = HeaderMap::new();
        headers.insert(AMZN_ERROR_TYPE, name.parse().unwrap());
        headers.insert(http::header::RETRY_AFTER, "7".parse().unwrap());
        upstream_error(StatusCode::from_u16(status).unwrap(), &headers, br#"{"message":"why"}"#)
    }

    /// The predecessors turned 429 and 403 into 400, and clients did not back off.
    #[test]
    fn an_error_of_bedrocks_keeps_its_meaning_in_the_anthropic_dialect() {
        let cases = [
            (403, "AccessDeniedException", 403, "permission_error"),
            (400, "ValidationException:http://x/", 400, "invalid_request_error"),
            (400, "ServiceQuotaExceededException", 400, "invalid_request_error"),
            (404, "ResourceNotFoundException", 404, "not_found_error"),
            (408, "ModelTimeoutException", 504, "timeout_error"),
            (424, "ModelErrorException", 500, "api_error"),
            (429, "ThrottlingException", 429, "rate_limit_error"),
            (429, "ModelNotReadyException", 429, "rate_limit_error"),
            (500, "InternalServerException", 500, "api_error"),
            (503, "ServiceUnavailableException", 503, "overloaded_error"),
        ];
        for (status, name, expected_status, code) in cases {
            let error = read(status, name);
            assert_eq!(
                status_and_code(error.kind, Dialect::Anthropic),
                (expected_status, code),
                "{name}"
            );
            assert_eq!((error.message.as_str(), error.retry_after_seconds), ("why", Some(7)));
        }
    }

    #[test]
    fn an_unnamed_error_is_read_by_its_status() {
        let error = upstream_error(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), b"<html>");
        assert_eq!((error.kind, error.retry_after_seconds), (Kind::UpstreamThrottled, None));
    }
}
