//! The harness's own unreliable table: what it lets fail has the effect that it says, and the same seed fails the same.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::AttributeValue;
use localstack::aws::sdk_config;
use tests::backing::{Backing, Setup};
use tests::event::request;
use tests::fixtures::usage_row;
use tests::in_process::Functions;
use tests::unreliable::{Fate, Faults, Outage, Unreliable};

fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::config::Builder::from(&sdk_config(false));
    let config = config.retry_config(RetryConfig::disabled()).endpoint_url(url);
    Client::from_conf(config.build())
}

async fn backing() -> Backing {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    Backing::start_with(&setup).await
}

/// Writes an item and says what came of it: nothing, an error's code, or no answer.
async fn put(client: &Client, table: &str, id: &str) -> &'static str {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = client
        .put_item()
        .table_name(table)
        .item("pk", text("T"))
        .item("sk", text(id));
    match put.send().await {
        Ok(_) => "done",
        Err(error) if error.code() == Some("ProvisionedThroughputExceededException") => "throttled",
        Err(error) if error.as_service_error().is_none() => "lost",
        Err(error) => panic!("{error:?}"),
    }
}

async fn is_there(client: &Client, table: &str, id: &str) -> bool {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let got = client
        .get_item()
        .table_name(table)
        .key("pk", text("T"))
        .key("sk", text(id));
    got.send().await.unwrap().item.is_some()
}

#[tokio::test]
async fn a_throttled_write_is_not_done_and_a_lost_one_is() {
    let backing = backing().await;
    let table = backing.unreliable().unwrap();
    let (client, name) = (client(&table.url), backing.template.table_name("Table").unwrap());
    table.script(&[Fate::Throttled, Fate::Lost]);
    for (id, outcome, exists) in [("1", "throttled", false), ("2", "lost", true), ("3", "done", true)] {
        assert_eq!(put(&client, name, id).await, outcome);
        assert_eq!(is_there(&client, name, id).await, exists, "{outcome}");
    }
    let counts = table.counts();
    assert_eq!((counts.of("PutItem"), counts.of("GetItem"), counts.total()), (3, 3, 6));
    assert_eq!((counts.throttled, counts.lost), (1, 1));
    table.reset_counts();
    assert_eq!(table.counts().total(), 0);
}

#[tokio::test]
async fn the_same_seed_lets_the_same_writes_fail_and_no_reads() {
    let backing = backing().await;
    let table = backing.unreliable().unwrap();
    let (client, name) = (client(&table.url), backing.template.table_name("Table").unwrap());
    let faults = Faults {
        seed: 7,
        throttled_percent: 20,
        lost_percent: 10,
    };
    let mut runs = Vec::new();
    for _ in 0..2 {
        table.set_faults(Some(faults));
        let mut run = Vec::new();
        for number in 0..60 {
            run.push(put(&client, name, &number.to_string()).await);
            is_there(&client, name, "0").await;
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    for outcome in ["done", "throttled", "lost"] {
        assert!(runs[0].contains(&outcome), "{:?}", runs[0]);
    }
    table.set_faults(None);
    assert_eq!(put(&client, name, "x").await, "done");
}

#[test]
fn chance_keeps_its_shares_and_differs_between_seeds() {
    let faults = |seed| Faults {
        seed,
        throttled_percent: 20,
        lost_percent: 10,
    };
    let fates = |seed| {
        (1..=10_000)
            .map(|number| faults(seed).fate_of(number))
            .collect::<Vec<_>>()
    };
    let share = |fate| fates(1).iter().filter(|it| **it == fate).count();
    assert!(
        (1_850..=2_150).contains(&share(Fate::Throttled)),
        "{}",
        share(Fate::Throttled)
    );
    assert!((880..=1_120).contains(&share(Fate::Lost)), "{}", share(Fate::Lost));
    assert_ne!(fates(1), fates(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_meet_the_unreliable_table_and_the_tests_own_store_does_not() {
    let backing = backing().await;
    let table = backing.unreliable().unwrap();
    let functions = Functions::new(&backing);
    let health = request("GET", "/health?check=all").event();
    assert_eq!(functions.call("admin", &health).await.http().status, 200);
    table.table_is(Some(Outage::Failing));
    assert_eq!(functions.call("admin", &health).await.http().status, 503);
    backing.store().record_usage(&usage_row(1), 400).await.unwrap();
    table.table_is(None);
    assert_eq!(functions.call("admin", &health).await.http().status, 200);
}

#[tokio::test]
async fn it_stands_before_all_services_at_once() {
    let aws = Unreliable::aws().await;
    let listed = client(&aws.url).list_tables().send().await.unwrap();
    assert!(listed.table_names().is_empty());
    let config = aws_sdk_secretsmanager::config::Builder::from(&sdk_config(false)).endpoint_url(&aws.url);
    let secrets = aws_sdk_secretsmanager::Client::from_conf(config.build());
    aws.table_is(Some(Outage::Broken));
    assert!(client(&aws.url).list_tables().send().await.is_err());
    secrets
        .create_secret()
        .name("s")
        .secret_string("v")
        .send()
        .await
        .unwrap();
}
