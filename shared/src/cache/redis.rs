//! Redis, asked with short patience. After a failure it is left alone for a while, and then tried by one caller.
//!
//! A change is told by burying the entry: a mark that is no entry lies on its name for [`BURIED`], longer than any lookup that began before
//! the change takes, and an entry is written only where nothing lies. So what was read before a change is not written after it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, ServerErrorKind, TlsCertificates,
};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::memory::Held;
use super::options::RedisOptions;
use super::seal::{LEAST_CHARACTERS, Seal};
use super::{LONGEST_ENTRY, Name};
use crate::clock::Clock;
use crate::random;
use crate::secrets::Secrets;

/// What lies on the name of an entry that was forgotten.
const GRAVE: &[u8] = b"-";
/// For so long. The table's client gives up a read after 12 s.
const BURIED: Duration = Duration::from_secs(15);
/// Removes what cannot be read, unless something else lies there by now.
const REMOVE_IF: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

/// As whom Redis is asked, and how entries are sealed.
#[derive(Clone)]
pub enum Access {
    /// Said by a secret in Secrets Manager, by its name or ARN, in JSON.
    Stored(Secrets, String),
    /// Said here.
    Plain(Zeroizing<String>),
}

impl Access {
    /// Said here, in the same JSON.
    pub fn plain(json: &str) -> Self {
        Self::Plain(Zeroizing::new(json.to_owned()))
    }
}

/// Why Redis does not help. It tells no name, address or secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It failed a moment ago, and is left alone.
    Paused,
    /// It did not answer in time.
    Slow,
    /// It cannot be reached, or the connection broke.
    Unreachable,
    /// It does not know us, or does not allow us what we need.
    Refused,
    /// It has no room.
    Full,
    /// It answers what nobody asked for.
    Garbled,
    /// The secret with our password and our seal cannot be read.
    NoSecret,
}

impl Failure {
    /// A word for metrics and health.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Slow => "slow",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Full => "full",
            Self::Garbled => "garbled",
            Self::NoSecret => "no_secret",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.label())
    }
}

pub(super) struct Redis {
    options: RedisOptions,
    clock: Clock,
    state: Mutex<State>,
    connecting: tokio::sync::Mutex<()>,
    asked: AtomicU64,
    failed: AtomicU64,
}

#[derive(Default)]
struct State {
    known: Option<Arc<Credentials>>,
    connection: Option<MultiplexedConnection>,
    /// Until then it is left alone. Once it is over, one caller tries.
    paused_until: Option<Timestamp>,
}

