//! Calls of dead functions, found in Bedrock's invocation log.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use gateway::usage::Outcome;
use localstack::invocation_log;
use tests::backing::Setup;
use tests::books::{balanced, open_calls, rows};

use super::*;

async fn backing() -> Backing {
    let setup = Setup {
        invocation_log: true,
        ..Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    plant_limits(&backing).await;
    backing
}

async fn open(store: &Store, call: &OpenCall) {
    store.open_call(call).await.unwrap();
    hold(store, call, 3).await;
}

fn record(id: &str, written: u64) -> Value {
    json!({
        "schemaType": "ModelInvocationLog", "requestId": format!("upstream-{id}"),
        "input": {"inputTokenCount": 11, "cacheReadInputTokenCount": 7, "cacheWriteInputTokenCount": written},
        "output": {"outputTokenCount": 13},
        "requestMetadata": {"tollgate_request_id": id},
    })
}

/// Puts an object into the folder of an hour.
async fn put(backing: &Backing, hour: &str, name: &str, bytes: Vec<u8>) {
    let folder = "bedrock/AWSLogs/000000000000/BedrockModelInvocationLogs/us-east-1";
    let put = backing.s3().put_object().bucket(invocation_log::BUCKET);
    put.key(format!("{folder}/{hour}/{name}"))
        .body(bytes.into())
        .send()
        .await
        .unwrap();
}

fn packed(records: &[Value]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    for record in records {
        writeln!(out, "{record}").unwrap();
    }
    out.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_the_log_are_billed_exactly_and_the_others_never_were() {
    let backing = backing().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    for id in ["early", "late", "written", "never"] {
        open(&store, &call(id)).await;
    }
    put(
        &backing,
        "2026/11/25/13",
        "a.json.gz",
        packed(&[record("stranger", 0), record("early", 0)]),
    )
    .await;
    put(
        &backing,
        "2026/11/25/14",
        "b.json.gz",
        packed(&[record("late", 0), record("written", 5)]),
    )
    .await;
    put(
        &backing,
        "2026/11/25/14",
        "data/c.json.gz",
        b"a body, no records".to_vec(),
    )
    .await;
    let report = sweep(&functions, later()).await;
    assert_eq!(
        (&report["recovered"], &report["released"], &report["estimated"]),
        (&json!(3), &json!(1), &json!(0))
    );
    let rows = rows(&store, USER).await;
    let found: BTreeMap<_, _> = rows.iter().map(|row| (row.request_id.as_str(), row)).collect();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), ["early", "late", "written"]);
    for (id, row) in &found {
        let usage = row.usage;
        assert_eq!(
            [usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens].map(Tokens::as_u64),
            [11, 13, 7]
        );
        assert_eq!((row.outcome, row.estimated), (Outcome::Lost, *id == "written"), "{id}");
        assert_eq!(row.upstream_request_id.as_deref(), Some(&*format!("upstream-{id}")));
        assert_eq!(row.cost_picodollars, price(&rates(1_000), &usage));
    }
    assert_eq!(
        found["written"].usage.cache_write_1h_tokens,
        Tokens::new(5),
        "the dearest lifetime"
    );
    let cost: u128 = rows.iter().map(|row| row.cost_picodollars.as_u128()).sum();
    for budget in call("x").budgets().unwrap() {
        let state = balanced(&store, &budget).await.unwrap();
        assert_eq!((state.spent.as_u128(), state.holds.len()), (cost, 0), "{budget:?}");
    }
    assert!(open_calls(&store).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_not_given_up_before_its_record_had_time_to_come() {
    let backing = backing().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let call = call("slow");
    open(&store, &call).await;
    let report = sweep(&functions, call.deadline_at + SignedDuration::from_mins(14)).await;
    assert_eq!((&report["waiting"], open_calls(&store).await.len()), (&json!(1), 1));
    put(&backing, "2026/11/25/13", "a.json.gz", packed(&[record("slow", 0)])).await;
    let report = sweep(&functions, call.deadline_at + SignedDuration::from_mins(14)).await;
    assert_eq!((&report["recovered"], open_calls(&store).await.len()), (&json!(1), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_whole_proves_nothing_unbilled() {
    let backing = backing().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    open(&store, &call("unclear")).await;
    put(&backing, "2026/11/25/13", "broken.json.gz", b"no gzip".to_vec()).await;
    let report = sweep(&functions, later()).await;
    assert_eq!((&report["estimated"], &report["released"]), (&json!(1), &json!(0)));
    assert!(rows(&store, USER).await[0].estimated);
    let nowhere = tests::backing::nowhere();
    let blind = Functions::with(&backing, &[("AWS_ENDPOINT_URL_S3", &nowhere)]);
    open(&store, &call("unseen")).await;
    let report = sweep(&blind, later()).await;
    assert_eq!((&report["waiting"], open_calls(&store).await.len()), (&json!(1), 1));
}

/// As when Bedrock delivers its log to another place: what is nowhere in an empty log may have been billed all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_any_record_proves_nothing_unbilled() {
    let backing = backing().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    open(&store, &call("unlogged")).await;
    let report = sweep(&functions, later()).await;
    assert_eq!((&report["estimated"], &report["released"]), (&json!(1), &json!(0)));
    assert_eq!(rows(&store, USER).await[0].usage, call("unlogged").worst_usage);
}
