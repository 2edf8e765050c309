//! Functions that nobody calls, invoked on their schedules, and the invocation log that the mock writes beside the template.

use std::path::Path;

use localstack::invocation_log;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Running, eventually, start, start_with};

/// What the scheduled function says it was invoked with.
fn events(data: &Path) -> Vec<Value> {
    let log = std::fs::read_to_string(data.join("logs/scheduled.log")).unwrap_or_default();
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let events = whole
        .lines()
        .filter_map(|line| line.split_once("event ").map(|(_, event)| event));
    events.map(|event| serde_json::from_str(event).unwrap()).collect()
}

async fn scheduled(seconds: u64, data: &Path) -> Running {
    start_with(|options| {
        options.schedule_seconds = Some(seconds);
        options.data = Some(data.to_owned());
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_routes_is_invoked_on_its_schedules_again_and_again() {
    let data = tempfile::tempdir().unwrap();
    let _running = scheduled(1, data.path()).await;
    eventually("both schedules come, one of them twice", || {
        let events = events(data.path());
        let regular = events.iter().filter(|event| event["detail-type"] == "Scheduled Event");
        regular.count() >= 2 && events.contains(&json!({ "command": "rarely" }))
    })
    .await;
    let events = events(data.path());
    let first = events.iter().find(|event| event["version"] == "0").unwrap();
    assert_eq!(first["source"], "aws.scheduler");
    let time: jiff::Timestamp = first["time"].as_str().unwrap().parse().unwrap();
    assert_eq!(time.subsec_nanosecond(), 0);
    eventually("each invocation has a line in the gateway's log", || {
        let log = std::fs::read_to_string(data.path().join("logs/gateway.log")).unwrap();
        log.contains("schedule tollgate-ScheduledFunctionRegularly\n")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_schedules_it_is_invoked_by_hand() {
    let data = tempfile::tempdir().unwrap();
    let running = scheduled(0, data.path()).await;
    let url = format!(
        "{}/2015-03-31/functions/scheduled/invocations",
        running.stack.ready().lambda
    );
    let event = json!({ "time": "2026-11-25T13:00:00Z" });
    let answer = running.client.post(&url).json(&event).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), event);
    let failed = running
        .client
        .post(&url)
        .json(&json!({ "fail": true }))
        .send()
        .await
        .unwrap();
    assert_eq!(failed.headers()["x-amz-function-error"], "Unhandled");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mock_logs_its_calls_to_the_bucket_that_the_template_is_told_of() {
    let running = start_with(|options| options.bedrock = None).await;
    let ready = running.stack.ready();
    let told = running.echo("/open/1").await["environment"]["LOG"].clone();
    assert_eq!(told, json!("tollgate-invocation-log/bedrock"));
    assert_eq!(ready.invocation_log_bucket.as_deref(), Some(invocation_log::BUCKET));
    let url = format!("{}/model/anthropic.claude-sonnet-4-6/invoke", ready.bedrock);
    let body =
        r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
    let mut call = running.client.request(Method::POST, &url).body(body);
    for (name, value) in localstack::bedrock::sign(&url, body.as_bytes()) {
        call = call.header(name, value);
    }
    assert_eq!(call.send().await.unwrap().status(), 200);
    let flush = running.client.post(format!("{}/_mock/log/flush", ready.bedrock));
    assert_eq!(flush.send().await.unwrap().status(), 204);
    let config = aws_sdk_s3::config::Builder::from(&localstack::aws::sdk_config(false)).endpoint_url(&ready.s3);
    let s3 = aws_sdk_s3::Client::from_conf(config.force_path_style(true).build());
    let listed = s3
        .list_objects_v2()
        .bucket(invocation_log::BUCKET)
        .prefix("bedrock/AWSLogs/");
    assert_eq!(listed.send().await.unwrap().contents().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_log_the_template_is_told_of_none() {
    let elsewhere = start().await;
    let switched_off = start_with(|options| {
        options.bedrock = None;
        options.invocation_log = false;
    })
    .await;
    for running in [elsewhere, switched_off] {
        assert_eq!(running.stack.ready().invocation_log_bucket, None);
        assert_eq!(running.echo("/open/1").await["environment"]["LOG"], "/");
    }
}
