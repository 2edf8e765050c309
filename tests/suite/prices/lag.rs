//! When a call sees a change, and what counts without the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::error::Kind;
use gateway::price::ServiceTier;
use gateway::pricing::{CHECK_AFTER, COUNTS_FOR, Prices};
use gateway::store::{PriceWrite, Store};
use tests::backing::{Backing, nowhere};
use tests::fixtures::held_clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{MODEL, SEED_INPUT, TIER, at, write};

async fn quoted(prices: &Prices) -> Result<u64, Kind> {
    let quote = prices.quote(MODEL, TIER, at("2026-12-01T00:00:00Z")).await;
    quote
        .map(|quote| quote.rates.base.input.as_u64())
        .map_err(|error| error.kind)
}

/// the lag that the documents state.
#[tokio::test]
async fn a_change_is_seen_after_a_minute_and_not_asked_for_before() {
    let backing = Backing::start().await;
    let (store, clock) = (backing.store(), held_clock());
    let prices = Prices::new(backing.store(), clock.clone()).unwrap();
    assert_eq!(quoted(&prices).await, Ok(SEED_INPUT));
    assert_eq!(write(&store, 0, 1).await, PriceWrite::Written);
    clock.advance_seconds(CHECK_AFTER.as_secs() - 1);
    assert_eq!(quoted(&prices).await, Ok(SEED_INPUT));
    clock.advance_seconds(1);
    assert_eq!(quoted(&prices).await, Ok(1));
    assert_eq!(write(&store, 1, 2).await, PriceWrite::Written);
    clock.advance_seconds(-3600);
    assert_eq!(quoted(&prices).await, Ok(2), "a clock that was set back hides nothing");
    let none = prices.quote("us.no.such-model", TIER, clock.now()).await.unwrap_err();
    assert_eq!(none.kind, Kind::NotFound);
    let none = prices
        .quote(MODEL, ServiceTier::Priority, clock.now())
        .await
        .unwrap_err();
    assert_eq!(none.kind, Kind::NotFound);
}

#[tokio::test]
async fn without_the_table_a_known_book_counts_for_ten_minutes_and_an_unknown_one_never() {
    let backing = Backing::start().await;
    let clock = held_clock();
    let prices = Prices::new(backing.store(), clock.clone()).unwrap();
    assert_eq!(quoted(&prices).await, Ok(SEED_INPUT));
    let down = backing.variables("admin", &[("AWS_ENDPOINT_URL_DYNAMODB", &nowhere())]);
    let table = down.table().unwrap();
    let nothing = Store::new(Aws::from_environment(down).unwrap().dynamodb(), table);
    assert_eq!(
        quoted(&Prices::new(nothing, clock.clone()).unwrap()).await,
        Err(Kind::Unavailable)
    );
    drop(backing);
    clock.advance_seconds(COUNTS_FOR.as_secs() - 1);
    assert_eq!(quoted(&prices).await, Ok(SEED_INPUT));
    clock.advance_seconds(1);
    assert_eq!(quoted(&prices).await, Err(Kind::Unavailable));
}

/// A table that takes connections and closes them, and how many it took.
async fn broken_table() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, count) = (
        format!("http://{}", listener.local_addr().unwrap()),
        Arc::new(AtomicUsize::new(0)),
    );
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    (url, count)
}

#[tokio::test]
async fn concurrent_callers_share_one_failure_and_the_next_one_tries_again() {
    let backing = Backing::start().await;
    let (url, count) = broken_table().await;
    let variables = backing.variables("admin", &[("AWS_ENDPOINT_URL_DYNAMODB", &url)]);
    let table = variables.table().unwrap();
    let store = Store::new(Aws::from_environment(variables).unwrap().dynamodb(), table);
    let prices = Prices::new(store, held_clock()).unwrap();
    let answers = join_all((0..20).map(|_| quoted(&prices))).await;
    assert!(
        answers.iter().all(|answer| *answer == Err(Kind::Unavailable)),
        "{answers:?}"
    );
    let of_one = count.load(Ordering::SeqCst);
    assert!(of_one > 0);
    assert_eq!(quoted(&prices).await, Err(Kind::Unavailable));
    assert_eq!(
        count.load(Ordering::SeqCst),
        2 * of_one,
        "the SDK tries as often for one as it did for twenty"
    );
}

/// Passes on what goes to `upstream`, and counts the readings in it.
async fn counting_proxy(upstream: &str, count: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&upstream).await.unwrap();
            tokio::spawn(passed_on(client, server, count.clone()));
        }
    });
    url
}

async fn passed_on(client: TcpStream, server: TcpStream, count: Arc<AtomicUsize>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let requests = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let text = String::from_utf8_lossy(&buffer[..length]);
            count.fetch_add(text.matches("DynamoDB_20120810.GetItem").count(), Ordering::SeqCst);
            to_server.write_all(&buffer[..length]).await.unwrap();
        }
    };
    tokio::select! {
        () = requests => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_callers_cause_one_reading() {
    let backing = Backing::start().await;
    assert_eq!(write(&backing.store(), 0, 1).await, PriceWrite::Written);
    let count = Arc::new(AtomicUsize::new(0));
    let direct = backing
        .variables("admin", &[])
        .text("AWS_ENDPOINT_URL_DYNAMODB")
        .unwrap();
    let counted = counting_proxy(&direct, count.clone()).await;
    let variables = backing.variables("admin", &[("AWS_ENDPOINT_URL_DYNAMODB", &counted)]);
    let table = variables.table().unwrap();
    let store = Store::new(Aws::from_environment(variables).unwrap().dynamodb(), table);
    let clock: Clock = held_clock();
    let prices = Arc::new(Prices::new(store, clock.clone()).unwrap());
    let ask = async || {
        let callers = (0..50).map(|_| {
            let prices = prices.clone();
            tokio::spawn(async move { quoted(&prices).await })
        });
        let answers = join_all(callers).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap() == Ok(1)));
    };
    ask().await;
    assert_eq!(count.load(Ordering::SeqCst), 2, "the head and the revision");
    ask().await;
    assert_eq!(count.load(Ordering::SeqCst), 2, "known");
    clock.advance_seconds(CHECK_AFTER.as_secs());
    ask().await;
    assert_eq!(
        count.load(Ordering::SeqCst),
        3,
        "the head alone, since it has not moved"
    );
}
