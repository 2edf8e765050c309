//! Answers that the gateway makes itself, shaped by the template's gateway responses.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::call::Call;
use super::{Reply, full};
use crate::template::GatewayResponse;

/// The types of gateway responses that this gateway has occasion for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    AccessDenied,
    AuthorizerConfigurationError,
    AuthorizerFailure,
    BadRequestBody,
    IntegrationFailure,
    IntegrationTimeout,
    InvalidSignature,
    MissingAuthenticationToken,
    RequestTooLarge,
    /// A method ARN that is too long to authorize. AWS names no response type for it, so the default one shapes it.
    UriTooLong,
    Unauthorized,
}

/// A type's name, and what API Gateway says where the template says nothing: status, message, `x-amzn-ErrorType`.
type Defaults = (&'static str, StatusCode, Option<&'static str>, &'static str);

impl Kind {
    fn defaults(self) -> Defaults {
        let internal = StatusCode::INTERNAL_SERVER_ERROR;
        let configuration = "AuthorizerConfigurationException";
        match self {
            Self::AccessDenied => {
                let message = "User is not authorized to access this resource";
                (
                    "ACCESS_DENIED",
                    StatusCode::FORBIDDEN,
                    Some(message),
                    "AccessDeniedException",
                )
            }
            Self::AuthorizerConfigurationError => ("AUTHORIZER_CONFIGURATION_ERROR", internal, None, configuration),
            Self::AuthorizerFailure => ("AUTHORIZER_FAILURE", internal, None, configuration),
            Self::BadRequestBody => (
                "BAD_REQUEST_BODY",
                StatusCode::BAD_REQUEST,
                Some("Invalid request body"),
                "BadRequestException",
            ),
            Self::IntegrationFailure => {
                let message = Some("Internal server error");
                (
                    "INTEGRATION_FAILURE",
                    StatusCode::BAD_GATEWAY,
                    message,
                    "InternalServerErrorException",
                )
            }
            Self::IntegrationTimeout => {
                let message = Some("Endpoint request timed out");
                (
                    "INTEGRATION_TIMEOUT",
                    StatusCode::GATEWAY_TIMEOUT,
                    message,
                    "InternalServerErrorException",
                )
            }
            Self::InvalidSignature => (
                "INVALID_SIGNATURE",
                StatusCode::FORBIDDEN,
                Some("Forbidden"),
                "IncompleteSignatureException",
            ),
            Self::MissingAuthenticationToken => {
                let message = Some("Missing Authentication Token");
                (
                    "MISSING_AUTHENTICATION_TOKEN",
                    StatusCode::FORBIDDEN,
                    message,
                    "MissingAuthenticationTokenException",
                )
            }
            Self::RequestTooLarge => {
                let message = Some("Request Too Long");
                (
                    "REQUEST_TOO_LARGE",
                    StatusCode::PAYLOAD_TOO_LARGE,
                    message,
                    "RequestTooLargeException",
                )
            }
            Self::UriTooLong => (
                "DEFAULT_4XX",
                StatusCode::URI_TOO_LONG,
                Some("Request URI too long"),
                "RequestUriTooLongException",
            ),
            Self::Unauthorized => (
                "UNAUTHORIZED",
                StatusCode::UNAUTHORIZED,
                Some("Unauthorized"),
                "UnauthorizedException",
            ),
        }
    }
}

/// An answer of the gateway itself.
#[derive(Debug)]
pub(super) struct Refusal {
    kind: Kind,
    message: Option<String>,
    /// What the log says besides.
    detail: Option<String>,
}

/// What shapes an answer for which the template says nothing.
const DEFAULT_BODY: &str = r#"{"message":$context.error.messageString}"#;

impl Refusal {
    pub(super) fn of(kind: Kind) -> Self {
        Self {
            kind,
            message: kind.defaults().2.map(str::to_owned),
            detail: None,
        }
    }

    pub(super) fn because(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: Some(message.into()),
            detail: None,
        }
    }

    /// The same, with something for the log that no client is told.
    pub(super) fn detailed(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// What the log says of it.
    pub(super) fn problem(&self) -> String {
        let detail = self.detail.as_ref().map(|detail| format!(": {detail}"));
        format!("{}{}", self.kind.defaults().0, detail.unwrap_or_default())
    }

    #[cfg(test)]
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The answer. A type that the template does not shape is shaped by the default of its status class.
    pub(super) fn render(&self, call: &Call, responses: &BTreeMap<String, GatewayResponse>) -> Reply {
        let (name, status, _, error_type) = self.kind.defaults();
        let class = if status.is_server_error() {
            "DEFAULT_5XX"
        } else {
            "DEFAULT_4XX"
        };
        let shape = responses
            .get(name)
            .or_else(|| responses.get(class))
            .cloned()
            .unwrap_or_default();
        let (content_type, body) = body(call, &shape);
        let mut reply = Response::new(full(Bytes::from(self.substitute(call, &body))));
        let chosen = shape.status.and_then(|status| StatusCode::from_u16(status).ok());
        *reply.status_mut() = chosen.unwrap_or(status);
        set(reply.headers_mut(), "x-amzn-errortype", error_type);
        set(reply.headers_mut(), CONTENT_TYPE.as_str(), &content_type);
        for (name, expression) in &shape.headers {
            if let Some(value) = self.evaluate(call, expression) {
                set(reply.headers_mut(), name, &value);
            }
        }
        reply
    }

    /// A header's value: text in single quotes, or a variable.
    fn evaluate(&self, call: &Call, expression: &str) -> Option<String> {
        if let Some(text) = expression.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            return Some(text.to_owned());
        }
        match expression.split_once('.')? {
            ("context", name) => self.variable(call, name),
            ("method", rest) => match rest.strip_prefix("request.")?.split_once('.')? {
                ("header", name) => call.header(name),
                ("querystring", name) => call.query_parameter(name),
                ("path", name) => call.parameters.get(name).cloned(),
                _ => None,
            },
            _ => None,
        }
    }

    fn variable(&self, call: &Call, name: &str) -> Option<String> {
        match name {
            "error.message" => self.message.clone(),
            "error.messageString" => Some(serde_json::json!(self.message).to_string()),
            "error.responseType" => Some(self.kind.defaults().0.to_owned()),
            name => call.context(name),
        }
    }

    /// Replaces `$context` variables. There is no other syntax in these templates: AWS does not run them through VTL.
    fn substitute(&self, call: &Call, template: &str) -> String {
        let mut output = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("$context.") {
            let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '.';
            let end = after.find(|character| !is_name(character)).unwrap_or(after.len());
            let name = after[..end].trim_end_matches('.');
            output.push_str(before);
            output.push_str(&self.variable(call, name).unwrap_or_default());
            rest = &after[name.len()..];
        }
        output.push_str(rest);
        output
    }
}

/// The body's template by what the client accepts; JSON if it accepts nothing else that there is.
fn body(call: &Call, shape: &GatewayResponse) -> (String, String) {
    let accepted = call.header(ACCEPT.as_str()).unwrap_or_default();
    let media_types = accepted
        .split(',')
        .map(|range| range.split(';').next().unwrap_or_default().trim());
    let wanted = media_types
        .filter_map(|media_type| shape.bodies.get_key_value(media_type))
        .next();
    let (content_type, body) = match wanted.or_else(|| shape.bodies.get_key_value("application/json")) {
        Some((content_type, body)) => (content_type.as_str(), body.as_str()),
        None => ("application/json", DEFAULT_BODY),
    };
    (content_type.to_owned(), body.to_owned())
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
