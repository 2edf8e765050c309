//! A token and how long it is good for.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

/// A token is used again while more than so many seconds are left.
pub const FRESH_SECONDS: i64 = 300;
/// How long a token lives whose answer does not say.
pub const DEFAULT_LIFE_SECONDS: i64 = 1800;

/// An access token in the clear. It is not printed, and its memory is wiped when the last one lets go of it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    text: Arc<Zeroizing<String>>,
    expires_at: i64,
}

/// How it is with the token that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none.
    None,
    /// No second is left.
    Expired,
    /// At most [`FRESH_SECONDS`] are left: the next one who asks gets a new one.
    Expiring,
    /// More are left.
    Valid,
}

impl State {
    /// What a token is at a moment.
    pub(super) fn of(token: Option<&AccessToken>, now: Timestamp) -> Self {
        match token.map(|it| it.expires_at.saturating_sub(now.as_second())) {
            None => Self::None,
            Some(..=0) => Self::Expired,
            Some(1..=FRESH_SECONDS) => Self::Expiring,
            Some(_) => Self::Valid,
        }
    }
}

impl AccessToken {
    /// Its life begins when it was asked for, which is before it was made.
    pub(super) fn new(text: Zeroizing<String>, asked_at: Timestamp, life_seconds: i64) -> Self {
        Self {
            text: Arc::new(text),
            expires_at: asked_at.as_second().saturating_add(life_seconds),
        }
    }

    /// The token itself, for the header that shows it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// When it ends, in seconds since the Unix epoch.
    pub fn expires_at(&self) -> i64 {
        self.expires_at
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AccessToken(…, expires_at: {})", self.expires_at)
    }
}
