//! The invocation log: read back from S3 as its readers do.

use std::io::Read as _;

use flate2::read::GzDecoder;
use gateway::clock::Clock;

use super::*;
use crate::aws::{self, Endpoints, Resources};

const BUCKET: &str = "logs";

/// A mock with a log, and the S3 that it is in.
struct Logged {
    mock: Mock,
    s3: aws_sdk_s3::Client,
    _endpoints: Endpoints,
    _data: tempfile::TempDir,
}

async fn logged(change: impl FnOnce(&mut LogOptions)) -> Logged {
    let data = tempfile::tempdir().unwrap();
    let options = aws::Options {
        data: data.path().to_owned(),
        aws_endpoint: None,
        privileges: None,
    };
    let resources = Resources {
        buckets: vec![BUCKET.to_owned()],
        ..Resources::default()
    };
    let endpoints = aws::start(&options, &resources).await.unwrap();
    let mut log = LogOptions {
        s3: endpoints.s3.clone(),
        bucket: BUCKET.to_owned(),
        prefix: "models".to_owned(),
        settings: LogSettings {
            clock: Clock::held_at("2026-11-25T13:59:58.700Z".parse().unwrap()),
            ..LogSettings::default()
        },
    };
    change(&mut log);
    let options = Options {
        invocation_log: Some(log),
        ..Options::default()
    };
    let config = aws_sdk_s3::config::Builder::from(&sdk_config(false)).endpoint_url(&endpoints.s3);
    Logged {
        mock: start_with(options).await.unwrap(),
        s3: aws_sdk_s3::Client::from_conf(config.force_path_style(true).build()),
        _endpoints: endpoints,
        _data: data,
    }
}

impl Logged {
    /// Keys and records, once no call is open and everything is written.
    async fn objects(&self) -> Vec<(String, Vec<Value>)> {
        settled(&self.mock).await;
        self.mock.flush_log().await.unwrap();
        assert_eq!(self.mock.ledger().totals.unlogged, 0);
        self.objects_now().await
    }

    async fn objects_now(&self) -> Vec<(String, Vec<Value>)> {
        let listed = self.s3.list_objects_v2().bucket(BUCKET).send().await.unwrap();
        let mut objects = Vec::new();
        for key in listed.contents().iter().map(|object| object.key().unwrap()) {
            let object = self.s3.get_object().bucket(BUCKET).key(key).send().await.unwrap();
            let bytes = object.body.collect().await.unwrap().into_bytes();
            let mut text = String::new();
            GzDecoder::new(bytes.as_ref()).read_to_string(&mut text).unwrap();
            let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
            objects.push((key.to_owned(), records.collect()));
        }
        objects
    }

    /// The record of each call, by its request id.
    async fn records(&self) -> HashMap<String, Value> {
        let objects = self.objects().await.into_iter();
        let records = objects.flat_map(|(_, records)| records);
        records
            .map(|record| (record["requestId"].as_str().unwrap().to_owned(), record))
            .collect()
    }
}

/// A call as the gateway makes it, with this metadata.
async fn invoke(mock: &Mock, body: Vec<u8>, metadata: &'static str) -> Result<(), String> {
    let call = client(mock).invoke_model().model_id(MODEL).body(Blob::new(body));
    let call = call.customize().mutate_request(move |request| {
        request
            .headers_mut()
            .insert("X-Amzn-Bedrock-Request-Metadata", metadata);
    });
    let sent = call.send().await;
    sent.map(drop)
        .map_err(|error| error.into_service_error().message().unwrap_or_default().to_owned())
}

fn cached(directive: &Value) -> Vec<u8> {
    let hour = json!({ "type": "ephemeral", "ttl": "1h" });
    let body = json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096,
        "system": [{ "type": "text", "text": "x".repeat(400), "cache_control": hour }],
        "messages": [{ "role": "user", "content": format!("mock:{directive}") }],
    });
    body.to_string().into_bytes()
}

