//! Status and code of every kind of error in every dialect. `docs/errors.md` is a snapshot of this.

use super::Dialect;
use crate::error::Kind;

const ACCESS: &str = "AccessDeniedException";
const API: &str = "api_error";
const AUTHENTICATION: &str = "authentication_error";
const CLIENT: &str = "unauthorized_client";
const INVALID: &str = "invalid_request_error";
const OVERLOADED: &str = "overloaded_error";
const PERMISSION: &str = "permission_error";
const RATE: &str = "rate_limit_error";
const REQUEST: &str = "invalid_request";
const SERVER: &str = "server_error";
const TEMPORARY: &str = "temporarily_unavailable";
const THROTTLING: &str = "ThrottlingException";
const UNAVAILABLE: &str = "ServiceUnavailableException";
const VALIDATION: &str = "ValidationException";

/// Status and code of a kind in a dialect.
pub const fn status_and_code(kind: Kind, dialect: Dialect) -> (u16, &'static str) {
    let [anthropic, bedrock, openai, oauth] = row(kind);
    match dialect {
        Dialect::Anthropic => anthropic,
        Dialect::Bedrock => bedrock,
        Dialect::OpenAi => openai,
        Dialect::OAuth => oauth,
        Dialect::Problem => (of_http(kind), kind.label()),
        Dialect::Scim => (of_http(kind), scim(kind)),
    }
}

/// Anthropic's, Bedrock's, OpenAI's and OAuth's (RFC 6749, section 5.2), in this order.
///
/// OpenAI's are chosen by what its clients do with them (Python 3.57, JavaScript 7.57, tried): 408, 409, 429 and everything from 500 they ask
/// again for, twice, whatever `type` and `code` say. So a budget that is gone is 402, though OpenAI has 429 for that; and a conflict is 400.
const fn row(kind: Kind) -> [(u16, &'static str); 4] {
    match kind {
        Kind::InvalidRequest => invalid(REQUEST),
        Kind::InvalidScope => invalid("invalid_scope"),
        Kind::UnsupportedGrantType => invalid("unsupported_grant_type"),
        Kind::InvalidGrant => invalid("invalid_grant"),
        Kind::AccessDenied => [
            (403, PERMISSION),
            (403, ACCESS),
            (403, PERMISSION),
            (400, "access_denied"),
        ],
        Kind::AuthorizationPending => invalid("authorization_pending"),
        Kind::SlowDown => invalid("slow_down"),
        Kind::ExpiredToken => invalid("expired_token"),
        Kind::Unauthenticated => [
            (401, AUTHENTICATION),
            (403, "UnrecognizedClientException"),
            (401, AUTHENTICATION),
            (401, "invalid_client"),
        ],
        Kind::Denied => [(403, PERMISSION), (403, ACCESS), (403, PERMISSION), (400, CLIENT)],
        Kind::NotFound => [
            (404, "not_found_error"),
            (404, "ResourceNotFoundException"),
            (404, INVALID),
            (400, REQUEST),
        ],
        Kind::MethodNotAllowed => [(405, INVALID), (405, VALIDATION), (405, INVALID), (405, REQUEST)],
        Kind::Conflict => [
            (409, INVALID),
            (400, "ConflictException"),
            (400, INVALID),
            (400, REQUEST),
        ],
        Kind::PreconditionFailed => [(412, INVALID), (412, VALIDATION), (412, INVALID), (400, REQUEST)],
        Kind::TooLarge => [
            (413, "request_too_large"),
            (413, VALIDATION),
            (413, INVALID),
            (413, REQUEST),
        ],
        Kind::UnsupportedMedia => [(415, INVALID), (415, VALIDATION), (415, INVALID), (415, REQUEST)],
        Kind::RangeNotSatisfiable => [(416, INVALID), (416, VALIDATION), (416, INVALID), (416, REQUEST)],
        Kind::RateLimited => [(429, RATE), (429, THROTTLING), (429, RATE), (429, "slow_down")],
        Kind::BudgetExhausted => [
            (402, "billing_error"),
            (400, "ServiceQuotaExceededException"),
            (402, "insufficient_quota"),
            (400, CLIENT),
        ],
        Kind::UpstreamThrottled => [(429, RATE), (429, THROTTLING), (429, RATE), (503, TEMPORARY)],
        Kind::UpstreamUnavailable => [(503, OVERLOADED), (503, UNAVAILABLE), (503, SERVER), (503, TEMPORARY)],
        Kind::UpstreamTimeout => [
            (504, "timeout_error"),
            (408, "ModelTimeoutException"),
            (504, SERVER),
            (503, TEMPORARY),
        ],
        Kind::ModelFailed => [(500, API), (424, "ModelErrorException"), (500, SERVER), (500, SERVER)],
        Kind::Unavailable => [(503, OVERLOADED), (503, UNAVAILABLE), (503, SERVER), (503, TEMPORARY)],
        Kind::Internal => [
            (500, API),
            (500, "InternalServerException"),
            (500, SERVER),
            (500, SERVER),
        ],
    }
}

/// Of a request that is wrong, for which OAuth may have a code of its own.
const fn invalid(oauth: &'static str) -> [(u16, &'static str); 4] {
    [(400, INVALID), (400, VALIDATION), (400, INVALID), (400, oauth)]
}

/// The status of RFC 9457's answers, and of SCIM's: Anthropic's, which are those of HTTP, but that a model that failed is a bad gateway.
const fn of_http(kind: Kind) -> u16 {
    match kind {
        Kind::ModelFailed => 502,
        _ => row(kind)[0].0,
    }
}

/// RFC 7644's own code, where it has one for every error of the kind.
const fn scim(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest => "invalidSyntax",
        _ => "",
    }
}
