//! Lookups that are remembered: in the memory of an environment, and in Redis for all of them (`docs/cache.md`).
//!
//! - What is remembered only spares a question to the table: an entry that is missing, old, unreadable, or not sealed by us is no entry,
//!   and the table is asked. So a cache that is dead, slow, full or lying slows, and neither fails a read nor lets anybody in.
//! - Whoever writes an item forgets its entry before and after (see [`crate::store`]), so no environment that reaches Redis goes by what was
//!   there before for longer than `cache.local_seconds`, and none at all for longer than an entry counts.
//! - Many who ask for one thing at once wait for one lookup.
//!
//! Which entries there are is in [`crate::lookups`].

mod entries;
mod flights;
mod memory;
mod options;
mod redis;
mod seal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::aws::Aws;
use crate::clock::Clock;
use crate::config::{ConfigError, Variables};
use crate::error::Error;

pub use entries::{Entries, Known, Name};
pub use options::{Options, RedisOptions};
pub use redis::{Access, Failure};

use entries::Life;
use flights::Flights;
use memory::{Held, Memory};
use redis::Redis;

/// The longest entry, in bytes. What is longer is not remembered.
pub const LONGEST_ENTRY: usize = 64 * 1024;

/// What remembers. A copy is the same one.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    memory: Memory,
    redis: Option<Redis>,
    clock: Clock,
    flights: Flights,
    /// Counts what was forgotten, so that no lookup that began before is remembered after.
    forgotten: AtomicU64,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries that were there.
    pub hits: u64,
    /// Those that were not, so the table was asked.
    pub misses: u64,
    /// How often Redis was asked for anything.
    pub asked: u64,
    /// How often that failed.
    pub failed: u64,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cache")
            .field("kind", &self.inner.options.kind())
            .finish()
    }
}