#[tokio::test]
async fn a_call_is_recorded_with_its_counts_its_metadata_and_its_cache_writes() {
    let logged = logged(|_| {}).await;
    let body = cached(&json!({ "output_tokens": 9 }));
    invoke(&logged.mock, body, r#"{"tollgate_request_id":"r-1"}"#)
        .await
        .unwrap();
    let objects = logged.objects().await;
    let [(key, records)] = objects.as_slice() else {
        panic!("one object: {objects:?}");
    };
    let hour = "models/AWSLogs/000000000000/BedrockModelInvocationLogs/us-east-1/2026/11/25/13/20261125T135958700Z_";
    assert!(key.starts_with(hour) && key.ends_with(".json.gz"), "{key}");
    let ledger = logged.mock.ledger();
    let call = &ledger.calls[0];
    let written = call.usage.cache_creation.ephemeral_1h_input_tokens;
    let expected = json!({
        "schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": "2026-11-25T13:59:58Z",
        "accountId": "000000000000", "identity": { "arn": "arn:aws:sts::000000000000:assumed-role/local/local" },
        "region": "us-east-1", "requestId": call.request_id, "operation": "InvokeModel", "modelId": MODEL,
        "input": {
            "inputContentType": "application/json", "inputTokenCount": call.usage.input_tokens,
            "cacheReadInputTokenCount": 0, "cacheWriteInputTokenCount": written,
        },
        "output": {
            "outputContentType": "application/json", "outputTokenCount": 9,
            "outputBodyJson": { "type": "message", "role": "assistant", "usage": {
                "input_tokens": call.usage.input_tokens, "output_tokens": 9, "cache_read_input_tokens": 0,
                "cache_creation_input_tokens": written,
                "cache_creation": { "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": written },
            } },
        },
        "requestMetadata": { "tollgate_request_id": "r-1" },
    });
    assert!(written > 100);
    assert_eq!(records, &[expected]);
}

#[tokio::test]
async fn every_way_a_stream_ends_is_recorded_with_the_tokens_of_the_ledger() {
    let logged = logged(|_| {}).await;
    let endings = [
        json!({ "output_tokens": 20 }),
        json!({ "output_tokens": 20, "cut_after": 6 }),
        json!({ "output_tokens": 20, "truncate_frame": 5 }),
        json!({ "output_tokens": 20, "end_after": 5 }),
        json!({ "output_tokens": 20, "exception_after": { "events": 6, "type": "modelStreamErrorException" } }),
    ];
    for directive in endings {
        let _ = read(stream(&logged.mock, directive).await).await;
    }
    let left = stream(&logged.mock, json!({ "output_tokens": 20, "hold": "left" })).await;
    drop(left);
    let records = logged.records().await;
    let ledger = logged.mock.ledger();
    let outcomes: Vec<_> = ledger.calls.iter().map(|call| call.outcome).collect();
    let all = ["complete", "cut", "truncated", "ended", "exception", "client_left"];
    assert_eq!(outcomes, all);
    assert_eq!(records.len(), all.len());
    for call in &ledger.calls {
        let record = &records[&call.request_id];
        assert_eq!(record["operation"], "InvokeModelWithResponseStream");
        assert_eq!(record["input"]["inputTokenCount"], call.usage.input_tokens, "{call:?}");
        assert_eq!(
            record["output"]["outputTokenCount"], call.usage.output_tokens,
            "{call:?}"
        );
        let events = record["output"]["outputBodyJson"].as_array().unwrap();
        assert_eq!(events[0]["message"]["usage"]["input_tokens"], call.usage.input_tokens);
        let whole = matches!(call.outcome, "complete" | "client_left");
        assert_eq!(events.len(), if whole { 2 } else { 1 }, "{call:?}");
        if whole {
            assert_eq!(events[1]["usage"]["output_tokens"], 20);
        }
    }
}

#[tokio::test]
async fn a_failed_call_is_recorded_without_tokens_and_a_strangers_is_not() {
    let logged = logged(|_| {}).await;
    let metadata = r#"{"a":"b"}"#;
    let throttled = asking(&json!({ "status": 429, "message": "slowly" }));
    assert_eq!(
        invoke(&logged.mock, throttled, metadata).await,
        Err("slowly".to_owned())
    );
    let url = format!("{}/model/{MODEL}/invoke", logged.mock.url);
    assert_eq!(reqwest::Client::new().post(url).send().await.unwrap().status(), 403);
    let records = logged.records().await;
    assert_eq!(records.len(), 1, "{records:?}");
    let record = records.values().next().unwrap();
    assert_eq!(record["errorCode"], "ThrottlingException");
    assert_eq!(record["requestMetadata"], json!({ "a": "b" }));
    assert_eq!(record["input"], json!({ "inputContentType": "application/json" }));
    assert_eq!(record.get("output"), None);
}

#[tokio::test]
async fn metadata_that_is_not_an_object_of_strings_is_refused_and_costs_nothing() {
    let logged = logged(|_| {}).await;
    for bad in ["[]", "a=b", r#"{"a":1}"#, r#"{"a;":"b"}"#] {
        let refused = invoke(&logged.mock, body_of("x"), bad).await.unwrap_err();
        assert!(refused.contains("requestMetadata"), "{refused}");
    }
    assert_eq!(logged.mock.ledger().totals.billed, 0);
    let records = logged.records().await;
    assert!(
        records
            .values()
            .all(|record| record["errorCode"] == "ValidationException")
    );
}

#[tokio::test]
async fn several_records_share_an_object_and_a_flush_writes_what_waits() {
    let logged = logged(|log| log.settings.records_per_object = 2).await;
    for _ in 0..3 {
        invoke(&logged.mock, body_of("x"), "{}").await.unwrap();
    }
    let waiting = counted(&logged.mock, "two are written, one waits", |totals| {
        totals.unlogged == 1
    });
    waiting.await;
    let sizes = |objects: &[(String, Vec<Value>)]| objects.iter().map(|(_, records)| records.len()).collect::<Vec<_>>();
    assert_eq!(sizes(&logged.objects_now().await), [2]);
    let control = reqwest::Client::new();
    let flushed = control
        .post(format!("{}/_mock/log/flush", logged.mock.url))
        .send()
        .await
        .unwrap();
    assert_eq!(flushed.status(), 204);
    let mut sizes = sizes(&logged.objects_now().await);
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2]);
}

