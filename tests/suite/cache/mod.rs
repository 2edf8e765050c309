//! The cache: one behaviour over both backends, a real Redis, and what calls see when it fails.

mod both;
mod faults;
mod forgetting;
mod redis;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway::cache::{Cache, Entries, Options};
use gateway::clock::Clock;
use gateway::error::Error;
use tests::fixtures::held_clock;
use tests::redis::Redis;

/// Entries of the tests.
static WORDS: Entries<Option<String>> = Entries::new("word", 1, 300);

/// What remembers.
#[derive(Clone, Copy, Debug)]
enum Backend {
    Memory,
    Redis,
}

/// A cache of a backend, whose entries count for 30 s.
struct Cached {
    cache: Cache,
    clock: Clock,
    redis: Option<Redis>,
}

impl Cached {
    async fn over(backend: Backend) -> Self {
        let redis = match backend {
            Backend::Memory => None,
            Backend::Redis => Some(Redis::start().await),
        };
        let clock = held_clock();
        Self {
            cache: Cache::new(options(redis.as_ref()), clock.clone()),
            clock,
            redis,
        }
    }

    /// Another environment's, over the same Redis; over memory one that knows nothing of the other.
    fn another(&self, local_seconds: i64) -> Cache {
        let options = Options {
            local_seconds,
            ..options(self.redis.as_ref())
        };
        Cache::new(options, self.clock.clone())
    }
}

fn options(redis: Option<&Redis>) -> Options {
    Options {
        configured: true,
        ttl_seconds: 30,
        local_seconds: 5,
        bytes: 1024 * 1024,
        redis: redis.map(Redis::options),
    }
}

/// What the table would say, and how often it was asked.
#[derive(Clone, Default)]
struct Table {
    word: Arc<std::sync::Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
}

impl Table {
    fn saying(word: &str) -> Self {
        let table = Self::default();
        table.says(Some(word));
        table
    }

    fn says(&self, word: Option<&str>) {
        *self.word.lock().unwrap() = word.map(str::to_owned);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn by(&self, cache: &Cache, id: &str) -> Result<Option<String>, Error> {
        let table = self.clone();
        let look = async move {
            table.asked.fetch_add(1, Ordering::SeqCst);
            Ok(table.word.lock().unwrap().clone())
        };
        Ok(cache.get(&WORDS, id, look).await?.value)
    }

    /// The word by way of a cache, which must be there.
    async fn word(&self, cache: &Cache, id: &str) -> String {
        self.by(cache, id).await.unwrap().unwrap_or_default()
    }
}

/// Makes a test over each backend of an `async fn(Cached)`.
macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $name() {
                super::$name(super::super::Cached::over(super::super::Backend::Memory).await).await;
            })*
        }
        mod over_redis {
            $(#[tokio::test] async fn $name() {
                super::$name(super::super::Cached::over(super::super::Backend::Redis).await).await;
            })*
        }
    };
}
use over_both;
