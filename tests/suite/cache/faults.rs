//! Redis stopped, started again, filled, slow, or no Redis at all: what lookups see. The table that comes of it stands in `docs/cache.md`.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use gateway::cache::{Cache, Options, RedisOptions};
use gateway::clock::Clock;
use gateway::error::{Error, Kind};
use tests::backing::root;
use tests::fixtures::held_clock;
use tests::redis::{self, Redis};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::{Table, WORDS, options};

/// So many lookups are made in each state.
const LOOKUPS: usize = 20;
/// Longer than a real answer takes on a busy machine.
const SHORT: Duration = Duration::from_secs(2);

/// A cache that remembers nothing itself, so each lookup asks Redis if it may.
struct Asking {
    cache: Cache,
    clock: Clock,
    told: String,
}

impl Asking {
    fn over(redis: RedisOptions) -> Self {
        let clock = held_clock();
        let options = Options {
            local_seconds: 0,
            redis: Some(redis),
            ..options(None)
        };
        Self {
            cache: Cache::new(options, clock.clone()),
            clock,
            told: String::new(),
        }
    }

    /// Asks for one thing so many times. Every answer must be the table's, and while the table is down too there must be none.
    async fn row(&mut self, state: &str, id: &str) {
        let (table, before) = (Table::saying("one"), self.cache.stats());
        for _ in 0..LOOKUPS {
            assert_eq!(table.word(&self.cache, id).await, "one", "{state}");
        }
        let after = self.cache.stats();
        let (asked, failed) = (after.asked - before.asked, after.failed - before.failed);
        let down = async { Err::<Option<String>, _>(Error::unavailable("the table is down")) };
        let nothing = self.cache.get(&WORDS, "another", Box::pin(down)).await.unwrap_err();
        assert_eq!(
            nothing.kind,
            Kind::Unavailable,
            "{state}: without the table nobody is let in"
        );
        let _ = writeln!(
            self.told,
            "| {state} | {LOOKUPS} of {LOOKUPS} | {} | {asked} | {failed} |",
            table.asked()
        );
    }

    /// Until Redis may be tried again.
    fn wait(&self) {
        self.clock.advance_seconds(5);
    }
}

/// issue 7, must-show 4.
#[tokio::test]
async fn whatever_redis_does_every_lookup_is_answered_rightly() {
    let mut redis = Redis::start().await;
    let mut asking = Asking::over(redis.options());
    asking.row("works", "a").await;
    redis.stop();
    asking.row("stopped", "a").await;
    asking.row("stopped, while it is left alone", "a").await;
    redis.start_again().await;
    asking.wait();
    asking.row("started again, empty", "a").await;
    redis.told::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    asking.row("full (`maxmemory`, `noeviction`), what it holds", "a").await;
    asking.row("full, what it does not hold", "b").await;
    redis.told::<String>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    asking.row("has room again", "b").await;
    let mut told = asking.told;

    let slow = RedisOptions {
        timeout: SHORT,
        ..redis.options()
    };
    let mut asking = Asking::over(slow);
    asking.row("another environment, works", "c").await;
    redis.told::<String>(&["CLIENT", "PAUSE", "600000", "ALL"]).await;
    asking.row("answers nothing (`CLIENT PAUSE`)", "c").await;
    asking.wait();
    asking.row("answers nothing yet, tried again", "c").await;
    drop(redis);
    told.push_str(&asking.told);

    for (state, port) in [
        ("takes connections and is silent", silent().await),
        ("answers garbage", garbage().await),
    ] {
        let mut options = redis::options(&format!("redis://127.0.0.1:{port}"), "");
        options.timeout = SHORT;
        let mut asking = Asking::over(options);
        asking.row(state, "a").await;
        told.push_str(&asking.told);
    }
    documented(&told);
}

fn documented(told: &str) {
    let path = root().join("docs/cache.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = written.split_once("<!-- rows -->\n").unwrap();
    let (rows, tail) = rest.split_once("<!-- end of rows -->").unwrap();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, format!("{head}<!-- rows -->\n{told}<!-- end of rows -->{tail}")).unwrap();
    } else {
        assert_eq!(rows, told, "docs/cache.md; UPDATE_GOLDENS=1 writes it");
    }
}

async fn silent() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    port
}

async fn garbage() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection
                .write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"user\":\"admin\"}\r\n")
                .await;
        }
    });
    port
}

/// of many who find a pause over, one tries, and the others do not wait for it.
#[tokio::test]
async fn a_silent_redis_is_tried_by_one_at_a_time() {
    let mut options = redis::options(&format!("redis://127.0.0.1:{}", silent().await), "");
    options.timeout = SHORT;
    let asking = Asking::over(options);
    let table = Table::saying("one");
    table.word(&asking.cache, "first").await;
    assert_eq!(asking.cache.stats().asked, 1);
    asking.wait();
    let ids: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let all = ids.iter().map(|id| table.word(&asking.cache, id));
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.iter().all(|answer| answer == "one"));
    assert_eq!(asking.cache.stats().asked, 2);
}