struct Credentials {
    seal: Seal,
    username: Option<String>,
    password: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
struct Stored {
    seal: String,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

impl Redis {
    pub(super) fn new(options: RedisOptions, clock: Clock) -> Self {
        Self {
            options,
            clock,
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// How often it was asked, and how often that failed.
    pub(super) fn counted(&self) -> (u64, u64) {
        (self.asked.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// The entries of these names, in their order. One that we did not seal is none, and is removed.
    pub(super) async fn get(&self, names: &[Name]) -> Result<Vec<Option<Arc<Held>>>, Failure> {
        let seen_at = self.clock.now();
        let mut command = redis::cmd("MGET");
        for name in names {
            command.arg(self.key(name));
        }
        let found: Vec<Option<Vec<u8>>> = self.ask(&command).await?;
        if found.len() != names.len() {
            return Err(self.note(Failure::Garbled));
        }
        let credentials = self.credentials().await?;
        let mut entries = Vec::with_capacity(found.len());
        for (name, bytes) in names.iter().zip(found) {
            entries.push(match bytes {
                None => None,
                Some(bytes) if bytes == GRAVE => None,
                Some(bytes) => match credentials.seal.opened(&self.options.space, name, &bytes, seen_at) {
                    Some(held) => Some(Arc::new(held)),
                    None => {
                        self.remove_unreadable(name, &bytes).await;
                        None
                    }
                },
            });
        }
        Ok(entries)
    }

    /// Writes an entry where nothing lies. Whether that succeeds is nobody's concern.
    pub(super) async fn put(&self, name: &Name, held: &Held, seconds: i64) {
        let Ok(credentials) = self.credentials().await else {
            return;
        };
        let sealed = credentials.seal.seal(&self.options.space, name, held);
        let mut command = redis::cmd("SET");
        command.arg(self.key(name)).arg(sealed).arg("EX").arg(seconds).arg("NX");
        let _ = self.ask::<Option<String>>(&command).await;
    }

    /// Lays the mark of what was forgotten on these names.
    pub(super) async fn bury(&self, names: &[Name]) {
        for name in names {
            let mut command = redis::cmd("SET");
            let millis = u64::try_from(BURIED.as_millis()).unwrap_or(u64::MAX);
            command.arg(self.key(name)).arg(GRAVE).arg("PX").arg(millis);
            if let Err(failure) = self.ask::<Option<String>>(&command).await {
                // A full Redis takes no mark, but lets go of the entry.
                let gone =
                    failure == Failure::Full && self.ask::<i64>(redis::cmd("DEL").arg(self.key(name))).await.is_ok();
                if !gone {
                    tracing::warn!(%failure, "Redis could not be told of a change: what it remembers counts to its end");
                }
            }
        }
    }

    /// Writes and reads.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        let key = format!("tollgate:{}:health", self.options.space);
        let nonce = random::base62(16).map_err(|_| Failure::Garbled)?;
        self.ask::<Option<String>>(redis::cmd("SET").arg(&key).arg(&nonce).arg("EX").arg(10))
            .await?;
        let read: Option<String> = self.ask(redis::cmd("GET").arg(&key)).await?;
        // Another one may look at the same moment, and then it is its nonce; what matters is that what was written can be read.
        if read.is_some() { Ok(()) } else { Err(Failure::Garbled) }
    }

    async fn remove_unreadable(&self, name: &Name, bytes: &[u8]) {
        metrics::counter!("cache_unreadable_total").increment(1);
        tracing::warn!(%name, "an entry in Redis is not sealed by us, and counts for nothing");
        if bytes.len() <= LONGEST_ENTRY {
            let mut command = redis::cmd("EVAL");
            command.arg(REMOVE_IF).arg(1).arg(self.key(name)).arg(bytes);
            let _ = self.ask::<i64>(&command).await;
        }
    }

    fn key(&self, name: &Name) -> String {
        format!("tollgate:{}:{name}", self.options.space)
    }

    /// Asks. A connection that broke while nobody used it (a function may have slept for an hour) is made anew once.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        self.may_ask()?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let outcome = self.tried(command).await;
        match outcome {
            Ok(answer) => {
                self.state().paused_until = None;
                Ok(answer)
            }
            Err(failure) => Err(self.note(failure)),
        }
    }

    async fn tried<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        let (connection, fresh) = self.connection().await?;
        match self.once(connection, command).await {
            Err(Failure::Unreachable) if !fresh => {
                self.state().connection = None;
                let (connection, _) = self.connection().await?;
                self.once(connection, command).await
            }
            outcome => outcome,
        }
    }

    async fn once<T: FromRedisValue>(
        &self,
        mut connection: MultiplexedConnection,
        command: &Cmd,
    ) -> Result<T, Failure> {
        let answer = command.query_async::<T>(&mut connection);
        match tokio::time::timeout(self.options.timeout, answer).await {
            Err(_) => Err(Failure::Slow),
            Ok(answer) => answer.map_err(|error| failure(&error)),
        }
    }

    /// The connection, and whether it was made just now.
    async fn connection(&self) -> Result<(MultiplexedConnection, bool), Failure> {
        let known = || self.state().connection.clone();
        if let Some(connection) = known() {
            return Ok((connection, false));
        }
        let _one = self.connecting.lock().await;
        if let Some(connection) = known() {
            return Ok((connection, false));
        }
        let credentials = self.credentials().await?;
        let client = self.client(&credentials).map_err(|error| failure(&error))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.options.timeout))
            .set_response_timeout(Some(self.options.timeout));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        let connection = connection.map_err(|error| failure(&error))?;
        self.state().connection = Some(connection.clone());
        Ok((connection, true))
    }

