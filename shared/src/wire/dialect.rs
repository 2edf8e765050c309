//! Errors in the caller's dialect: one table turns kind × dialect into status, code and headers.

mod table;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::openai;
use crate::error::{Error, Kind};

pub use table::status_and_code;

/// Whose language a route speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// The Messages API: `{"type":"error","error":{"type","message"},"request_id"}`.
    Anthropic,
    /// Bedrock Runtime: `{"message"}` and the header `x-amzn-ErrorType`.
    Bedrock,
    /// OpenAI's API: `{"error":{"message","type","param","code"}}`.
    #[serde(rename = "openai")]
    OpenAi,
    /// RFC 6749, section 5.2: `{"error","error_description"}`.
    OAuth,
    /// RFC 9457: `application/problem+json`.
    Problem,
    /// RFC 7644, section 3.12: `application/scim+json`.
    Scim,
}

impl Dialect {
    /// Every dialect, for tables and tests.
    pub const ALL: [Self; 6] = [
        Self::Anthropic,
        Self::Bedrock,
        Self::OpenAi,
        Self::OAuth,
        Self::Problem,
        Self::Scim,
    ];

    /// The name in usage rows and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Bedrock => "bedrock",
            Self::OpenAi => "openai",
            Self::OAuth => "oauth",
            Self::Problem => "problem",
            Self::Scim => "scim",
        }
    }
}

/// The header by which AWS SDKs tell errors apart.
pub const AMZN_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// What was left out of the request, since Bedrock refuses it: beta flags, and paths of members.
pub const DROPPED: HeaderName = HeaderName::from_static("x-tollgate-dropped");

/// By this header a server tells Anthropic's and OpenAI's clients whether to ask again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// An answer that reports an error: status, headers and JSON body.
#[derive(Debug)]
pub struct ErrorAnswer {
    /// The HTTP status.
    pub status: StatusCode,
    /// Content type, retry and challenge headers.
    pub headers: HeaderMap,
    /// The JSON text.
    pub body: String,
}