impl Cache {
    /// Reads the configuration. `None`: no cache is configured. Nothing goes out before the first lookup.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn read(aws: &Aws, variables: &Variables, clock: &Clock) -> Result<Option<Self>, ConfigError> {
        let options = Options::read(aws, variables)?;
        Ok(options.map(|options| Self::new(options, clock.clone())))
    }

    /// One of these options.
    pub fn new(options: Options, clock: Clock) -> Self {
        let redis = options.redis.clone().map(|redis| Redis::new(redis, clock.clone()));
        Self {
            inner: Arc::new(Inner {
                memory: Memory::new(options.bytes),
                redis,
                options,
                clock,
                flights: Flights::default(),
                forgotten: AtomicU64::new(0),
                counts: Counts::default(),
            }),
        }
    }

    /// One for an environment where none is configured: it remembers what is remembered everywhere ([`Entries::always`]), and nothing else.
    pub fn of_this_environment(clock: Clock) -> Self {
        Self::new(Options::unconfigured(), clock)
    }

    /// Whether one is configured.
    pub fn is_configured(&self) -> bool {
        self.inner.options.is_configured()
    }

    /// What was counted since the start.
    pub fn stats(&self) -> Stats {
        let (asked, failed) = self.inner.redis.as_ref().map(Redis::counted).unwrap_or_default();
        Stats {
            hits: self.inner.counts.hits.load(Ordering::Relaxed),
            misses: self.inner.counts.misses.load(Ordering::Relaxed),
            asked,
            failed,
        }
    }

    /// So many bytes are in the environment's memory, with what it takes to keep them.
    pub fn bytes(&self) -> u64 {
        self.inner.memory.bytes()
    }

    /// An entry, or what `look` finds, which is remembered. Of many who ask at once one looks, and its error is everybody's.
    ///
    /// # Errors
    /// Those of `look`.
    pub async fn get<T, F>(&self, of: &'static Entries<T>, id: &str, look: F) -> Result<Known<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let Some(life) = self.life(of) else {
            let read_at = self.inner.clock.now();
            return Ok(Known {
                value: look.await?,
                read_at,
            });
        };
        let name = of.name(id);
        if let Some(known) = self.in_memory(of, &name, life) {
            self.count(of.kind, true);
            return Ok(known);
        }
        let flight = self.inner.flights.join(&name, || {
            let (cache, name) = (self.clone(), name.clone());
            Box::pin(async move { cache.fly(of, name, life, look).await })
        });
        let held = flight.await.map_err(|error| flights::again(&error))?;
        of.decoded(&held)
            .ok_or_else(|| Error::internal("what was just written cannot be read"))
    }

    /// Looks into Redis, and if nothing is there asks.
    async fn fly<T, F>(&self, of: &Entries<T>, name: Name, life: Life, look: F) -> Result<Arc<Held>, Error>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, Error>>,
    {
        if let Some(held) = self
            .in_redis(of, std::slice::from_ref(&name), life)
            .await
            .pop()
            .flatten()
        {
            self.count(of.kind, true);
            return Ok(held);
        }
        self.count(of.kind, false);
        let since = self.mark();
        let value = look.await?;
        self.keep_named(name, &value, life, since).await
    }

    /// The entries of these ids that are there, in their order.
    pub async fn find<T>(&self, of: &Entries<T>, ids: &[&str]) -> Vec<Option<Known<T>>>
    where
        T: DeserializeOwned,
    {
        let Some(life) = self.life(of) else {
            return ids.iter().map(|_| None).collect();
        };
        let names: Vec<Name> = ids.iter().map(|id| of.name(id)).collect();
        let mut found: Vec<_> = names.iter().map(|name| self.in_memory(of, name, life)).collect();
        let missing: Vec<usize> = (0..found.len()).filter(|index| found[*index].is_none()).collect();
        let wanted: Vec<Name> = missing.iter().map(|index| names[*index].clone()).collect();
        let shared = self.in_redis(of, &wanted, life).await;
        for (index, held) in missing.into_iter().zip(shared) {
            found[index] = held.and_then(|held| of.decoded(&held));
        }
        for known in &found {
            self.count(of.kind, known.is_some());
        }
        found
    }

    /// A place in time, from before a lookup, for [`Self::keep`].
    pub fn mark(&self) -> Mark {
        Mark {
            read_at: self.inner.clock.now(),
            forgotten: self.inner.forgotten.load(Ordering::SeqCst),
        }
    }

    /// Remembers what was looked up since `mark`.
    pub async fn keep<T: Serialize>(&self, of: &Entries<T>, id: &str, value: &T, mark: Mark) {
        if let Some(life) = self.life(of) {
            let _ = self.keep_named(of.name(id), value, life, mark).await;
        }
    }

    async fn keep_named(&self, name: Name, value: &impl Serialize, life: Life, mark: Mark) -> Result<Arc<Held>, Error> {
        let bytes = serde_json::to_vec(value).map_err(Error::internal)?;
        let held = Arc::new(Held {
            read_at: mark.read_at,
            seen_at: mark.read_at,
            bytes,
        });
        if held.bytes.len() > LONGEST_ENTRY {
            return Ok(held);
        }
        if self.inner.forgotten.load(Ordering::SeqCst) == mark.forgotten {
            self.inner.memory.put(&name, held.clone());
            // It may have been forgotten between the question and the writing.
            if self.inner.forgotten.load(Ordering::SeqCst) != mark.forgotten {
                self.inner.memory.remove(&name);
            } else if let Some(redis) = self.inner.redis.as_ref().filter(|_| life.shared > 0) {
                Box::pin(redis.put(&name, &held, life.shared)).await;
            }
        }
        Ok(held)
    }

    /// Forgets entries, here at once and, where there is Redis, in all environments (after `cache.local_seconds` at the latest). What cannot be
    /// told to Redis counts there to its end.
    pub async fn forget(&self, names: &[Name]) {
        self.inner.forgotten.fetch_add(1, Ordering::SeqCst);
        for name in names {
            self.inner.memory.remove(name);
        }
        if let Some(redis) = &self.inner.redis {
            Box::pin(redis.bury(names)).await;
        }
    }

    /// Whether it works, by a round trip.
    ///
    /// # Errors
    /// What fails.
    pub async fn check(&self) -> Result<(), Failure> {
        match &self.inner.redis {
            Some(redis) => Box::pin(redis.check()).await,
            None => Ok(()),
        }
    }

    fn life<T>(&self, of: &Entries<T>) -> Option<Life> {
        self.inner.options.life(of.most_seconds, of.always)
    }

    fn in_memory<T: DeserializeOwned>(&self, of: &Entries<T>, name: &Name, life: Life) -> Option<Known<T>> {
        let held = self.inner.memory.get(name)?;
        let now = self.inner.clock.now();
        let fresh = within(held.read_at, now, life.whole()) && within(held.seen_at, now, life.local);
        if fresh {
            return of.decoded(&held);
        }
        self.inner.memory.remove(name);
        None
    }

    /// What is in Redis of these, in their order. It is remembered here.
    async fn in_redis<T: DeserializeOwned>(
        &self,
        of: &Entries<T>,
        names: &[Name],
        life: Life,
    ) -> Vec<Option<Arc<Held>>> {
        let nothing = || names.iter().map(|_| None).collect();
        let Some(redis) = self
            .inner
            .redis
            .as_ref()
            .filter(|_| life.shared > 0 && !names.is_empty())
        else {
            return nothing();
        };
        let mark = self.mark();
        let Ok(found) = Box::pin(redis.get(names)).await else {
            return nothing();
        };
        let fresh = |held: &Arc<Held>| within(held.read_at, mark.read_at, life.shared) && of.decoded(held).is_some();
        let found: Vec<_> = found.into_iter().map(|held| held.filter(fresh)).collect();
        if self.inner.forgotten.load(Ordering::SeqCst) == mark.forgotten {
            for (name, held) in names.iter().zip(&found) {
                if let Some(held) = held {
                    self.inner.memory.put(name, held.clone());
                }
            }
        }
        found
    }

    fn count(&self, kind: &'static str, hit: bool) {
        let (count, result) = match hit {
            true => (&self.inner.counts.hits, "hit"),
            false => (&self.inner.counts.misses, "miss"),
        };
        count.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("cache_lookups_total", "kind" => kind, "result" => result).increment(1);
    }
}

/// When a lookup began.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    read_at: Timestamp,
    forgotten: u64,
}

impl Mark {
    /// The time then.
    pub fn read_at(self) -> Timestamp {
        self.read_at
    }
}

/// Whether less than so many seconds have gone. A clock that was set back makes nothing fresh.
fn within(then: Timestamp, now: Timestamp, seconds: i64) -> bool {
    (0..seconds).contains(&(now.as_second() - then.as_second()))
}

#[cfg(test)]
mod tests;
