//! Why there is no token. Nothing of what the endpoint was sent is in here, and of what it said only what a standard lists.

use crate::tls::TlsFailure;

/// Why there is no token. All who waited for one request get the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// 401.
    #[error("the token endpoint does not accept the client's id and secret (401)")]
    Unauthorized,
    /// Another status from 400 to 499.
    #[error("the token endpoint refused the request ({status}{})", .code.map(|it| format!(", {it}")).unwrap_or_default())]
    Refused {
        /// The status.
        status: u16,
        /// The error code, if it is one of RFC 6749, section 5.2.
        code: Option<&'static str>,
    },
    /// A status from 500 to 599.
    #[error("the token endpoint failed ({status})")]
    Failed {
        /// The status.
        status: u16,
    },
    /// A status that is neither success nor an error, for example a redirect, which is not followed.
    #[error("the token endpoint answered in an unexpected way ({status})")]
    Unexpected {
        /// The status.
        status: u16,
    },
    /// No answer in time.
    #[error("the token endpoint did not answer within {seconds} s")]
    Timeout {
        /// The time that it had.
        seconds: u64,
    },
    /// Nobody listens there.
    #[error("the token endpoint refused the connection")]
    ConnectionRefused,
    /// There is no TLS with it.
    #[error("there is no TLS with the token endpoint: {}", .0.reason())]
    Tls(TlsFailure),
    /// It cannot be reached, or the connection broke.
    #[error("the token endpoint cannot be reached, or the connection broke")]
    Unreachable,
    /// An answer without `access_token`, or with one that cannot stand in a header.
    #[error("the token endpoint's answer holds no access token")]
    MissingToken,
    /// An answer that is not JSON, or not of the right types.
    #[error("the token endpoint's answer is not the JSON that it should be")]
    InvalidJson,
    /// An answer that is longer than any that is right.
    #[error("the token endpoint's answer is too long")]
    TooLong,
    /// A token of a type that we do not know how to show (RFC 6749, section 7.1).
    #[error("the token endpoint gave a token that is no bearer token")]
    NotBearer,
    /// The client's secret is kept in Secrets Manager, which did not give it.
    #[error("the secret of the token client cannot be read")]
    NoSecret,
    /// This client was closed.
    #[error("the token client is closed")]
    Closed,
}
