//! What may be configured of a cache.

use std::time::Duration;

use super::entries::Life;
use super::redis::Access;
use crate::aws::{AMAZON_ROOTS, Aws};
use crate::config::values::{BackendKind, RedisUrl};
use crate::config::{ConfigError, Variables, tree};
use crate::secrets::Secrets;

const MEGABYTE: u64 = 1024 * 1024;
/// What an environment's memory has where no cache is configured.
const UNCONFIGURED_BYTES: u64 = 8 * MEGABYTE;

/// A cache as configured.
#[derive(Clone)]
pub struct Options {
    /// Whether one is configured at all.
    pub configured: bool,
    /// So long an entry counts since it was read.
    pub ttl_seconds: i64,
    /// With Redis: so long since an environment has seen it.
    pub local_seconds: i64,
    /// What an environment's memory holds.
    pub bytes: u64,
    /// Where Redis is, if it is to remember.
    pub redis: Option<RedisOptions>,
}

/// Redis as configured.
#[derive(Clone)]
pub struct RedisOptions {
    /// Where it is.
    pub url: RedisUrl,
    /// What names begin with there: the table's name, so that deployments share nothing.
    pub space: String,
    /// The authorities that its certificate may come from, in PEM.
    pub authorities: Vec<u8>,
    /// As whom it is asked, and how entries are sealed.
    pub access: Access,
    /// How long it may take, to be connected to and to answer.
    pub timeout: Duration,
    /// So long it is not asked after a failure.
    pub pause_seconds: i64,
}

impl Options {
    /// Reads the configuration. `None`: there is to be no cache.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn read(aws: &Aws, variables: &Variables) -> Result<Option<Self>, ConfigError> {
        let redis = match tree::CACHE_KIND.get(variables)? {
            BackendKind::None => return Ok(None),
            BackendKind::Memory => None,
            BackendKind::Redis => Some(RedisOptions::read(aws, variables)?),
        };
        Ok(Some(Self {
            configured: true,
            ttl_seconds: tree::CACHE_TTL_SECONDS.get(variables)?.into(),
            local_seconds: tree::CACHE_LOCAL_SECONDS.get(variables)?.into(),
            bytes: tree::CACHE_MEGABYTES.get(variables)? * MEGABYTE,
            redis,
        }))
    }

    pub(super) fn unconfigured() -> Self {
        Self {
            configured: false,
            ttl_seconds: 0,
            local_seconds: 0,
            bytes: UNCONFIGURED_BYTES,
            redis: None,
        }
    }

    pub(super) fn is_configured(&self) -> bool {
        self.configured
    }

    pub(super) fn kind(&self) -> &'static str {
        match (&self.redis, self.configured) {
            (Some(_), _) => "redis",
            (None, true) => "memory",
            (None, false) => "none",
        }
    }

    /// How long entries count of which none may count longer than `most` seconds. `None`: they are not remembered.
    pub(super) fn life(&self, most: i64, always: bool) -> Option<Life> {
        let (local, shared) = match (self.configured, &self.redis) {
            (false, _) if always => (most, 0),
            (false, _) => return None,
            (true, None) => (self.ttl_seconds.min(most), 0),
            (true, Some(_)) => (self.local_seconds.min(most), self.ttl_seconds.min(most)),
        };
        Some(Life { local, shared })
    }
}

impl RedisOptions {
    fn read(aws: &Aws, variables: &Variables) -> Result<Self, ConfigError> {
        let authorities = match tree::CACHE_REDIS_CA_FILE.find(variables)? {
            Some(path) => std::fs::read(&path).map_err(|error| ConfigError::Setting {
                place: format!("{} (cache.redis.ca_file)", path.display()),
                fault: "cannot be read",
                expected: format!("the authorities of Redis in PEM: {error}"),
            })?,
            None => AMAZON_ROOTS.to_vec(),
        };
        let secret = tree::CACHE_REDIS_SECRET.get(variables)?;
        Ok(Self {
            url: tree::CACHE_REDIS_URL.get(variables)?,
            space: variables.table()?,
            authorities,
            access: Access::Stored(Secrets::new(aws), secret),
            timeout: Duration::from_millis(tree::CACHE_REDIS_TIMEOUT_MILLISECONDS.get(variables)?),
            pause_seconds: tree::CACHE_REDIS_PAUSE_SECONDS.get(variables)?.into(),
        })
    }
}
