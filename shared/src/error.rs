//! Errors are kinds. They know nothing of HTTP: [`crate::wire::dialect`] turns a kind into what a caller sees.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use crate::scope::Scope;

/// What went wrong. The label doubles as a metric's dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request itself is wrong.
    InvalidRequest,
    /// A requested scope is unknown or more than the caller has (RFC 6749, section 5.2).
    InvalidScope,
    /// The grant type is not served (RFC 6749, section 5.2).
    UnsupportedGrantType,
    /// A code or a refresh token that does not count, or no longer (RFC 6749, section 5.2).
    InvalidGrant,
    /// A person, or their identity provider, said no (RFC 6749, section 4.1.2.1).
    AccessDenied,
    /// The person has not decided yet (RFC 8628, section 3.5).
    AuthorizationPending,
    /// A device asks too often, and is to wait five seconds longer each time (RFC 8628, section 3.5).
    SlowDown,
    /// The device code has ended (RFC 8628, section 3.5).
    ExpiredToken,
    /// No credential, or none that counts.
    Unauthenticated,
    /// The credential counts, but does not allow this.
    Denied,
    /// There is no such thing, or it is somebody else's.
    NotFound,
    /// The path is served, but not with this method.
    MethodNotAllowed,
    /// The thing is not in a state that allows this, or a limit on its number is reached.
    Conflict,
    /// The thing is not as the caller has seen it (RFC 9110, section 13).
    PreconditionFailed,
    /// The body or a part of it is too large.
    TooLarge,
    /// The content type or encoding is not served.
    UnsupportedMedia,
    /// There are no such bytes of it (RFC 9110, section 15.5.17).
    RangeNotSatisfiable,
    /// The caller asked too often.
    RateLimited,
    /// A budget does not cover the call; waiting a moment does not cure it.
    BudgetExhausted,
    /// Bedrock limits us; a later try may pass.
    UpstreamThrottled,
    /// Bedrock cannot be reached, or is overloaded.
    UpstreamUnavailable,
    /// Bedrock took too long.
    UpstreamTimeout,
    /// The model failed on this request.
    ModelFailed,
    /// A dependency of the gateway is down: the door stays closed.
    Unavailable,
    /// A fault of the gateway.
    Internal,
}

impl Kind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 25] = [
        Self::InvalidRequest,
        Self::InvalidScope,
        Self::UnsupportedGrantType,
        Self::InvalidGrant,
        Self::AccessDenied,
        Self::AuthorizationPending,
        Self::SlowDown,
        Self::ExpiredToken,
        Self::Unauthenticated,
        Self::Denied,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::RangeNotSatisfiable,
        Self::RateLimited,
        Self::BudgetExhausted,
        Self::UpstreamThrottled,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::ModelFailed,
        Self::Unavailable,
        Self::Internal,
    ];

    /// A stable name in `snake_case`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidGrant => "invalid_grant",
            Self::AccessDenied => "access_denied",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::PreconditionFailed => "precondition_failed",
            Self::TooLarge => "too_large",
            Self::UnsupportedMedia => "unsupported_media",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::RateLimited => "rate_limited",
            Self::BudgetExhausted => "budget_exhausted",
            Self::UpstreamThrottled => "upstream_throttled",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::ModelFailed => "model_failed",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// When to come back to what is down: soon, but not at once.
const RETRY_AFTER_SECONDS: u32 = 5;

/// What went wrong, in words that are safe for a caller, and why, in words for the log.
pub struct Error {
    /// What went wrong.
    pub kind: Kind,
    /// Shown to the caller: no secret, no prompt, nothing of another tenant's.
    pub message: Cow<'static, str>,
    /// For the log alone.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
    /// After how many seconds a repetition may help, where that is known.
    pub retry_after_seconds: Option<u32>,
    /// The scope that was missing, for the challenge of RFC 6750, section 3.
    pub missing_scope: Option<Scope>,
    /// Which lines of the body are wrong, for a body that has lines.
    pub lines: Vec<BadLine>,
    /// What is wrong by a protocol's own name for it, where it has one (SCIM's `scimType`: RFC 7644, section 3.12; the `error_code` of
    /// Anthropic's `details`).
    pub code: Option<&'static str>,
    /// Which part of the request is wrong, by its path, for a protocol that tells it (OpenAI's `param`).
    pub param: Option<Cow<'static, str>>,
}

/// A line of a body that is wrong. Shown to the caller.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it, in words that do not repeat it.
    pub reason: Cow<'static, str>,
}

impl Error {
    /// An error with a message for the caller.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
            retry_after_seconds: None,
            missing_scope: None,
            lines: Vec::new(),
            code: None,
            param: None,
        }
    }

    /// The request itself is wrong.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidRequest, message)
    }

    /// No such thing, or somebody else's: both answer the same.
    pub fn not_found(what: &'static str) -> Self {
        Self::new(Kind::NotFound, format!("There is no such {what}."))
    }

    /// The credential lacks a scope.
    pub fn insufficient_scope(scope: Scope) -> Self {
        let mut error = Self::new(
            Kind::Denied,
            format!("The credential lacks the scope `{}`.", scope.name()),
        );
        error.missing_scope = Some(scope);
        error
    }

    /// A dependency is down. The caller is told to come back, and not which one it was.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let mut error = Self::new(Kind::Unavailable, "The gateway is not able to serve this right now.");
        error.retry_after_seconds = Some(RETRY_AFTER_SECONDS);
        error.source = Some(source.into());
        error
    }

    /// Bedrock gives no answer, or not all of one.
    pub fn upstream_unavailable(message: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let mut error = Self::new(Kind::UpstreamUnavailable, message).caused_by(source);
        error.retry_after_seconds = Some(RETRY_AFTER_SECONDS);
        error
    }

    /// A fault of the gateway's own.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, "The gateway failed.").caused_by(source)
    }

    /// The same error with a protocol's own name for it.
    #[must_use]
    pub fn named(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The same error with the place in the request that is wrong.
    #[must_use]
    pub fn about(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Whether it is the gateway or what it stands on that failed, and not the request.
    pub fn is_ours(&self) -> bool {
        matches!(
            self.kind,
            Kind::Unavailable | Kind::Internal | Kind::UpstreamUnavailable | Kind::UpstreamTimeout
        )
    }

    /// The same error with its cause, for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.kind.label(), self.message)
    }
}

/// For the log.
impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A message that was put together may repeat what a caller or Bedrock has said: it is for the caller alone.
        match &self.message {
            Cow::Borrowed(message) => write!(out, "{}: {message}", self.kind.label())?,
            Cow::Owned(_) => out.write_str(self.kind.label())?,
        }
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = cause {
            write!(out, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<crate::random::NoRandomness> for Error {
    fn from(cause: crate::random::NoRandomness) -> Self {
        Self::unavailable(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// what a caller is told may be somebody else's words; the log has ours alone.
    #[test]
    fn a_message_that_was_put_together_is_not_for_the_log() {
        let told = Error::new(Kind::ModelFailed, format!("{} was said", "canary")).caused_by("a cause");
        assert_eq!(format!("{told:?}"), "model_failed: a cause");
        assert_eq!(told.to_string(), "model_failed: canary was said");
        let ours = Error::new(Kind::ModelFailed, "The model failed.");
        assert_eq!(format!("{ours:?}"), "model_failed: The model failed.");
    }
}
