//! The issuer of access tokens and its keys, as `token` signs and `authorizer` verifies, and their rotation.
//!
//! The keys are read when they are first needed and kept for [`RING_SECONDS`]. While the secret cannot be read, what was read
//! counts on, [`STALE_SECONDS`] at the longest. A token that names an unknown key makes for one reading more, at most one in
//! [`REFETCH_SECONDS`], however many such tokens come.

mod verified;

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::aws::Aws;
use crate::config::values::BackendKind;
use crate::config::{ConfigError, Issuer, Variables, tree};
use crate::error::Error;
use crate::jwt::{Claims, KeyAlgorithm, KeyRing, Refusal, Rotation};
use crate::secrets::{Replaced, Secrets};

use verified::{TokenDigest, Verified};

/// The keys are read again after so long.
pub const RING_SECONDS: i64 = 300;
/// Keys that cannot be read again count for so long after they were read.
pub const STALE_SECONDS: i64 = 3600;
/// Between two readings that a failure or an unknown key makes for lies so much.
pub const REFETCH_SECONDS: i64 = 30;

/// Who issues tokens, for whom, and with which keys.
pub struct Signing {
    /// The issuer.
    pub issuer: Issuer,
    /// Whom tokens are for.
    pub audience: String,
    algorithm: KeyAlgorithm,
    secrets: Secrets,
    secret_id: String,
    held: Mutex<Held>,
    reading: tokio::sync::Mutex<()>,
    verified: Option<Verified>,
}

#[derive(Clone, Default)]
struct Held {
    ring: Option<(Arc<KeyRing>, Timestamp)>,
    tried_at: Option<Timestamp>,
}

/// Whether a reading by another served as well, and what it read.
type Enough<'a> = dyn Fn() -> Option<Arc<KeyRing>> + Sync + 'a;

