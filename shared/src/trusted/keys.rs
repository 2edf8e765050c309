//! The keys of an issuer, found by its metadata (OpenID Connect Discovery 1.0, section 4) and kept. What an issuer says is hostile
//! input: its documents are bounded, nothing is followed, and no address is asked that is not public.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::config::TrustedIssuer;
use crate::alerts::Resolver;
use crate::error::Error;
use crate::jwt::KeyAlgorithm;
use crate::signing::{REFETCH_SECONDS, RING_SECONDS, STALE_SECONDS, within};

/// The most that a document holds.
const MAX_BYTES: usize = 256 * 1024;
/// The most keys that are looked at.
const MAX_KEYS: usize = 100;
/// The shortest modulus of an RSA key, in bytes (RFC 7518, section 3.3).
const LEAST_MODULUS: usize = 256;

/// Keys by their id, each with its one algorithm.
type Keys = BTreeMap<String, (KeyAlgorithm, Arc<DecodingKey>)>;

/// The keys of one issuer.
pub(super) struct IssuerKeys {
    issuer: String,
    algorithms: Vec<KeyAlgorithm>,
    loopback: bool,
    client: OnceCell<Client>,
    held: Mutex<Held>,
    reading: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Held {
    keys: Option<(Arc<Keys>, Timestamp)>,
    tried_at: Option<Timestamp>,
}

/// A URL that may be asked: https without a user, at a name or a public address; with `loopback`, this machine too.
pub(super) fn endpoint(text: &str, loopback: bool) -> Option<Url> {
    crate::alerts::public_url(text, loopback).filter(|url| url.fragment().is_none())
}

impl IssuerKeys {
    pub(super) fn new(issuer: &TrustedIssuer, loopback: bool) -> Self {
        Self {
            issuer: issuer.issuer.clone(),
            algorithms: issuer.algorithms.clone(),
            loopback,
            client: OnceCell::new(),
            held: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// The key of this id, if it is for this algorithm. An id that is not known makes for one reading more, at most one in
    /// [`REFETCH_SECONDS`]; so does a failure.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] when there are no keys to look at.
    pub(super) async fn key(
        &self,
        kid: &str,
        algorithm: KeyAlgorithm,
        now: Timestamp,
    ) -> Result<Option<Arc<DecodingKey>>, Error> {
        let held = self.held();
        let fresh = held.keys.filter(|(_, read_at)| within(*read_at, now, RING_SECONDS));
        let keys = match fresh {
            Some((keys, _)) if keys.contains_key(kid) => keys,
            _ => self.read(kid, now).await?,
        };
        let named = keys.get(kid).filter(|(its, _)| *its == algorithm);
        Ok(named.map(|(_, key)| key.clone()))
    }

    /// Reads the keys, one at a time, unless that was tried a moment ago.
    async fn read(&self, kid: &str, now: Timestamp) -> Result<Arc<Keys>, Error> {
        let _one = self.reading.lock().await;
        let held = self.held();
        let usable = held.keys.filter(|(_, read_at)| within(*read_at, now, STALE_SECONDS));
        let tried = held.tried_at.is_some_and(|at| within(at, now, REFETCH_SECONDS));
        match (usable, tried) {
            (Some((keys, read_at)), _) if keys.contains_key(kid) && within(read_at, now, RING_SECONDS) => Ok(keys),
            (Some((keys, _)), true) => Ok(keys),
            (None, true) => Err(Error::unavailable("an issuer's keys could not be read a moment ago")),
            (usable, false) => self.read_now(usable.map(|(keys, _)| keys), now).await,
        }
    }

    async fn read_now(&self, usable: Option<Arc<Keys>>, now: Timestamp) -> Result<Arc<Keys>, Error> {
        let read = self.fetched().await;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.tried_at = Some(now);
        match (read, usable) {
            (Ok(keys), _) => {
                let keys = Arc::new(keys);
                held.keys = Some((keys.clone(), now));
                Ok(keys)
            }
            (Err(error), Some(keys)) => {
                tracing::warn!(error = ?error, "an issuer's keys cannot be read again; those read before count on");
                Ok(keys)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn fetched(&self) -> Result<Keys, Error> {
        let metadata = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata = self.document(&metadata).await?;
        if metadata["issuer"].as_str() != Some(&self.issuer) {
            return Err(Error::unavailable("an issuer's metadata name another issuer"));
        }
        let jwks = self.document(metadata["jwks_uri"].as_str().unwrap_or_default()).await?;
        Ok(usable_keys(&jwks, &self.algorithms))
    }

    async fn document(&self, url: &str) -> Result<Value, Error> {
        let url = endpoint(url, self.loopback)
            .ok_or_else(|| Error::unavailable("an issuer names a URL that is not asked"))?;
        let client = self.client.get_or_try_init(|| async { client(self.loopback) }).await?;
        let mut answer = client.get(url).send().await.map_err(Error::unavailable)?;
        if answer.status() != 200 {
            return Err(Error::unavailable(format!("an issuer answered {}", answer.status())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Error::unavailable)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(Error::unavailable("an issuer's document is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| Error::unavailable("an issuer's document is not JSON"))
    }

    fn held(&self) -> Held {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A client that follows nothing, goes by no proxy, and finds public addresses alone.
fn client(loopback: bool) -> Result<Client, Error> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .https_only(!loopback)
        .dns_resolver(Arc::new(Resolver { loopback }))
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(4))
        .user_agent("tollgate")
        .build()
        .map_err(Error::unavailable)
}

/// The keys that may verify: public ones, with an id of their own, for signatures, of an algorithm that is allowed, and strong
/// enough. Others are left out and spoil nothing; of two with one id neither counts.
pub(super) fn usable_keys(jwks: &Value, algorithms: &[KeyAlgorithm]) -> Keys {
    let (mut keys, mut seen) = (Keys::new(), std::collections::BTreeSet::new());
    for jwk in jwks["keys"].as_array().into_iter().flatten().take(MAX_KEYS) {
        let Some(kid) = jwk["kid"].as_str().filter(|kid| !kid.is_empty()) else {
            continue;
        };
        if !seen.insert(kid.to_owned()) {
            keys.remove(kid);
        } else if let Some(key) = usable(jwk).filter(|(algorithm, _)| algorithms.contains(algorithm)) {
            keys.insert(kid.to_owned(), key);
        }
    }
    keys
}

fn usable(jwk: &Value) -> Option<(KeyAlgorithm, Arc<DecodingKey>)> {
    let algorithm = match (jwk["kty"].as_str()?, jwk["crv"].as_str()) {
        ("RSA", None) => KeyAlgorithm::Rs256,
        ("EC", Some("P-256")) => KeyAlgorithm::Es256,
        ("OKP", Some("Ed25519")) => KeyAlgorithm::EdDsa,
        _ => return None,
    };
    let object = jwk.as_object()?;
    let private = ["d", "p", "q", "dp", "dq", "qi", "k", "oth"]
        .iter()
        .any(|name| object.contains_key(*name));
    let named = object
        .get("alg")
        .is_none_or(|alg| alg.as_str() == Some(algorithm.name()));
    let signs = object.get("use").is_none_or(|it| it.as_str() == Some("sig"));
    if private || !named || !signs || !is_strong(algorithm, jwk) {
        return None;
    }
    let jwk: Jwk = serde_json::from_value(jwk.clone()).ok()?;
    Some((algorithm, Arc::new(DecodingKey::from_jwk(&jwk).ok()?)))
}

fn is_strong(algorithm: KeyAlgorithm, jwk: &Value) -> bool {
    let bytes = |name: &str| {
        BASE64_URL_SAFE_NO_PAD
            .decode(jwk[name].as_str().unwrap_or_default())
            .unwrap_or_default()
    };
    match algorithm {
        KeyAlgorithm::Rs256 => {
            let (modulus, exponent) = (bytes("n"), bytes("e"));
            (LEAST_MODULUS..=1024).contains(&modulus.len()) && modulus[0] != 0 && exponent == [1, 0, 1]
        }
        KeyAlgorithm::Es256 => bytes("x").len() == 32 && bytes("y").len() == 32,
        KeyAlgorithm::EdDsa => bytes("x").len() == 32,
        KeyAlgorithm::Hs256 => false,
    }
}