    fn client(&self, credentials: &Credentials) -> Result<Client, RedisError> {
        let url = &self.options.url;
        let mut settings = RedisConnectionInfo::default()
            .set_db(url.database)
            .set_skip_set_lib_name();
        if let Some(username) = &credentials.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &credentials.password {
            settings = settings.set_password(password.as_str());
        }
        let (host, port) = (url.host.clone(), url.port);
        if !url.tls {
            let info = ConnectionAddr::Tcp(host, port).into_connection_info()?;
            return Client::open(info.set_redis_settings(settings));
        }
        let address = ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        };
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: Some(self.options.authorities.clone()),
        };
        let info = address.into_connection_info()?.set_redis_settings(settings);
        Client::build_with_tls(info, certificates)
    }

    async fn credentials(&self) -> Result<Arc<Credentials>, Failure> {
        if let Some(known) = self.state().known.clone() {
            return Ok(known);
        }
        let text = match &self.options.access {
            Access::Plain(text) => text.clone(),
            Access::Stored(secrets, name) => match secrets.read(name).await {
                Ok(text) => Zeroizing::new(text),
                Err(error) => {
                    tracing::warn!(?error, "the cache's secret cannot be read");
                    return Err(Failure::NoSecret);
                }
            },
        };
        let stored: Option<Stored> = serde_json::from_str(&text).ok();
        let sealing = stored.and_then(|stored| Some((Seal::new(&stored.seal)?, stored)));
        let Some((seal, stored)) = sealing else {
            tracing::warn!("the cache's secret holds no `seal` of {LEAST_CHARACTERS} characters");
            return Err(Failure::NoSecret);
        };
        let known = Arc::new(Credentials {
            seal,
            username: stored.username,
            password: stored.password.map(Zeroizing::new),
        });
        self.state().known = Some(known.clone());
        Ok(known)
    }

    /// Lets one caller through when a pause is over; all, when there is none.
    fn may_ask(&self) -> Result<(), Failure> {
        let now = self.clock.now();
        let mut state = self.state();
        match state.paused_until {
            None => Ok(()),
            // A clock that was set back does not make a pause longer.
            Some(until) if until > now && until <= now + self.pause() => Err(Failure::Paused),
            Some(_) => {
                state.paused_until = Some(now + self.pause());
                Ok(())
            }
        }
    }

    /// Counts a failure, and leaves Redis alone for a while, unless it is only full.
    fn note(&self, failure: Failure) -> Failure {
        self.failed.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("cache_failures_total", "reason" => failure.label()).increment(1);
        let mut state = self.state();
        if failure == Failure::Full {
            state.paused_until = None;
            return failure;
        }
        if state.paused_until.is_none() {
            tracing::warn!(%failure, "Redis does not help; the table is asked instead");
        }
        state.paused_until = Some(self.clock.now() + self.pause());
        state.connection = None;
        if failure == Failure::Refused {
            // Its password may have been replaced.
            state.known = None;
        }
        failure
    }

    fn pause(&self) -> SignedDuration {
        SignedDuration::from_secs(self.options.pause_seconds)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failure(error: &RedisError) -> Failure {
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => Failure::Refused,
        ErrorKind::Io if error.is_timeout() => Failure::Slow,
        ErrorKind::Io | ErrorKind::InvalidClientConfig | ErrorKind::Server(ServerErrorKind::BusyLoading) => {
            Failure::Unreachable
        }
        _ => match error.code() {
            Some("OOM") => Failure::Full,
            Some("NOAUTH" | "WRONGPASS") => Failure::Refused,
            Some("READONLY" | "MASTERDOWN" | "CLUSTERDOWN") => Failure::Unreachable,
            _ if error.is_connection_dropped() => Failure::Unreachable,
            _ => Failure::Garbled,
        },
    }
}