#[tokio::test]
async fn bodies_can_be_left_out_and_time_can_be_a_tests_own() {
    let logged = logged(|log| log.prefix.clear()).await;
    let url = format!("{}/_mock/log", logged.mock.url);
    let control = reqwest::Client::new();
    let change = json!({ "bodies": false });
    assert_eq!(control.put(&url).json(&change).send().await.unwrap().status(), 204);
    let settings: Value = control.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(settings, json!({ "records_per_object": 1, "bodies": false }));
    logged
        .mock
        .change_log(|log| log.clock = Clock::held_at("2027-01-02T03:04:05Z".parse().unwrap()));
    invoke(&logged.mock, body_of("x"), "{}").await.unwrap();
    let objects = logged.objects().await;
    assert!(
        objects[0].0.contains("us-east-1/2027/01/02/03/20270102T030405000Z_"),
        "{objects:?}"
    );
    let record = &objects[0].1[0];
    assert_eq!(record["timestamp"], "2027-01-02T03:04:05Z");
    assert!(record["output"]["outputTokenCount"].is_u64());
    assert_eq!(record["output"].get("outputBodyJson"), None);
}

#[tokio::test]
async fn an_s3_that_is_down_fails_the_flush_and_no_call() {
    let logged = logged(|log| log.s3 = "http://127.0.0.1:9".to_owned()).await;
    invoke(&logged.mock, body_of("x"), "{}").await.unwrap();
    assert!(logged.mock.flush_log().await.is_err());
    assert_eq!(logged.mock.ledger().totals.unlogged, 1);
    logged.mock.reset();
    assert_eq!(logged.mock.flush_log().await, Ok(()));
    assert_eq!(logged.mock.ledger().totals.unlogged, 0);
}
