//! Errors in OpenAI's form: `{"error":{"message","type","param","code"}}`, as an answer's body and as the last event of a stream.

use serde_json::json;

use crate::error::{Error, Kind};
use crate::wire::dialect::{Dialect, status_and_code};

/// `code`: OpenAI's own word where programs look for it, and otherwise the kind.
const fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::Unauthenticated => "invalid_api_key",
        Kind::BudgetExhausted => "insufficient_quota",
        Kind::RateLimited | Kind::UpstreamThrottled => "rate_limit_exceeded",
        Kind::TooLarge => "request_too_large",
        _ => kind.label(),
    }
}

/// The JSON of an error.
pub fn body(error: &Error) -> String {
    let (_, kind) = status_and_code(error.kind, Dialect::OpenAi);
    let code = error.code.unwrap_or(code(error.kind));
    json!({"error": {"message": &*error.message, "type": kind, "param": error.param, "code": code}}).to_string()
}

/// An error inside a stream. It is the last event: no `[DONE]` follows, and OpenAI's clients raise it.
pub fn event(kind: Kind, message: &str) -> String {
    format!("data: {}\n\n", body(&Error::new(kind, message.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_its_type_its_place_and_its_code() {
        let wrong = Error::invalid("n: only one choice is made").about("n");
        assert_eq!(
            body(&wrong),
            r#"{"error":{"code":"invalid_request","message":"n: only one choice is made","param":"n","type":"invalid_request_error"}}"#
        );
        let unknown = Error::new(Kind::NotFound, "there is none").named("model_not_found");
        assert!(body(&unknown).contains(r#""code":"model_not_found""#));
        assert_eq!(
            event(Kind::BudgetExhausted, "a\nb"),
            "data: {\"error\":{\"code\":\"insufficient_quota\",\"message\":\"a\\nb\",\"param\":null,\"type\":\"insufficient_quota\"}}\n\n"
        );
    }

    /// OpenAI's clients repeat 408, 409, 429 and 5xx.
    #[test]
    fn what_a_repetition_cannot_cure_has_no_status_that_is_repeated() {
        let curable = [
            Kind::RateLimited,
            Kind::UpstreamThrottled,
            Kind::UpstreamUnavailable,
            Kind::UpstreamTimeout,
            Kind::ModelFailed,
            Kind::Unavailable,
            Kind::Internal,
        ];
        for kind in Kind::ALL {
            let (status, _) = status_and_code(kind, Dialect::OpenAi);
            let repeated = [408, 409, 429].contains(&status) || status >= 500;
            assert_eq!(repeated, curable.contains(&kind), "{}", kind.label());
        }
    }
}