/// The answer that tells `error` to a caller of `dialect`.
pub fn answer(error: &Error, dialect: Dialect, request_id: &str) -> ErrorAnswer {
    let (status, code) = status_and_code(error.kind, dialect);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = HeaderMap::new();
    let content_type = match dialect {
        Dialect::Problem => "application/problem+json",
        Dialect::Scim => crate::scim::MEDIA_TYPE,
        _ => "application/json",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if dialect == Dialect::Bedrock {
        headers.insert(AMZN_ERROR_TYPE, HeaderValue::from_static(code));
    }
    if dialect == Dialect::Anthropic && error.kind == Kind::Conflict {
        // They would repeat every 409, and nothing is cured by that.
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if let Some(seconds) = error.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if dialect != Dialect::OAuth
        && let Some(challenge) = challenge(error)
    {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    ErrorAnswer {
        status,
        headers,
        body: body(error, dialect, status, code, request_id),
    }
}

fn body(error: &Error, dialect: Dialect, status: StatusCode, code: &str, request_id: &str) -> String {
    let message = &*error.message;
    match dialect {
        Dialect::Anthropic => match error.code {
            Some(name) => detailed_body(code, message, name, request_id),
            None => anthropic_body(code, message, request_id),
        },
        Dialect::Bedrock => json!({"message": message}).to_string(),
        Dialect::OpenAi => openai::error::body(error),
        Dialect::OAuth => json!({"error": code, "error_description": message}).to_string(),
        Dialect::Problem => problem_body(error, status, code, request_id),
        Dialect::Scim => scim_body(error, status, code),
    }
}

/// RFC 7644, section 3.12: the status is text.
fn scim_body(error: &Error, status: StatusCode, code: &str) -> String {
    let mut body = json!({
        "schemas": [crate::scim::ERROR], "status": status.as_u16().to_string(), "detail": &*error.message,
    });
    let code = error.code.unwrap_or(code);
    if !code.is_empty() {
        body["scimType"] = code.into();
    }
    body.to_string()
}

/// RFC 9457, with the members `code`, `request_id` and, where a body has wrong lines, `errors`.
fn problem_body(error: &Error, status: StatusCode, code: &str, request_id: &str) -> String {
    let mut problem = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": code,
        "detail": &*error.message,
        "request_id": request_id,
    });
    if !error.lines.is_empty() {
        problem["errors"] = json!(error.lines);
    }
    problem.to_string()
}

/// `{"type":"error",…}`, as an answer's body and as the data of an `error` event.
pub fn anthropic_body(code: &str, message: &str, request_id: &str) -> String {
    json!({"type": "error", "error": {"type": code, "message": message}, "request_id": request_id}).to_string()
}

/// The same with `details`, by whose `error_code` Anthropic's SDKs tell apart what they recover from by themselves.
fn detailed_body(code: &str, message: &str, name: &str, request_id: &str) -> String {
    let error = json!({"type": code, "message": message, "details": {"error_code": name}});
    json!({"type": "error", "error": error, "request_id": request_id}).to_string()
}

/// The challenge of RFC 6750, section 3: with an error code only where a credential was shown.
fn challenge(error: &Error) -> Option<HeaderValue> {
    let text = match (error.kind, error.missing_scope) {
        (Kind::Unauthenticated, _) => r#"Bearer realm="tollgate", error="invalid_token""#.to_owned(),
        (Kind::Denied, Some(scope)) => {
            format!(
                r#"Bearer realm="tollgate", error="insufficient_scope", scope="{}""#,
                scope.name()
            )
        }
        _ => return None,
    };
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A-35: the whole table, as it also stands in `docs/errors.md`.
    #[test]
    fn the_error_table_is_the_one_in_the_documents() {
        let mut table = String::from(
            "| kind | Anthropic | Bedrock | OpenAI | OAuth | problem+json | SCIM |\n|---|---|---|---|---|---|---|\n",
        );
        for kind in Kind::ALL {
            table.push_str(&format!("| `{}` |", kind.label()));
            for dialect in Dialect::ALL {
                let (status, code) = status_and_code(kind, dialect);
                let code = if code.is_empty() {
                    String::new()
                } else {
                    format!(" `{code}`")
                };
                table.push_str(&format!(" {status}{code} |"));
            }
            table.push('\n');
        }
        let documented = include_str!("../../../docs/errors.md");
        assert!(
            documented.contains(&table),
            "docs/errors.md should hold this table:\n{table}"
        );
    }

    #[test]
    fn every_dialect_has_its_own_body() {
        let error = Error::unavailable("the table is down");
        let texts: Vec<_> = Dialect::ALL.map(|dialect| answer(&error, dialect, "r-1").body).into();
        assert_eq!(
            texts[0],
            r#"{"error":{"message":"The gateway is not able to serve this right now.","type":"overloaded_error"},"request_id":"r-1","type":"error"}"#
        );
        assert_eq!(
            texts[1],
            r#"{"message":"The gateway is not able to serve this right now."}"#
        );
        assert!(texts[2].contains(r#""type":"server_error""#));
        assert!(texts[3].contains(r#""error":"temporarily_unavailable""#));
        assert!(texts[4].contains(r#""status":503"#));
        assert!(texts[5].contains(r#""status":"503""#) && !texts[5].contains("scimType"));
        for text in texts {
            assert!(
                !text.contains("the table is down"),
                "the cause is for the log alone: {text}"
            );
        }
    }

    #[test]
    fn retry_and_challenge_headers_are_there_when_they_help() {
        let down = answer(&Error::unavailable("x"), Dialect::Bedrock, "r");
        assert_eq!(down.headers[header::RETRY_AFTER], "5");
        assert_eq!(down.headers[AMZN_ERROR_TYPE], "ServiceUnavailableException");
        let denied = answer(
            &Error::insufficient_scope(crate::scope::Scope::Admin),
            Dialect::Problem,
            "r",
        );
        assert_eq!(
            denied.headers[header::WWW_AUTHENTICATE],
            r#"Bearer realm="tollgate", error="insufficient_scope", scope="admin""#
        );
        let bad = answer(&Error::invalid("x"), Dialect::Anthropic, "r");
        assert!(!bad.headers.contains_key(header::RETRY_AFTER) && !bad.headers.contains_key(header::WWW_AUTHENTICATE));
    }
}
