//! What holds over either backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use gateway::cache::{Cache, Entries, LONGEST_ENTRY};
use gateway::error::{Error, Kind};
use tests::fixtures::held_clock;
use tokio::sync::Semaphore;

use super::{Cached, Table, WORDS, over_both};

over_both! {
    what_was_found_and_what_was_not_is_remembered_for_its_time_and_no_longer,
    of_many_who_ask_at_once_one_looks,
    an_error_is_everybodys_who_waited_and_is_not_remembered,
    what_is_forgotten_is_asked_again,
    a_lookup_that_began_before_a_change_is_not_remembered_after_it,
    entries_of_another_version_are_not_read,
    an_entry_that_is_too_long_is_not_remembered_and_the_memory_is_bounded,
    a_clock_that_was_set_back_makes_nothing_fresh,
    many_are_found_and_kept_at_once,
}

///
async fn what_was_found_and_what_was_not_is_remembered_for_its_time_and_no_longer(cached: Cached) {
    let table = Table::saying("one");
    for _ in 0..3 {
        assert_eq!(table.word(&cached.cache, "a").await, "one");
    }
    table.says(None);
    for _ in 0..3 {
        assert_eq!(table.by(&cached.cache, "b").await.unwrap(), None);
    }
    assert_eq!(table.asked(), 2, "a negative entry counts as a positive one does");
    cached.clock.advance_seconds(29);
    assert_eq!(table.word(&cached.cache, "a").await, "one");
    assert_eq!(table.asked(), 2);
    cached.clock.advance_seconds(1);
    assert_eq!(table.by(&cached.cache, "a").await.unwrap(), None);
    let stats = cached.cache.stats();
    assert_eq!((table.asked(), stats.misses, stats.hits), (3, 3, 5));
}

