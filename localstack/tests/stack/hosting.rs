//! Environments of functions.

use localstack::stack::{Options, Stack};
use serde_json::{Value, json};

use crate::support::{Gate, binaries, options, start, start_with};

#[tokio::test(flavor = "multi_thread")]
async fn each_environment_serves_one_request_at_a_time_and_others_wait() {
    let running = start_with(|options: &mut Options| options.environments = 2).await;
    let gates = [Gate::new().await, Gate::new().await, Gate::new().await];
    let call = |gate: &Gate| {
        let request = running.request(reqwest::Method::GET, &format!("/open/x?gate={}", gate.port));
        tokio::spawn(async move { request.send().await.unwrap().json::<Value>().await.unwrap()["pid"].clone() })
    };
    let first = call(&gates[0]);
    let mut at_first = gates[0].reached().await;
    let second = call(&gates[1]);
    let mut at_second = gates[1].reached().await;
    let third = call(&gates[2]);
    assert!(!gates[2].is_reached_now());
    at_second.open().await;
    let mut at_third = gates[2].reached().await;
    at_first.open().await;
    at_third.open().await;
    let (first, second, third) = (first.await.unwrap(), second.await.unwrap(), third.await.unwrap());
    assert_ne!(first, second);
    assert_eq!(second, third);
    assert_eq!(running.stack.ready().functions["buffered"].len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_invoke_functions_with_events_as_they_are() {
    let running = start().await;
    let invoke = async |function: &str, event: Value| {
        let url = format!(
            "{}/2015-03-31/functions/{function}/invocations",
            running.stack.ready().lambda
        );
        running.client.post(url).json(&event).send().await.unwrap()
    };
    let answer: Value = invoke("authorizer", json!({ "methodArn": "a" }))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        answer,
        json!({ "errorType": "Refused", "errorMessage": "Unauthorized" })
    );
    let failed = invoke("buffered", json!({ "queryStringParameters": { "do": "fail" } })).await;
    assert_eq!(failed.headers()["x-amz-function-error"], "Unhandled");
    let streamed = invoke("streamed", json!({})).await;
    assert_eq!(
        streamed.headers()["content-type"],
        "application/vnd.awslambda.http-integration-response"
    );
    let streamed = streamed.bytes().await.unwrap();
    let at = streamed.windows(8).position(|window| window == [0; 8]).unwrap();
    let prelude: Value = serde_json::from_slice(&streamed[..at]).unwrap();
    assert_eq!(
        (&prelude["statusCode"], &streamed[at + 8..]),
        (&json!(201), b"firstsecond".as_slice())
    );
    assert_eq!(invoke("nobody", json!({})).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_does_not_start_is_named_with_its_log() {
    let binaries = binaries();
    let fake = std::fs::read_link(binaries.path().join("buffered")).unwrap();
    std::os::unix::fs::symlink(fake, binaries.path().join("broken")).unwrap();
    let data = tempfile::tempdir().unwrap();
    let template = data.path().join("template.yaml");
    let text = std::fs::read_to_string(crate::support::template()).unwrap();
    std::fs::write(&template, text.replace("Binary: buffered", "Binary: broken")).unwrap();
    let mut options = options(&binaries);
    options.template = template;
    options.data = Some(data.path().to_owned());
    let error = Stack::start(&options).await.unwrap_err().to_string();
    assert!(
        error.contains("exit status 1") && error.contains("logs/broken.log"),
        "{error}"
    );
    let log = std::fs::read_to_string(data.path().join("logs/broken.log")).unwrap();
    assert!(log.contains("this function never starts"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_binary_is_named() {
    let binaries = binaries();
    std::fs::remove_file(binaries.path().join("streamed")).unwrap();
    let error = Stack::start(&options(&binaries)).await.unwrap_err().to_string();
    assert!(error.contains("streamed is missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_told_to_end_and_can_flush() {
    let data = tempfile::tempdir().unwrap();
    let running = start_with(|options: &mut Options| options.data = Some(data.path().to_owned())).await;
    running.stack.stop().await;
    let log = std::fs::read_to_string(data.path().join("logs/buffered.log")).unwrap();
    assert!(log.contains("buffered starts") && log.contains("flushed"), "{log}");
}
