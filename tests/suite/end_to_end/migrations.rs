//! A migration of a table in use, whose function is killed over and over; and the tool that an operator types.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::{StreamExt as _, stream};
use gateway::store::{Item, canonical_bytes};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tests::fixtures;
use tests::local::{Route, Stack, User, dynamodb, eventually, marker, root};
use tokio::process::Command;

/// So many rows are migrated, unless `TOLLGATE_MIGRATED_ROWS` says otherwise, for who changes this code on a busy machine.
fn items() -> u64 {
    let wish = std::env::var("TOLLGATE_MIGRATED_ROWS").ok();
    wish.map_or(100_000, |wish| wish.parse().unwrap())
}

const PEOPLE: u64 = 500;
/// Kills on the way up, and on the way down.
const KILLS: [u32; 2] = [12, 8];

/// Numbers that a seed repeats (a linear congruential generator, Knuth's MMIX).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A usage row as functions wrote it before anything was migrated.
fn old_row(number: u64) -> Item {
    let mut row = serde_json::to_value(fixtures::usage_row(0)).unwrap();
    let (day, hour, millis) = (1 + number % 20, number % 24, number % 1_000);
    let started_at = format!("2026-11-{day:02}T{hour:02}:00:00.{millis:03}Z");
    let person = format!("user:seeded{}", number % PEOPLE);
    let set = json!({
        "request_id": format!("seeded-{number}"),
        "principal": person,
        "started_at": started_at,
        "ended_at": started_at,
        "usage": {
            "input_tokens": number, "output_tokens": number % 777, "cache_read_input_tokens": number % 11,
            "cache_creation": {"ephemeral_5m_input_tokens": number % 5, "ephemeral_1h_input_tokens": 0},
        },
        "rates": {
            "input": 3_000_000, "output": 15_000_000, "cache_read": 300_000,
            "cache_write_5m": 3_750_000, "cache_write_1h": 6_000_000,
        },
        "cost_picodollars": number * 1_000,
    });
    for (name, value) in set.as_object().unwrap() {
        row[name] = value.clone();
    }
    let mut item: Item = serde_dynamo::to_item(row).unwrap();
    let mut text = |name: &str, value: String| drop(item.insert(name.to_owned(), AttributeValue::S(value)));
    text("pk", format!("USAGE#{person}"));
    text("sk", format!("{started_at}#seeded-{number}"));
    text("day", started_at.get(..10).unwrap().to_owned());
    item.insert("v".into(), AttributeValue::N("2".into()));
    item.insert("expires_at".into(), AttributeValue::N("4102444800".into()));
    item
}

async fn seed(client: &Client, table: &str) {
    let numbers: Vec<u64> = (0..items()).collect();
    let batches: Vec<Vec<u64>> = numbers.chunks(25).map(<[u64]>::to_vec).collect();
    stream::iter(batches)
        .for_each_concurrent(8, async |numbers| {
            let put = |number| {
                let put = PutRequest::builder().set_item(Some(old_row(number))).build().unwrap();
                WriteRequest::builder().put_request(put).build()
            };
            let requests: Vec<_> = numbers.into_iter().map(put).collect();
            let write = client.batch_write_item().request_items(table, requests);
            let answer = write.send().await.unwrap();
            assert!(answer.unprocessed_items.unwrap_or_default().is_empty());
        })
        .await;
}

fn hash(item: &Item) -> u64 {
    let mut hasher = DefaultHasher::new();
    canonical_bytes(item).hash(&mut hasher);
    hasher.finish()
}

/// Every seeded row, by its key, as a hash of all of it.
async fn seeded(client: &Client, table: &str) -> HashMap<String, u64> {
    let mut found = HashMap::new();
    let mut pages = client
        .scan()
        .table_name(table)
        .filter_expression("begins_with(pk, :seeded)")
        .expression_attribute_values(":seeded", AttributeValue::S("USAGE#user:seeded".into()))
        .into_paginator()
        .items()
        .send();
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        found.insert(item["sk"].as_s().unwrap().clone(), hash(&item));
    }
    found
}

/// What went on while it was migrated.
#[derive(Default)]
struct Traffic {
    over: AtomicBool,
    calls: AtomicU64,
    readings: AtomicU64,
}

