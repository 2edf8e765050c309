//! The keys that count: one that signs, one that is published to sign next, and those that signed until their last token
//! is dead.
//!
//! What a key is at a moment follows from its times alone, so every function that has read the same secret agrees, and
//! nothing has to be written at the moment when the next key takes over.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::key::{Material, key_of};
use super::{BadKey, Claims, KeyAlgorithm, LONGEST_ACCESS_TOKEN_SECONDS, Refusal, SigningKey};

/// What a key is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, so that verifiers know it before it signs.
    PublishedNext,
    /// It signs.
    Signing,
    /// It signs no more; what it signed still counts.
    Retiring,
    /// Nothing that it signed counts.
    Ended,
}

/// A key and its times.
pub struct RingKey {
    /// The key.
    pub key: SigningKey,
    material: Material,
    /// When it was made, and published.
    pub created_at: Timestamp,
    /// It signs nothing before.
    pub not_before_signing: Timestamp,
    /// From then on nothing that it signed counts. Known once its successor is.
    pub ends_at: Option<Timestamp>,
}

/// How keys are rotated.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// What new keys sign with.
    pub algorithm: KeyAlgorithm,
    /// How long a key signs.
    pub period: SignedDuration,
    /// How long it is published before it signs: longer than anybody keeps a list of keys.
    pub lead: SignedDuration,
}

impl Rotation {
    /// Published for so long before it signs: longer than [`crate::signing::STALE_SECONDS`], for which a function may use a ring
    /// that it cannot read again, and than the five minutes for which others may keep the JWKS.
    pub const LEAD: SignedDuration = SignedDuration::from_hours(2);
    /// Clocks may differ by so much.
    const SKEW: SignedDuration = SignedDuration::from_secs(60);
}

/// All keys of the secret, by the time from which they sign.
pub struct KeyRing {
    keys: Vec<RingKey>,
}

/// A key as the secret holds it.
#[derive(Serialize, Deserialize)]
struct Stored {
    alg: KeyAlgorithm,
    kid: String,
    #[serde(flatten)]
    material: Material,
    created_at: Timestamp,
    not_before_signing: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct StoredRing<K> {
    keys: Vec<K>,
}

/// What a fresh deployment's secret holds.
#[derive(Deserialize)]
struct First {
    alg: String,
    seed: String,
}

impl KeyRing {
    /// Reads the secret: the seed of a fresh deployment, or the keys that rotations have written. `configured` is the
    /// algorithm of new keys; an HMAC key counts only if it is HS256.
    ///
    /// # Errors
    /// [`BadKey`]
    pub fn from_stored(secret: &str, configured: KeyAlgorithm) -> Result<Self, BadKey> {
        let keys = match serde_json::from_str::<StoredRing<Stored>>(secret) {
            Ok(stored) => stored
                .keys
                .into_iter()
                .map(RingKey::read)
                .collect::<Result<Vec<_>, _>>()?,
            Err(_) => vec![first(serde_json::from_str(secret).map_err(|_| BadKey::NotJson)?)?],
        };
        let mut ring = Self { keys };
        ring.keys.sort_by_key(|it| it.not_before_signing);
        ring.check(configured)?;
        Ok(ring)
    }

    /// The same with a time for the key of a fresh deployment, which the secret does not tell: that of the secret itself.
    #[must_use]
    pub fn first_made_at(mut self, made_at: Timestamp) -> Self {
        for key in self.keys.iter_mut().filter(|it| it.created_at == Timestamp::UNIX_EPOCH) {
            key.created_at = made_at;
        }
        self
    }

    fn check(&self, configured: KeyAlgorithm) -> Result<(), BadKey> {
        let is_hmac = |it: &RingKey| it.algorithm() == KeyAlgorithm::Hs256;
        if configured != KeyAlgorithm::Hs256 && self.keys.iter().any(is_hmac) {
            return Err(BadKey::Algorithm);
        }
        let mut ids: Vec<&str> = self.keys.iter().map(|it| it.key.verifying().kid()).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(BadKey::KeyId);
        }
        Ok(())
    }

    /// What the secret is to hold.
    ///
    /// # Errors
    /// When a time cannot be written.
    pub fn to_stored(&self) -> Result<String, serde_json::Error> {
        let keys = self.keys.iter().map(RingKey::stored).collect();
        serde_json::to_string(&StoredRing { keys })
    }

    /// Every key, with what it is at `now`.
    pub fn keys(&self, now: Timestamp) -> impl Iterator<Item = (&RingKey, KeyState)> {
        let signing = self.signing(now).map(|it| it.not_before_signing);
        self.keys.iter().map(move |key| (key, key.state(signing, now)))
    }