impl Signing {
    /// Reads the configuration. The keys are read when they are first needed.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn new(aws: &Aws, variables: &Variables) -> Result<Self, ConfigError> {
        Ok(Self {
            issuer: variables.issuer()?,
            audience: variables.audience()?,
            algorithm: tree::SIGNING_ALGORITHM.get(variables)?,
            secrets: Secrets::new(aws),
            secret_id: variables.signing_secret()?,
            held: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            verified: (tree::CACHE_KIND.get(variables)? != BackendKind::None).then(Verified::new),
        })
    }

    /// Where HS256 is configured, reads the keys, so that a function with an empty or a short secret does not start.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`], with [`crate::jwt::BadKey`] as its cause.
    pub async fn refuse_weak_secret(&self, now: Timestamp) -> Result<(), Error> {
        match self.algorithm {
            KeyAlgorithm::Hs256 => self.ring(now).await.map(drop),
            _ => Ok(()),
        }
    }

    /// The keys. However many ask at once, they are read once.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] when the secret cannot be read, or holds no keys.
    pub async fn ring(&self, now: Timestamp) -> Result<Arc<KeyRing>, Error> {
        match self.fresh(now) {
            Some(ring) => Ok(ring),
            None => self.read(now, &|| self.fresh(now)).await,
        }
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// As [`Self::ring`].
    pub async fn sign(&self, claims: &Claims, now: Timestamp) -> Result<String, Error> {
        self.ring(now).await?.sign(claims, now).map_err(Error::unavailable)
    }

    /// Verifies an access token of our own. The outer error is that this cannot be found out.
    ///
    /// # Errors
    /// As [`Self::ring`].
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Result<Claims, Refusal>, Error> {
        let mut ring = self.ring(now).await?;
        if ring.misses_key_of(token) {
            ring = self.newer(ring, now).await?;
        }
        let verify = || ring.verify(token, self.issuer.as_str(), &self.audience, now);
        let Some(verified) = &self.verified else {
            return Ok(verify());
        };
        let digest = TokenDigest::of(token);
        if let Some(claims) = verified.find(token, &digest, &ring, now) {
            return Ok(Ok(claims));
        }
        let verdict = verify();
        if let Ok(claims) = &verdict {
            verified.keep(digest, &ring, claims);
        }
        Ok(verdict)
    }

    /// A ring that is newer than `known`, if one may be read now; otherwise `known`.
    async fn newer(&self, known: Arc<KeyRing>, now: Timestamp) -> Result<Arc<KeyRing>, Error> {
        if !self.may_try(now) {
            return Ok(known);
        }
        let another = || {
            let ring = self.held().ring.map(|(ring, _)| ring)?;
            (!Arc::ptr_eq(&ring, &known) || !self.may_try(now)).then_some(ring)
        };
        self.read(now, &another).await
    }

    /// Reads the secret, one at a time. `enough` says whether another one's reading served this one too.
    async fn read(&self, now: Timestamp, enough: &Enough<'_>) -> Result<Arc<KeyRing>, Error> {
        let _one = self.reading.lock().await;
        if let Some(ring) = enough() {
            return Ok(ring);
        }
        let read = self.secrets.read(&self.secret_id).await;
        let ring = read.and_then(|text| KeyRing::from_stored(&text, self.algorithm).map_err(Error::unavailable));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.tried_at = Some(now);
        match (ring, &held.ring) {
            (Ok(ring), _) => {
                let ring = Arc::new(ring);
                held.ring = Some((ring.clone(), now));
                Ok(ring)
            }
            (Err(error), Some((ring, read_at))) if within(*read_at, now, STALE_SECONDS) => {
                tracing::warn!(error = ?error, "the signing keys cannot be read again; those read before count on");
                Ok(ring.clone())
            }
            (Err(error), _) => Err(error),
        }
    }

    /// What was read, while it counts without another look.
    fn fresh(&self, now: Timestamp) -> Option<Arc<KeyRing>> {
        let held = self.held();
        let (ring, read_at) = held.ring?;
        let waits = held
            .tried_at
            .is_some_and(|at| at != read_at && within(at, now, REFETCH_SECONDS));
        let fresh = within(read_at, now, RING_SECONDS) || (waits && within(read_at, now, STALE_SECONDS));
        fresh.then_some(ring)
    }

    fn may_try(&self, now: Timestamp) -> bool {
        !self.held().tried_at.is_some_and(|at| within(at, now, REFETCH_SECONDS))
    }

    fn held(&self) -> Held {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether `now` is less than so many seconds after `since`. A clock that was set back makes nothing fresh.
pub(crate) fn within(since: Timestamp, now: Timestamp, seconds: i64) -> bool {
    (0..seconds).contains(&(now.as_second() - since.as_second()))
}

/// How keys are rotated, by the configuration.
///
/// # Errors
/// [`ConfigError`], naming what is wrong.
pub fn rotation(variables: &Variables) -> Result<Rotation, ConfigError> {
    let days = tree::KEY_ROTATION_DAYS.get(variables)?;
    Ok(Rotation {
        algorithm: tree::SIGNING_ALGORITHM.get(variables)?,
        period: SignedDuration::from_hours(24 * i64::from(days)),
        lead: Rotation::LEAD,
    })
}

/// Looks at the keys in the secret, and writes what is to be changed: a key that is to sign next, and without those that are
/// over. `true`: something was written. Of two that rotate at once one writes, and the other finds it done.
///
/// # Errors
/// [`crate::error::Kind::Unavailable`] when the secret cannot be read or written, or holds no keys.
pub async fn rotate(secrets: &Secrets, secret_id: &str, rotation: &Rotation, now: Timestamp) -> Result<bool, Error> {
    let version = secrets.read_version(secret_id).await?;
    let ring = KeyRing::from_stored(&version.text, rotation.algorithm).map_err(Error::unavailable)?;
    let ring = ring.first_made_at(version.written_at);
    let Some(next) = ring.rotated(rotation, now).map_err(Error::unavailable)? else {
        return Ok(false);
    };
    let text = next.to_stored().map_err(Error::internal)?;
    let replaced = secrets.replace(secret_id, &version.id, text).await?;
    Ok(replaced == Replaced::Written)
}