/// Calls, one after the other; each must succeed.
async fn call(user: &User, traffic: &Traffic) {
    while !traffic.over.load(Ordering::SeqCst) {
        let answer = Route::Messages.call(&user.caller, &marker()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        traffic.calls.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// Readings of rows that are being migrated; each must show all of them, as they are.
async fn read(stack: &Stack, traffic: &Traffic) {
    let (admin, mut seeded) = (stack.admin(), Seeded(5));
    while !traffic.over.load(Ordering::SeqCst) {
        let person = seeded.below(PEOPLE);
        let answer = admin
            .get(&format!("/api/usage/records?user=user:seeded{person}&limit=500"))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let records = answer.json()["records"].as_array().unwrap().clone();
        assert_eq!(records.len() as u64, items() / PEOPLE);
        for record in records {
            let id = record["request_id"].as_str().unwrap();
            let number: u64 = id.strip_prefix("seeded-").unwrap().parse().unwrap();
            assert_eq!(record["usage"]["input_tokens"], number, "{record}");
            assert_eq!(record["usage"]["output_tokens"], number % 777, "{record}");
        }
        traffic.readings.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

/// What the sweep says of a command, however long it takes; nothing if it was killed.
async fn ask(stack: &Stack, event: &Value) -> Option<Value> {
    let url = format!("{}/2015-03-31/functions/sweep/invocations", stack.ready().lambda);
    let answer = reqwest::Client::new()
        .post(url)
        .body(event.to_string())
        .send()
        .await
        .unwrap();
    let told: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    if told.get("outcome").is_none() {
        println!("{told}");
        return None;
    }
    Some(told)
}

fn event(action: &str) -> Value {
    json!({
        "command": "migrate", "action": action, "by": "a test", "rate": 1_000_000, "segments": 6, "settle_seconds": 11,
        "lease_seconds": 1,
    })
}

fn kill_sweeps(stack: &Stack) {
    for id in stack.ready_now().functions["sweep"].clone() {
        let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        // One that was killed before may be gone already.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Takes a migration on its way and to its end, and kills its function so often, at times that the seed chooses.
async fn migrate(stack: &Stack, action: &str, kills: u32, seeded: &mut Seeded) -> Value {
    let (mut killed, mut next) = (0, event(action));
    loop {
        let moment = Duration::from_millis(100 + seeded.below(1_900));
        let told = if killed < kills {
            let kill = async {
                tokio::time::sleep(moment).await;
                kill_sweeps(stack);
            };
            tokio::join!(ask(stack, &next), kill).0
        } else {
            ask(stack, &next).await
        };
        match told.as_ref().map(|told| told["outcome"].as_str().unwrap()) {
            None => killed += 1,
            Some("busy") => tokio::time::sleep(Duration::from_millis(500)).await,
            Some("continues") => next = event("continue"),
            Some("done") => {
                assert_eq!(killed, kills, "it was done before it was killed so often");
                return told.unwrap();
            }
            Some(other) => panic!("{other}: {told:?}"),
        }
    }
}

/// a hundred thousand rows go up and down again under a function that is killed by SIGKILL
/// twenty times, while calls and readers go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_rows_survive_twenty_kills_of_their_migration_while_calls_run() {
    let stack = Stack::start(&["--environments", "3"]).await;
    let (client, user) = (dynamodb(&stack), stack.new_user().await);
    let table = stack.ready().table.clone();
    let started = Instant::now();
    seed(&client, &table).await;
    let before = seeded(&client, &table).await;
    assert_eq!(before.len() as u64, items());
    println!("seeded after {:?}", started.elapsed());
    let traffic = Arc::new(Traffic::default());
    let calls = tokio::spawn({
        let (user, traffic) = (user.clone(), traffic.clone());
        async move { call(&user, &traffic).await }
    });
    let reads = tokio::spawn({
        let (stack, traffic) = (stack.clone(), traffic.clone());
        async move { read(&stack, &traffic).await }
    });
    let mut seeds = Seeded(20);
    let up = migrate(&stack, "up", KILLS[0], &mut seeds).await["migrations"][0].clone();
    println!("up after {:?}: {}", started.elapsed(), up["verified"]);
    assert_eq!(
        (&up["phase"], &up["faults"], &up["gone"]),
        (&json!("raised"), &json!([]), &json!(0))
    );
    assert!(up["verified"]["converted"].as_u64().unwrap() >= items(), "{up}");
    assert_eq!(
        (&up["verified"]["missed"], &up["verified"]["wrong"]),
        (&json!(0), &json!(0))
    );
    let during = seeded(&client, &table).await;
    assert_eq!(during.len(), before.len());
    let converted = before.iter().filter(|(key, hash)| during[*key] != **hash).count();
    assert_eq!(converted, before.len(), "each is in the new form");
    let down = migrate(&stack, "down", KILLS[1], &mut seeds).await["migrations"][0].clone();
    println!("down after {:?}: {}", started.elapsed(), down["verified"]);
    assert_eq!((&down["phase"], &down["faults"]), (&json!("lowered"), &json!([])));
    traffic.over.store(true, Ordering::SeqCst);
    calls.await.unwrap();
    reads.await.unwrap();
    assert!(seeded(&client, &table).await == before, "every byte is as it was");
    let made = traffic.calls.load(Ordering::SeqCst);
    let rows = user.rows().await.len() as u64;
    assert_eq!(rows, made, "one row for each call, whichever form it was written in");
    let readings = traffic.readings.load(Ordering::SeqCst);
    assert!(made > 10 && readings > 10, "{made} calls and {readings} readings");
    println!(
        "{} rows up and down with {} kills in {:?}; {made} calls and {readings} readings meanwhile",
        items(),
        KILLS[0] + KILLS[1],
        started.elapsed(),
    );
}

async fn tool(stack: &Stack, arguments: &[&str]) -> (bool, Value) {
    let file = tempfile::NamedTempFile::new().unwrap();
    stack.ready().write(file.path()).unwrap();
    let output = Command::new(root().join("tools/migrate"))
        .args(arguments)
        .env("TOLLGATE_READY_FILE", file.path())
        .output()
        .await
        .unwrap();
    let told = serde_json::from_slice(&output.stdout);
    (output.status.success(), told.unwrap_or_else(|_| panic!("{output:?}")))
}

///
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_migrates_by_the_tool_and_goes_back() {
    let stack = Stack::start(&["--environments", "2"]).await;
    let user = stack.new_user().await;
    for _ in 0..3 {
        assert_eq!(Route::Messages.call(&user.caller, &marker()).await.status, 200);
    }
    let rows = user.rows_once(3).await;
    assert_eq!(
        tool(&stack, &["schema"]).await,
        (true, json!({ "outcome": "done", "schema": [] }))
    );
    let (right, dry) = tool(&stack, &["up", "--dry-run"]).await;
    assert_eq!((right, &dry["looked"]["counts"]["missed"]), (true, &json!(3)), "{dry}");
    let (right, status) = tool(&stack, &[]).await;
    assert_eq!((right, &status["migrations"][0]["phase"]), (true, &json!("pending")));
    let steps = [
        ("up", "raised"),
        ("down", "lowered"),
        ("up", "raised"),
        ("contract", "contracted"),
    ];
    for (action, phase) in steps {
        let (right, told) = tool(&stack, &[action, "--settle-seconds", "0", "--by", "somebody"]).await;
        assert_eq!(
            (right, &told["migrations"][0]["phase"]),
            (true, &json!(phase)),
            "{told}"
        );
        assert_eq!(user.rows().await, rows);
        let changes = told["migrations"][0]["changes"].as_array().unwrap();
        assert!(changes.iter().all(|change| change["by"] == "somebody"), "{changes:?}");
    }
    let (right, verified) = tool(&stack, &["verify"]).await;
    assert_eq!((right, &verified["clean"]), (true, &json!(true)), "{verified}");
    let (right, refused) = tool(&stack, &["down", "--id", "0001-usage-rows-compact"]).await;
    assert_eq!((right, &refused["outcome"]), (false, &json!("refused")));
}

///
#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_goes_on_with_a_migration_that_nobody_attends_to() {
    let stack = Stack::start(&["--environments", "2", "--schedule-seconds", "1"]).await;
    let user = stack.new_user().await;
    assert_eq!(Route::Messages.call(&user.caller, &marker()).await.status, 200);
    user.rows_once(1).await;
    let mut up = event("up");
    up["settle_seconds"] = json!(3);
    let phase = async || {
        let told = ask(&stack, &event("status")).await?;
        Some(told["migrations"][0]["phase"].clone())
    };
    // It is killed while it waits, and nobody asks again.
    let kill = async {
        eventually("it is on its way", async || (phase().await? == "rising").then_some(())).await;
        kill_sweeps(&stack);
    };
    tokio::join!(ask(&stack, &up), kill);
    eventually("the schedule has brought it to its end", async || {
        (phase().await? == "raised").then_some(())
    })
    .await;
    assert_eq!(user.rows().await.len(), 1);
}
