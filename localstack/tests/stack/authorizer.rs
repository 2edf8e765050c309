//! The REQUEST authorizer and its cache.

use localstack::stack::Options;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{Running, start, start_with};

async fn closed(running: &Running, word: &str) -> Response {
    running
        .request(Method::GET, "/closed")
        .header("authorization", word)
        .send()
        .await
        .unwrap()
}

async fn principal(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    let echo: Value = response.json().await.unwrap();
    echo["event"]["requestContext"]["authorizer"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_caller_reaches_the_function_with_its_context_as_text() {
    let running = start().await;
    let mut principal = principal(closed(&running, "allow").await).await;
    let latency = principal.as_object_mut().unwrap().remove("integrationLatency").unwrap();
    assert!(latency.is_u64());
    let expected = json!({
        "principalId": "someone", "count": "1", "flag": "true", "text": "text", "type": "REQUEST", "path": "/closed",
        "certificate": "null",
    });
    assert_eq!(principal, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_caller_is_401_and_told_so_as_the_template_says() {
    let running = start().await;
    let response = closed(&running, "wrong").await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"test\"");
    assert_eq!(response.headers()["x-request"], response.headers()["x-amzn-requestid"]);
    let id = response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        body,
        json!({ "message": "Unauthorized", "type": "UNAUTHORIZED", "id": id, "path": "/closed" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_allow_is_403() {
    let running = start().await;
    let response = closed(&running, "deny").await;
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["x-amzn-errortype"], "AccessDeniedException");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorizer_that_fails_closes_the_door() {
    let running = start().await;
    let response = closed(&running, "broken").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(closed(&running, "nested").await.status(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_time_to_live_every_request_is_asked_about() {
    let running = start().await;
    assert_eq!(principal(closed(&running, "allow").await).await["count"], "1");
    assert_eq!(principal(closed(&running, "allow").await).await["count"], "2");
    // No identity source, so the authorizer itself decides about a request without credentials.
    assert_eq!(running.get("/closed").await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_answer_serves_every_route_by_its_identity_source_alone() {
    let running = start_with(|options: &mut Options| options.authorizer_ttl_seconds = Some(60)).await;
    assert_eq!(principal(closed(&running, "allow").await).await["count"], "1");
    assert_eq!(principal(closed(&running, "allow").await).await["count"], "1");
    let elsewhere = running
        .request(Method::POST, "/also/closed")
        .header("authorization", "allow")
        .send()
        .await
        .unwrap();
    let elsewhere = principal(elsewhere).await;
    assert_eq!(
        (&elsewhere["count"], &elsewhere["path"]),
        (&json!("1"), &json!("/closed"))
    );
    // A policy for one method, kept, closes the others.
    assert_eq!(principal(closed(&running, "narrow").await).await["count"], "2");
    let elsewhere = running
        .request(Method::POST, "/also/closed")
        .header("authorization", "narrow")
        .send()
        .await
        .unwrap();
    assert_eq!(elsewhere.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_time_to_live_a_missing_identity_source_is_401_without_asking() {
    let running = start_with(|options: &mut Options| options.authorizer_ttl_seconds = Some(60)).await;
    let response = running.get("/closed").await;
    assert_eq!(response.status(), 401);
    assert_eq!(closed(&running, "wrong").await.status(), 401);
    // Neither of them was kept or counted.
    assert_eq!(principal(closed(&running, "allow").await).await["count"], "1");
}
