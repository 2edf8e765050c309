//! What is Redis's alone: several environments, TLS, users, and entries that are not ours.

use gateway::cache::{Access, Cache, Failure, Options, RedisOptions};
use peer::Authority;
use tests::fixtures::held_clock;
use tests::redis::{PASSWORD, Redis};

use super::{Backend, Cached, Table, WORDS, options};

const KEY: &str = "tollgate:tests:v1:word:a";

/// A-09, A-10, A-38: environments share what one has found, and hear of a change within `cache.local_seconds`.
#[tokio::test]
async fn a_change_reaches_other_environments_at_once_or_when_they_look_again() {
    let cached = Cached::over(Backend::Redis).await;
    let (asks, remembers) = (cached.another(0), cached.another(5));
    let table = Table::saying("one");
    for cache in [&cached.cache, &asks, &remembers] {
        assert_eq!(table.word(cache, "a").await, "one");
    }
    assert_eq!(table.asked(), 1, "one asks the table for all");
    table.says(Some("two"));
    cached.cache.forget(&[WORDS.name("a")]).await;
    assert_eq!(table.word(&asks, "a").await, "two");
    cached.clock.advance_seconds(4);
    assert_eq!(table.word(&remembers, "a").await, "one", "not yet");
    cached.clock.advance_seconds(1);
    assert_eq!(table.word(&remembers, "a").await, "two");
}

/// A-10: a lookup of another environment that began before a change leaves nothing in Redis after it.
#[tokio::test]
async fn what_another_environment_read_before_a_change_is_not_written_after_it() {
    let cached = Cached::over(Backend::Redis).await;
    let other = cached.another(0);
    let mark = other.mark();
    cached.cache.forget(&[WORDS.name("a")]).await;
    other.keep(&WORDS, "a", &Some("before".to_owned()), mark).await;
    let table = Table::saying("after");
    assert_eq!(table.word(&cached.another(0), "a").await, "after");
    let left: i64 = cached.redis.as_ref().unwrap().told(&["PTTL", KEY]).await;
    assert!((1..=15_000).contains(&left), "the mark goes by itself: {left}");
}

/// A-09: an entry in Redis goes by itself, and counts from when the table was asked, not from when it was seen.
#[tokio::test]
async fn an_entry_ends_when_it_is_as_old_as_it_may_be_wherever_it_was_seen() {
    let cached = Cached::over(Backend::Redis).await;
    let table = Table::saying("one");
    table.word(&cached.cache, "a").await;
    let left: i64 = cached.redis.as_ref().unwrap().told(&["TTL", KEY]).await;
    assert!((1..=30).contains(&left), "{left}");
    cached.clock.advance_seconds(28);
    let late = cached.another(5);
    assert_eq!(table.word(&late, "a").await, "one");
    assert_eq!(table.asked(), 1);
    cached.clock.advance_seconds(2);
    table.says(Some("two"));
    assert_eq!(table.word(&late, "a").await, "two");
}

/// A-11: whoever can write into Redis can make us forget, and not believe.
#[tokio::test]
async fn an_entry_that_we_did_not_seal_is_none() {
    let cached = Cached::over(Backend::Redis).await;
    let redis = cached.redis.as_ref().unwrap();
    let table = Table::saying("ours");
    table.word(&cached.cache, "a").await;
    let sealed: Vec<u8> = redis.told(&["GET", KEY]).await;
    assert!(sealed.ends_with(br#""ours""#));
    // Plain JSON; another's entry under this name; one that was changed.
    redis
        .told::<String>(&["SET", "tollgate:tests:v1:word:b", "\"theirs\""])
        .await;
    redis.told::<i64>(&["COPY", KEY, "tollgate:tests:v1:word:c"]).await;
    redis.told::<i64>(&["SETRANGE", KEY, "43", "x"]).await;
    table.says(Some("the table's"));
    let asks = cached.another(0);
    for id in ["a", "b", "c"] {
        assert_eq!(table.word(&asks, id).await, "the table's", "{id}");
        assert_eq!(table.word(&cached.another(0), id).await, "the table's", "{id}");
    }
    assert_eq!(table.asked(), 4, "each was asked for once, and then sealed anew");
    let sealed_otherwise = RedisOptions {
        access: Access::plain(&Redis::secret().replace("canary-redis-seal", "another-redis-seal")),
        ..redis.options()
    };
    let other = Options {
        redis: Some(sealed_otherwise),
        ..options(None)
    };
    assert_eq!(
        table.word(&Cache::new(other, cached.clock.clone()), "a").await,
        "the table's"
    );
    assert_eq!(
        table.asked(),
        5,
        "nor do two deployments of one Redis believe each other"
    );
}

async fn over_tls(redis: &Redis, authorities: &str, secret: &str) -> Result<(), Failure> {
    let redis = RedisOptions {
        authorities: authorities.as_bytes().to_vec(),
        access: Access::plain(secret),
        ..redis.options()
    };
    let options = Options {
        redis: Some(redis),
        ..options(None)
    };
    Cache::new(options, held_clock()).check().await
}

/// A-38: TLS, and a user of its own; what is not right of either opens nothing.
#[tokio::test]
async fn redis_is_spoken_to_by_tls_and_as_the_user_that_the_secret_says() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let pem = authority.pem().to_owned();
    let redis = Redis::tls(authority).await;
    let secret = Redis::secret();
    assert_eq!(over_tls(&redis, &pem, &secret).await, Ok(()));
    assert_eq!(over_tls(&redis, other.pem(), &secret).await, Err(Failure::Unreachable));
    let wrong = secret.replace(PASSWORD, "another-password");
    assert_eq!(over_tls(&redis, &pem, &wrong).await, Err(Failure::Refused));
    let nobody = r#"{"seal":"canary-redis-seal-0123456789abcdef"}"#;
    assert_eq!(over_tls(&redis, &pem, nobody).await, Err(Failure::Refused));
    for unsealed in [r#"{"password":"x"}"#, r#"{"seal":"short"}"#, "not JSON", ""] {
        let failure = over_tls(&redis, &pem, unsealed).await;
        assert_eq!(failure, Err(Failure::NoSecret), "{unsealed}");
    }
    let options = Options {
        redis: Some(redis.options()),
        ..options(None)
    };
    let (one, other) = (
        Cache::new(options.clone(), held_clock()),
        Cache::new(options, held_clock()),
    );
    let table = Table::saying("one");
    assert_eq!(table.word(&one, "a").await, "one");
    assert_eq!(table.word(&other, "a").await, "one");
    assert_eq!(table.asked(), 1);
}

/// A-38: there is no way round TLS.
#[tokio::test]
async fn a_redis_that_speaks_no_tls_is_not_spoken_to_in_the_clear() {
    let redis = Redis::start().await;
    let told = RedisOptions {
        url: redis.url().replace("redis://", "rediss://").parse().unwrap(),
        authorities: Authority::new("ours").pem().as_bytes().to_vec(),
        ..redis.options()
    };
    let options = Options {
        redis: Some(told),
        ..options(None)
    };
    let failure = Cache::new(options, held_clock()).check().await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable | Failure::Slow), "{failure:?}");
}