    /// The key that signs at `now`: of those that may, the one that began last.
    pub fn signing(&self, now: Timestamp) -> Option<&RingKey> {
        let may_sign = |it: &&RingKey| it.not_before_signing <= now && !it.is_over(now);
        self.keys.iter().rev().find(may_sign)
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// [`BadKey::NoKey`] if no key signs at `now`; [`BadKey::Derivation`] when the cryptography fails.
    pub fn sign(&self, claims: &Claims, now: Timestamp) -> Result<String, BadKey> {
        let key = self.signing(now).ok_or(BadKey::NoKey)?;
        key.key.sign(claims).map_err(|_| BadKey::Derivation)
    }

    /// The JWKS (RFC 7517, section 5): the public halves of all keys but those that are over.
    pub fn jwks(&self, now: Timestamp) -> serde_json::Value {
        let public = self.keys.iter().filter(|it| !it.is_over(now));
        let keys: Vec<_> = public
            .filter(|it| it.algorithm() != KeyAlgorithm::Hs256)
            .map(|it| it.key.verifying().to_jwk())
            .collect();
        serde_json::json!({ "keys": keys })
    }

    /// Whether a token names a key that is not here, in a header that is otherwise as ours are: only then a newer ring can help.
    pub fn misses_key_of(&self, token: &str) -> bool {
        key_of(token).is_ok_and(|(_, kid)| !self.keys.iter().any(|it| it.key.verifying().kid() == kid))
    }

    /// Whether the key that a token names is here, and not over.
    pub fn counts_key_of(&self, token: &str, now: Timestamp) -> bool {
        key_of(token).is_ok_and(|(_, kid)| {
            let named = self.keys.iter().find(|it| it.key.verifying().kid() == kid);
            named.is_some_and(|it| !it.is_over(now))
        })
    }

    /// Verifies an access token by the key that it names. The key must not be over; one that is yet to sign has signed nothing.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn verify(&self, token: &str, issuer: &str, audience: &str, now: Timestamp) -> Result<Claims, Refusal> {
        let (_, kid) = key_of(token)?;
        let named = self.keys.iter().find(|it| it.key.verifying().kid() == kid);
        let alive = named.filter(|it| !it.is_over(now)).ok_or(Refusal::Invalid)?;
        alive.key.verifying().verify(token, issuer, audience, now.as_second())
    }

    /// The ring after a look at the clock: what is over is gone, and if the signing key is near the end of its period, the next
    /// one is there. `None`: nothing is to be changed.
    ///
    /// # Errors
    /// [`BadKey`] when no key can be made, or none signs.
    pub fn rotated(mut self, rotation: &Rotation, now: Timestamp) -> Result<Option<Self>, BadKey> {
        let before = self.keys.len();
        self.keys.retain(|it| !it.is_over(now));
        let current = self.signing(now).ok_or(BadKey::NoKey)?;
        let has_next = self.keys.iter().any(|it| it.not_before_signing > now);
        let age = now.duration_since(current.not_before_signing.max(current.created_at));
        if !has_next && age >= rotation.period - rotation.lead {
            let next = RingKey::next(rotation, now)?;
            let kept = SignedDuration::from_secs(LONGEST_ACCESS_TOKEN_SECONDS) + Rotation::SKEW;
            for key in self.keys.iter_mut().filter(|it| it.ends_at.is_none()) {
                key.ends_at = Some(next.not_before_signing + kept);
            }
            self.keys.push(next);
            return Ok(Some(self));
        }
        Ok((self.keys.len() != before).then_some(self))
    }
}

/// The key of a seed has no times: it signs from the beginning.
fn first(stored: First) -> Result<RingKey, BadKey> {
    let algorithm = match stored.alg.parse() {
        Ok(algorithm @ (KeyAlgorithm::EdDsa | KeyAlgorithm::Hs256)) => algorithm,
        _ => return Err(BadKey::Algorithm),
    };
    let material = Material::Seed(stored.seed);
    Ok(RingKey {
        key: SigningKey::from_material(algorithm, &material)?,
        material,
        created_at: Timestamp::UNIX_EPOCH,
        not_before_signing: Timestamp::UNIX_EPOCH,
        ends_at: None,
    })
}

impl RingKey {
    fn read(stored: Stored) -> Result<Self, BadKey> {
        let key = SigningKey::from_material(stored.alg, &stored.material)?;
        if key.verifying().kid() != stored.kid {
            return Err(BadKey::KeyId);
        }
        Ok(Self {
            key,
            material: stored.material,
            created_at: stored.created_at,
            not_before_signing: stored.not_before_signing,
            ends_at: stored.ends_at,
        })
    }

    fn stored(&self) -> Stored {
        Stored {
            alg: self.algorithm(),
            kid: self.key.verifying().kid().to_owned(),
            material: self.material.clone(),
            created_at: self.created_at,
            not_before_signing: self.not_before_signing,
            ends_at: self.ends_at,
        }
    }

    fn next(rotation: &Rotation, now: Timestamp) -> Result<Self, BadKey> {
        let (key, material) = SigningKey::generate(rotation.algorithm)?;
        Ok(Self {
            key,
            material,
            created_at: now,
            not_before_signing: now + rotation.lead,
            ends_at: None,
        })
    }

    fn algorithm(&self) -> KeyAlgorithm {
        self.key.verifying().algorithm()
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }

    fn state(&self, signing_since: Option<Timestamp>, now: Timestamp) -> KeyState {
        match signing_since {
            _ if self.is_over(now) => KeyState::Ended,
            _ if self.not_before_signing > now => KeyState::PublishedNext,
            Some(since) if since == self.not_before_signing => KeyState::Signing,
            _ => KeyState::Retiring,
        }
    }
}