///
async fn of_many_who_ask_at_once_one_looks(cached: Cached) {
    let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let one = |_| {
        let (asked, gate, cache) = (asked.clone(), gate.clone(), cached.cache.clone());
        async move {
            let look = async move {
                asked.fetch_add(1, Ordering::SeqCst);
                let _permit = gate.acquire().await.unwrap();
                Ok(Some("one".to_owned()))
            };
            cache.get(&WORDS, "a", look).await.unwrap().value
        }
    };
    let all = join_all((0..50).map(one));
    let release = async {
        // All fifty are polled before this goes on, and none gets its answer before.
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(50);
    };
    let (answers, ()) = tokio::join!(all, release);
    assert!(answers.iter().all(|answer| answer.as_deref() == Some("one")));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

///
async fn an_error_is_everybodys_who_waited_and_is_not_remembered(cached: Cached) {
    let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let one = |_| {
        let (asked, gate, cache) = (asked.clone(), gate.clone(), cached.cache.clone());
        async move {
            let look = async move {
                asked.fetch_add(1, Ordering::SeqCst);
                let _permit = gate.acquire().await.unwrap();
                Err::<Option<String>, _>(Error::unavailable("the table is down"))
            };
            cache.get(&WORDS, "a", look).await.map(|known| known.value)
        }
    };
    let release = async {
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(10);
    };
    let (answers, ()) = tokio::join!(join_all((0..10).map(one)), release);
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!((error.kind, error.retry_after_seconds), (Kind::Unavailable, Some(5)));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let table = Table::saying("one");
    assert_eq!(table.word(&cached.cache, "a").await, "one");
}

///
async fn what_is_forgotten_is_asked_again(cached: Cached) {
    let table = Table::saying("one");
    assert_eq!(table.word(&cached.cache, "a").await, "one");
    assert_eq!(table.word(&cached.cache, "b").await, "one");
    table.says(Some("two"));
    cached.cache.forget(&[WORDS.name("a")]).await;
    assert_eq!(table.word(&cached.cache, "a").await, "two");
    assert_eq!(table.word(&cached.cache, "b").await, "one", "the others stay");
    table.says(None);
    cached.cache.forget(&[WORDS.name("b")]).await;
    let now = table.by(&cached.cache, "b").await.unwrap();
    assert_eq!(now, None, "a positive entry becomes a negative one");
}

///
async fn a_lookup_that_began_before_a_change_is_not_remembered_after_it(cached: Cached) {
    let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let look = {
        let (begun, gate) = (begun.clone(), gate.clone());
        async move {
            begun.add_permits(1);
            let _permit = gate.acquire().await.unwrap();
            Ok(Some("before".to_owned()))
        }
    };
    let asking = cached.cache.get(&WORDS, "a", look);
    let changing = async {
        let _permit = begun.acquire().await.unwrap();
        cached.cache.forget(&[WORDS.name("a")]).await;
        gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(asking, changing);
    let answer = answer.unwrap().value;
    assert_eq!(
        answer.as_deref(),
        Some("before"),
        "whoever asked before may hear of before"
    );
    let table = Table::saying("after");
    assert_eq!(table.word(&cached.cache, "a").await, "after");
    assert_eq!(table.word(&cached.another(0), "a").await, "after");
}

///
async fn entries_of_another_version_are_not_read(cached: Cached) {
    static NEXT: Entries<Option<u64>> = Entries::new("word", 2, 300);
    static FORGOTTEN_TO_COUNT: Entries<Option<u64>> = Entries::new("word", 1, 300);
    assert_eq!(WORDS.name("a").as_str(), "v1:word:a");
    let table = Table::saying("one");
    assert_eq!(table.word(&cached.cache, "a").await, "one");
    let next = cached.cache.get(&NEXT, "a", async { Ok(Some(2)) }).await.unwrap();
    assert_eq!(next.value, Some(2));
    let other = cached.cache.get(&FORGOTTEN_TO_COUNT, "a", async { Ok(Some(3)) });
    assert_eq!(
        other.await.unwrap().value,
        Some(3),
        "bytes of another form are no entry"
    );
}

///
async fn an_entry_that_is_too_long_is_not_remembered_and_the_memory_is_bounded(cached: Cached) {
    let table = Table::saying(&"x".repeat(LONGEST_ENTRY));
    for _ in 0..2 {
        assert_eq!(table.word(&cached.cache, "long").await.len(), LONGEST_ENTRY);
    }
    assert_eq!(table.asked(), 2);
    let word = Some("y".repeat(1000));
    for number in 0..3000 {
        let mark = cached.cache.mark();
        cached.cache.keep(&WORDS, &number.to_string(), &word, mark).await;
    }
    let bytes = cached.cache.bytes();
    assert!(
        (500_000..=1024 * 1024).contains(&bytes),
        "{bytes} bytes are in use of 1 MiB"
    );
}

///
async fn a_clock_that_was_set_back_makes_nothing_fresh(cached: Cached) {
    let table = Table::saying("one");
    assert_eq!(table.word(&cached.cache, "a").await, "one");
    table.says(Some("two"));
    cached.clock.advance_seconds(-3600);
    assert_eq!(table.word(&cached.cache, "a").await, "two");
}

///
async fn many_are_found_and_kept_at_once(cached: Cached) {
    let cache = &cached.cache;
    let mark = cache.mark();
    cache.keep(&WORDS, "a", &Some("one".to_owned()), mark).await;
    cache.keep(&WORDS, "b", &None::<String>, mark).await;
    let all = [None, Some(Some("one".to_owned())), Some(None)];
    assert_eq!(found(cache).await, all);
    let there = found(&cached.another(5)).await;
    match cached.redis {
        Some(_) => assert_eq!(there, all),
        None => assert_eq!(there, [None, None, None], "memory is each environment's own"),
    }
}

async fn found(cache: &Cache) -> Vec<Option<Option<String>>> {
    let found = cache.find(&WORDS, &["c", "a", "b"]).await;
    found.into_iter().map(|known| known.map(|known| known.value)).collect()
}

/// without a cache every lookup asks, but for what every environment remembers.
#[tokio::test]
async fn where_none_is_configured_nothing_is_remembered_but_what_always_was() {
    static ALWAYS: Entries<Option<String>> = Entries::always("word", 1, 30);
    let clock = held_clock();
    let cache = Cache::of_this_environment(clock.clone());
    let table = Table::saying("one");
    for _ in 0..3 {
        assert_eq!(table.word(&cache, "a").await, "one");
    }
    assert_eq!(table.asked(), 3);
    let asked = Arc::new(AtomicUsize::new(0));
    for (seconds, times) in [(0, 1), (29, 1), (1, 2)] {
        clock.advance_seconds(seconds);
        let count = asked.clone();
        let look = async move {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(None)
        };
        cache.get(&ALWAYS, "a", look).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), times);
    }
}
