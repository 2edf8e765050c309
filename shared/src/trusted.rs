//! Tokens of other issuers that are accepted as they are: those that the configuration trusts, for the audience and by the
//! algorithms that it names. What such a token allows is what the configuration grants to the values of one of its claims; a
//! value that is not there grants nothing.

mod config;
mod keys;

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::certificate::Confirmation;
use crate::config::{ConfigError, Variables, tree};
use crate::error::Error;
use crate::jwt::{Audience, KeyAlgorithm, LONGEST_TOKEN_BYTES, Refusal, signature_only};
use crate::principal::{Subject, Team};
use crate::scope::Scopes;
use crate::secret::hex;

pub(crate) use config::{EXPECTED, is_right};

use config::TrustedIssuer;
use keys::IssuerKeys;

/// Who a token of another issuer speaks for here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `user:<label>.<subject there>`: identity is the issuer and its subject, and never an address.
    pub subject: Subject,
    /// What its claims were granted.
    pub scopes: Scopes,
    /// The team that its claim was given.
    pub team: Option<Team>,
    /// When it ends, in seconds since the Unix epoch.
    pub expires_at: i64,
    /// The certificate that whoever shows it must hold.
    pub bound_to: Option<Confirmation>,
}

/// The issuers that are trusted, and their keys.
pub struct Trusted {
    issuers: Vec<(TrustedIssuer, IssuerKeys)>,
}

/// What every token says (RFC 7519, section 4.1), and the rest. A name twice among these is refused.
#[derive(Deserialize)]
struct Said {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Trusted {
    /// Reads the configuration. Nothing goes out before the first token of one of these issuers.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn new(variables: &Variables) -> Result<Self, ConfigError> {
        let loopback = tree::TRUSTED_ISSUERS_LOOPBACK.find(variables)?.is_some();
        let issuers = config::read(variables, loopback)?.into_iter();
        Ok(Self {
            issuers: issuers
                .map(|issuer| {
                    let keys = IssuerKeys::new(&issuer, loopback);
                    (issuer, keys)
                })
                .collect(),
        })
    }

    /// Verifies a token of a trusted issuer; `None` for one that names another issuer. The outer error is that this cannot be
    /// found out.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] when the issuer's keys cannot be read.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Option<Result<Identity, Refusal>>, Error> {
        let Some((issuer, keys)) = self.named(token) else {
            return Ok(None);
        };
        let Some((algorithm, kid)) = key_of(token).filter(|(algorithm, _)| issuer.algorithms.contains(algorithm))
        else {
            return Ok(Some(Err(Refusal::Invalid)));
        };
        let key = keys.key(&kid, algorithm, now).await?;
        Ok(Some(match key {
            Some(key) => identity(issuer, &key, algorithm, token, now.as_second()),
            None => Err(Refusal::Invalid),
        }))
    }

    /// The issuer that a token names, which is not believed yet.
    fn named(&self, token: &str) -> Option<&(TrustedIssuer, IssuerKeys)> {
        #[derive(Deserialize)]
        struct Named {
            iss: String,
        }
        if self.issuers.is_empty() || token.len() > LONGEST_TOKEN_BYTES {
            return None;
        }
        let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let named: Named = serde_json::from_slice(&payload).ok()?;
        self.issuers.iter().find(|(issuer, _)| issuer.issuer == named.iss)
    }
}

/// The algorithm and the key that a token names. Others write more into a header than we do, but what brings a key along, or must
/// be understood, is refused. An `id_token` has the type `JWT` too: what tells it from an access token is its audience.
fn key_of(token: &str) -> Option<(KeyAlgorithm, String)> {
    #[derive(Deserialize)]
    struct Header {
        #[serde(default)]
        typ: Option<String>,
        alg: KeyAlgorithm,
        kid: String,
        #[serde(flatten)]
        rest: Map<String, Value>,
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: Header = serde_json::from_slice(&bytes).ok()?;
    let typ = header.typ.as_deref().unwrap_or("JWT");
    let known = ["jwt", "at+jwt", "application/at+jwt"].contains(&&*typ.to_ascii_lowercase());
    let tricks = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"];
    let plain = !tricks.iter().any(|name| header.rest.contains_key(*name));
    (known && plain && !header.kid.is_empty()).then_some((header.alg, header.kid))
}

fn identity(
    issuer: &TrustedIssuer,
    key: &Arc<DecodingKey>,
    algorithm: KeyAlgorithm,
    token: &str,
    now: i64,
) -> Result<Identity, Refusal> {
    let said = jsonwebtoken::decode::<Said>(token, key, &signature_only(algorithm.of_library()));
    let said = said.map_err(|_| Refusal::Invalid)?.claims;
    let early = |time: Option<i64>| time.is_some_and(|time| time > now);
    if said.iss != issuer.issuer || !said.aud.names(&issuer.audience) || early(said.iat) || early(said.nbf) {
        return Err(Refusal::Invalid);
    }
    if said.exp <= now {
        return Err(Refusal::Expired);
    }
    let bound_to = said.rest.get("cnf").map(Confirmation::deserialize).transpose();
    Ok(Identity {
        subject: subject(&issuer.label, &said.sub).ok_or(Refusal::Invalid)?,
        scopes: issuer.scopes(&said.rest),
        team: issuer.team(&said.rest),
        expires_at: said.exp,
        // Bound in a way that cannot be checked here (a key of DPoP's, say) is no bearer token.
        bound_to: bound_to.map_err(|_| Refusal::Invalid)?,
    })
}

/// The subject there as it is, if it can be one here, and otherwise its SHA-256 behind a `+`, with which none begins that is
/// taken as it is.
fn subject(label: &str, there: &str) -> Option<Subject> {
    if there.is_empty() {
        return None;
    }
    let plain = (!there.starts_with('+'))
        .then(|| format!("user:{label}.{there}").parse().ok())
        .flatten();
    let digest = || hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, there.as_bytes()).as_ref());
    plain.or_else(|| format!("user:{label}.+{}", digest()).parse().ok())
}

#[cfg(test)]
mod tests;
