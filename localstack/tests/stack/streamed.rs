//! Streamed integrations.

use localstack::stack::Options;
use std::time::Duration;

use crate::support::{Gate, eventually, start, start_with};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_chunk_reaches_the_client_while_the_second_is_held_back() {
    let running = start().await;
    let gate = Gate::new().await;
    let mut response = running.post(&format!("/stream?gate={}", gate.port)).await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    let mut function = gate.reached().await;
    function.open().await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "second");
    assert!(response.chunk().await.unwrap().is_none());
    assert_eq!(function.rest().await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prelude_gives_status_headers_and_cookies() {
    let running = start().await;
    let response = running.post("/stream").await;
    assert_eq!(response.status(), 201);
    let headers = response.headers().clone();
    assert_eq!(headers["x-streamed"], "yes");
    assert_eq!(headers["x-amzn-remapped-www-authenticate"], "Basic");
    assert!(!headers.contains_key("www-authenticate"));
    let cookies: Vec<_> = headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert!(headers.contains_key("x-amzn-requestid") && headers.contains_key("x-amz-apigw-id"));
    assert_eq!(response.text().await.unwrap(), "firstsecond");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_not_stop_the_function() {
    let running = start().await;
    let gate = Gate::new().await;
    let mut response = running.post(&format!("/stream?gate={}&then=bulk", gate.port)).await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    let mut function = gate.reached().await;
    drop(response);
    // Only when the gateway has noticed can it do anything wrong.
    let log = running.stack.ready().logs.join("gateway.log");
    eventually("the gateway did not notice", || {
        std::fs::read_to_string(&log).unwrap().contains("the client left")
    })
    .await;
    function.open().await;
    assert_eq!(function.rest().await, "done");
    assert_eq!(running.post("/stream").await.text().await.unwrap(), "firstsecond");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_dies_in_a_stream_breaks_the_connection_and_is_replaced() {
    let running = start().await;
    let before = running.stack.ready().functions["streamed"].clone();
    let gate = Gate::new().await;
    let mut response = running.post(&format!("/stream?gate={}&then=die", gate.port)).await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    let mut function = gate.reached().await;
    function.open().await;
    assert!(response.chunk().await.is_err(), "a part passed for the whole");
    assert_eq!(running.post("/stream").await.text().await.unwrap(), "firstsecond");
    assert_eq!(before.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_past_the_limit_breaks_the_connection() {
    let running = start_with(|options: &mut Options| options.limits.idle = Duration::from_millis(200)).await;
    let mut response = running.post("/stream?then=hang").await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    assert!(response.chunk().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_stream_and_a_failure_before_it_are_502() {
    let running = start().await;
    for told in ["buffered", "fail"] {
        let response = running.post(&format!("/stream?do={told}")).await;
        assert_eq!(response.status(), 502, "{told}");
        assert_eq!(
            response.text().await.unwrap(),
            r#"{"message":"Internal server error","default":true}"#
        );
    }
}
