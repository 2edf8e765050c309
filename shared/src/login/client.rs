//! The programs that people sign in for.

use serde::Deserialize;

use super::redirect_uri::{is_one_of, is_redirect_uri};
use crate::scope::Scopes;

/// A client without a secret (RFC 6749, section 2.1): a program on somebody's machine, or in their browser.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicClient {
    /// Its name in requests.
    pub client_id: String,
    /// As the consent page shows it.
    pub name: String,
    /// Where its codes may be sent.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Where a browser may be sent after signing out (OpenID Connect RP-Initiated Logout 1.0, section 3.1).
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// What its tokens may allow at the most.
    #[serde(default = "Scopes::of_a_user")]
    pub scopes: Scopes,
    /// Whether a person is asked.
    #[serde(default)]
    pub consent: ConsentRule,
}

/// Whether a person is asked before a client gets a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentRule {
    /// Each time.
    #[default]
    Ask,
    /// Not for this client: it is the company's own, and nobody else can receive at its redirect URIs.
    Implied,
}

impl PublicClient {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let mut uris = self.redirect_uris.iter().chain(&self.post_logout_redirect_uris);
        if uris.all(|uri| is_redirect_uri(uri)) {
            return Ok(());
        }
        Err(
            "absolute redirect URIs without fragment: https, http on 127.0.0.1 or [::1], or a scheme of one's own with a dot",
        )
    }

    /// Whether it may receive at `uri`.
    pub fn owns(&self, uri: &str) -> bool {
        is_one_of(&self.redirect_uris, uri)
    }

    /// Whether it may have a browser sent to `uri` after signing out: character by character, whatever the host.
    pub fn owns_after_logout(&self, uri: &str) -> bool {
        self.post_logout_redirect_uris.iter().any(|own| own == uri)
    }
}
