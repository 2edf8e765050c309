//! Identity providers: where a browser is sent, and who it was that came back.
//!
//! OpenID is spoken by the crate `openidconnect` (docs/adr/0013), which no other function has.
//!
//! Everything that a provider says is hostile input: its documents are bounded, its endpoints must be https (loopback for a provider
//! that is there itself), no redirect is followed. Its tokens live in this module's variables and nowhere else.

mod discovery;
mod github;
mod id_token;
mod keys;
mod outside;
mod person;
mod userinfo;

use std::collections::HashMap;
use std::sync::Arc;

use gateway::clock::Clock;
use gateway::error::Error;
use gateway::login::{Make, Provider};
use gateway::secrets::Secrets;
use openidconnect::OAuth2TokenResponse as _;
use reqwest::Url;
use serde_json::Value;
use tokio::sync::Mutex;

use discovery::Discovered;
pub(crate) use outside::Outside;
pub(crate) use person::Person;

/// What one login is about. Nonce and verifier are secrets of this login.
pub(crate) struct Attempt {
    pub(crate) callback: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

impl Attempt {
    /// The S256 challenge (RFC 7636, section 4.2).
    pub(crate) fn challenge(&self) -> String {
        gateway::oauth::s256(&self.verifier)
    }
}

/// Asks providers, and remembers their documents.
pub(crate) struct Providers {
    outside: Outside,
    secrets: Secrets,
    clock: Clock,
    known: Mutex<HashMap<String, Arc<Discovered>>>,
}

impl Providers {
    pub(crate) fn new(secrets: Secrets, clock: Clock) -> Self {
        Self {
            outside: Outside::new(),
            secrets,
            clock,
            known: Mutex::default(),
        }
    }

    /// Where the browser is to go (OpenID Connect Core, section 3.1.2.1).
    pub(crate) async fn authorization_url(&self, provider: &Provider, attempt: &Attempt) -> Result<Url, Error> {
        match provider.kind {
            Make::Github => github::authorization_url(provider, attempt),
            _ => self.discovered(provider).await?.authorization_url(provider, attempt),
        }
    }

    /// Whether a callback comes from the provider that was asked (RFC 9207, section 2.4).
    pub(crate) async fn is_from(&self, provider: &Provider, iss: Option<&str>) -> Result<bool, Error> {
        let right = provider.issuer();
        match iss {
            Some(iss) => Ok(right.as_deref() == Some(iss)),
            None if provider.kind == Make::Github => Ok(true),
            None => Ok(!self.discovered(provider).await?.names_itself_in_answers()),
        }
    }

    /// Where a browser ends its session at the provider. None where the provider has no such place; Okta's asks for an id token, and
    /// none is kept.
    pub(crate) async fn logout_url(
        &self,
        provider: &Provider,
        after: String,
        state: String,
    ) -> Result<Option<Url>, Error> {
        match provider.kind {
            Make::Github | Make::Okta => Ok(None),
            _ => self.discovered(provider).await?.logout_url(provider, after, state),
        }
    }

    /// Who came with this code.
    pub(crate) async fn person(&self, provider: &Provider, attempt: &Attempt, code: &str) -> Result<Person, Error> {
        let secret = self.secrets.read(&provider.secret).await?;
        match provider.kind {
            Make::Github => github::person(&self.outside, provider, attempt, code, &secret).await,
            _ => self.person_by_id_token(provider, attempt, code, &secret).await,
        }
    }

    async fn person_by_id_token(
        &self,
        provider: &Provider,
        attempt: &Attempt,
        code: &str,
        secret: &str,
    ) -> Result<Person, Error> {
        let discovered = self.discovered(provider).await?;
        let tokens = discovery::exchange(&self.outside, &discovered, provider, attempt, code, secret).await?;
        let now = self.clock.now_seconds();
        let wanted = id_token::Wanted {
            client_id: &provider.client_id,
            nonce: &attempt.nonce,
            now_seconds: now,
        };
        let claims = match id_token::verify(&tokens, &discovered, &wanted) {
            // The provider may have a new key. Its documents are read again, but not for every token of somebody's making.
            Err(id_token::Refusal::UnknownKey) if discovered.read_at + discovery::REREAD_SECONDS <= now => {
                self.known.lock().await.remove(&provider.id);
                let again = self.discovered(provider).await?;
                id_token::verify(&tokens, &again, &wanted)
            }
            verdict => verdict,
        }
        .map_err(Error::internal)?;
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let more = match person::is_thin(&claims, provider) {
            true => userinfo::read(&self.outside, &discovered, tokens.access_token(), subject).await?,
            false => None,
        };
        person::person(&claims, more.as_ref(), provider)
    }

    /// The provider's documents. However many ask at once, they are read once; a failure is not kept.
    async fn discovered(&self, provider: &Provider) -> Result<Arc<Discovered>, Error> {
        let mut known = self.known.lock().await;
        let now = self.clock.now_seconds();
        if let Some(found) = known.get(&provider.id)
            && (found.read_at..found.read_at + discovery::FRESH_SECONDS).contains(&now)
        {
            return Ok(Arc::clone(found));
        }
        let read = Arc::new(discovery::read(&self.outside, provider, now).await?);
        known.insert(provider.id.clone(), Arc::clone(&read));
        Ok(read)
    }
}
