//! Access tokens: JWTs of the `at+jwt` profile (RFC 9068).
//!
//! One key has one algorithm ([`SigningKey`]), and a verifier knows the algorithm before it reads the token (RFC 8725,
//! section 3.1). What a token says of its own key (`jwk`, `jku`, `x5u`, `x5c`) is refused, never followed. The keys that
//! count at a time are a [`KeyRing`].

mod key;
mod ring;

use serde::{Deserialize, Serialize};

use crate::certificate::Confirmation;

pub(crate) use key::signature_only;
pub use key::{BadKey, KeyAlgorithm, SigningKey, VerifyingKey};
pub use ring::{KeyRing, KeyState, RingKey, Rotation};

/// An access token of a service account lives this long.
pub const ACCESS_TOKEN_SECONDS: i64 = 1800;

/// No access token lives longer. A key is kept for so long after it has stopped to sign.
pub const LONGEST_ACCESS_TOKEN_SECONDS: i64 = 3600;

/// Longer tokens are refused unread.
pub const LONGEST_TOKEN_BYTES: usize = 8 * 1024;

/// The media type of RFC 9068, section 2.1, without its `application/`.
const TOKEN_TYPE: &str = "at+jwt";

/// What an access token says (RFC 9068, section 2.2). Unknown claims are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// Whom it is about.
    pub sub: String,
    /// For whom it is: a name, or a list of names.
    pub aud: Audience,
    /// When it ends, in seconds since the Unix epoch.
    pub exp: i64,
    /// When it was made.
    pub iat: i64,
    /// When it begins to count, if not at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Its own name.
    pub jti: String,
    /// The OAuth client that asked for it.
    pub client_id: String,
    /// What it allows (RFC 6749, section 3.3).
    #[serde(default)]
    pub scope: String,
    /// The team on whose account the caller works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The login session that the token came of, for a person's (OpenID Connect's name for it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The certificate that whoever shows it must hold (RFC 8705, section 3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// One name or several (RFC 7519, section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// `"aud": "a"`
    One(String),
    /// `"aud": ["a", "b"]`
    Several(Vec<String>),
}

impl Audience {
    pub(crate) fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(name) => name == audience,
            Self::Several(names) => names.iter().any(|name| name == audience),
        }
    }
}

/// Why a token does not count. Callers see one answer for all of them; metrics tell the expired ones apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It is not one of ours, or not for us.
    #[error("the token is not valid")]
    Invalid,
}

/// Whether a credential has the shape of a JWT in compact serialisation: three parts, parted by dots.
pub fn looks_like_jwt(credential: &str) -> bool {
    credential.starts_with("eyJ") && credential.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod ring_tests;
#[cfg(test)]
mod tests;
