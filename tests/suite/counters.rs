//! The counters in the table.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use gateway::store::{COUNTER_SHARDS, CounterBatch};
use gateway::telemetry::tally::{Series, Sum, Tally};
use tests::backing::{Backing, Setup};
use tests::unreliable::Fate;

fn series(name: &'static str, labels: &[(&str, &str)]) -> Series {
    let labels = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Series::new(name, labels)
}

fn uploads() -> Series {
    series("uploads_total", &[("way", "form"), ("result", "stored")])
}

/// What an environment gathers: uploads, how long they took, and the days of a certificate.
fn tally(uploaded: u64, days: f64) -> Tally {
    let mut tally = Tally::default();
    tally.add(uploads(), &Sum::Counter(uploaded));
    let mut counts = vec![0; 13];
    (counts[2], counts[12]) = (uploaded, 1);
    let times = Sum::Histogram {
        counts,
        nanos: uploaded * 200_000_000 + 1,
    };
    tally.add(series("request_duration_seconds", &[]), &times);
    let certificate = series(
        "tls_certificate_days_to_expiry",
        &[("peer", "storage"), ("certificate", "ca")],
    );
    tally.add(certificate, &Sum::Gauge(days));
    tally
}

fn batch(number: usize, shard: u32, tally: &Tally) -> CounterBatch {
    CounterBatch::new(format!("batch-{number}"), "upload", shard, tally)
}

/// B-20
#[tokio::test]
async fn what_many_environments_count_adds_up() {
    let backing = Backing::start().await;
    let store = backing.store();
    let batches: Vec<_> = (0..100)
        .map(|number| {
            batch(
                number,
                u32::try_from(number).unwrap() % COUNTER_SHARDS,
                &tally(number as u64, 30.0),
            )
        })
        .collect();
    for written in join_all(batches.iter().map(|batch| store.add_to_counters(batch))).await {
        written.unwrap();
    }
    store
        .add_to_counters(&CounterBatch::new("other".into(), "token", 0, &tally(7, -1.0)))
        .await
        .unwrap();
    let mut wanted = Tally::default();
    (0..100).for_each(|number| wanted.merge(&tally(number, 30.0)));
    assert_eq!(wanted.get(&uploads()), Some(&Sum::Counter(4950)));
    let expected = BTreeMap::from([("token".to_owned(), tally(7, -1.0)), ("upload".to_owned(), wanted)]);
    assert_eq!(store.counters().await.unwrap(), expected);
}

/// B-20: a write whose answer is lost is repeated, and counts once.
#[tokio::test]
async fn a_batch_that_is_written_again_counts_once() {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    let unreliable = backing.unreliable().unwrap();
    let variables = backing.variables("upload", &[]);
    let table = variables.table().unwrap();
    let store = gateway::store::Store::new(
        gateway::aws::Aws::from_environment(variables).unwrap().dynamodb(),
        table,
    );
    unreliable.script(&[Fate::Lost, Fate::Throttled, Fate::Lost, Fate::Conflicting]);
    let written = batch(1, 3, &tally(5, 1.0));
    for _ in 0..4 {
        let _ = store.add_to_counters(&written).await;
    }
    store.add_to_counters(&written).await.unwrap();
    assert_eq!(store.counters().await.unwrap()["upload"], tally(5, 1.0));
}

/// B-20: what functions count is more than the megabyte that DynamoDB gives at once.
#[tokio::test]
async fn what_is_counted_is_read_in_full_however_much_it_is() {
    let backing = Backing::start().await;
    let store = backing.store();
    let functions = ["admin", "stream", "token", "upload"];
    let mut tally = Tally::default();
    for number in 0..1_400 {
        let way = format!("{number:0200}");
        tally.add(
            series("uploads_total", &[("way", &way), ("result", "stored")]),
            &Sum::Counter(1),
        );
    }
    let batches = functions.map(|function| CounterBatch::new(format!("batch-{function}"), function, 0, &tally));
    for written in join_all(batches.iter().map(|batch| store.add_to_counters(batch))).await {
        written.unwrap();
    }
    let read = store.counters().await.unwrap();
    assert_eq!(read.len(), functions.len());
    assert!(read.values().all(|function| *function == tally));
}
