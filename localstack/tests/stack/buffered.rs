//! Buffered integrations, routes and limits.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use localstack::stack::Options;
use reqwest::Method;
use serde_json::json;

use crate::support::{Gate, start, start_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_function_gets_its_event_its_variables_and_a_real_deadline() {
    let running = start().await;
    let echo = running.echo("/open/a%2Fb?x=1&x=2").await;
    assert_eq!(echo["event"]["path"], "/open/a%2Fb");
    assert_eq!(echo["event"]["pathParameters"]["id"], "a/b");
    assert_eq!(echo["event"]["multiValueQueryStringParameters"]["x"], json!(["1", "2"]));
    let environment = &echo["environment"];
    assert_eq!(environment["TABLE"], "tollgate-table");
    assert_eq!(environment["ISSUER"], running.stack.ready().gateway);
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], "buffered");
    let table = environment["AWS_ENDPOINT_URL_DYNAMODB"].as_str().unwrap();
    let held = table.starts_with("http://127.0.0.1:") && table != running.stack.ready().dynamodb;
    assert!(held, "{table} is not where functions are held to their roles");
    assert_eq!(environment["HOME"], json!(null), "this program's own variables leaked");
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let left_ms = i128::from(echo["deadline_ms"].as_u64().unwrap()) - i128::try_from(now_ms).unwrap();
    assert!((0..=2_000).contains(&left_ms), "{left_ms} ms of 2 s are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_renamed_dropped_and_repeated_as_aws_does() {
    let running = start().await;
    let response = running.get("/open/x?do=headers").await;
    assert_eq!(response.status(), 401);
    let headers = response.headers();
    assert_eq!(headers["x-amzn-remapped-www-authenticate"], "Basic");
    assert_eq!(headers["x-amzn-remapped-server"], "mine");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers.get_all("x-twice").iter().collect::<Vec<_>>(), ["one", "two"]);
    for absent in ["www-authenticate", "server", "via"] {
        assert!(!headers.contains_key(absent), "{absent}");
    }
    let body = running.get("/open/x?do=binary").await.bytes().await.unwrap();
    assert_eq!(body.as_ref(), [0x00, 0xff, 0xfe]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_a_function_are_502_and_shaped_by_the_template() {
    let running = start().await;
    for told in ["fail", "malformed", "die"] {
        let response = running.get(&format!("/open/x?do={told}")).await;
        assert_eq!(response.status(), 502, "{told}");
        assert_eq!(response.headers()["x-amzn-errortype"], "InternalServerErrorException");
        assert_eq!(
            response.text().await.unwrap(),
            r#"{"message":"Internal server error","default":true}"#
        );
    }
    running.echo("/open/x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_past_its_timeout_is_killed_and_replaced() {
    let running = start().await;
    let first = running.echo("/open/x").await["pid"].clone();
    assert_eq!(running.get("/open/x?do=hang").await.status(), 502);
    assert_ne!(running.echo("/open/x").await["pid"], first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buffered_integration_past_its_limit_is_504_and_the_function_goes_on() {
    let running = start_with(|options: &mut Options| options.limits.buffered = Duration::from_millis(300)).await;
    let first = running.echo("/open/x").await["pid"].clone();
    let gate = Gate::new().await;
    let response = running.get(&format!("/open/x?gate={}", gate.port)).await;
    assert_eq!(response.status(), 504);
    let mut function = gate.reached().await;
    function.open().await;
    assert_eq!(running.echo("/open/x").await["pid"], first);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_shaped_by_the_template() {
    let running = start().await;
    for (method, path) in [
        (Method::GET, "/nowhere"),
        (Method::HEAD, "/closed"),
        (Method::GET, "/open/a/b"),
        (Method::GET, "/"),
    ] {
        assert_eq!(
            running.request(method.clone(), path).send().await.unwrap().status(),
            404,
            "{method} {path}"
        );
    }
    assert_eq!(
        running.get("/nowhere").await.text().await.unwrap(),
        r#"{"message":"no such route"}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_events_over_the_limits_are_413() {
    let running = start().await;
    let send = async |length: usize| {
        let request = running
            .request(Method::POST, "/open/x?do=binary")
            .body(vec![b'x'; length]);
        request.send().await.unwrap().status().as_u16()
    };
    // 4.5 MB are 6 MB in base64.
    assert_eq!(send(4_600_000).await, 200);
    assert_eq!(send(4_800_000).await, 413);
    assert_eq!(send(10 * 1024 * 1024 + 1).await, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_6_mb_is_502() {
    let running = start().await;
    let answer = async |bytes: usize| running.get(&format!("/open/x?do=large&bytes={bytes}")).await;
    let whole = answer(6_000_000).await;
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.bytes().await.unwrap().len(), 6_000_000);
    assert_eq!(answer(6_291_556).await.status(), 502);
    running.echo("/open/x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_over_10240_bytes_is_431() {
    let running = start().await;
    let send = async |length: usize| {
        let request = running
            .request(Method::GET, "/open/x")
            .header("x-long", "x".repeat(length));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(10_000).await, 200);
    assert_eq!(send(10_240).await, 431);
    assert_eq!(send(100_000).await, 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_log_says_why_and_keeps_queries_to_itself() {
    let running = start().await;
    let response = running.get("/open/x?do=fail").await;
    let id = response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    let log = std::fs::read_to_string(running.stack.ready().logs.join("gateway.log")).unwrap();
    let line = log.lines().find(|line| line.contains(&id)).unwrap();
    assert!(
        line.contains("GET /open/x 502 INTEGRATION_FAILURE: buffered: "),
        "{line}"
    );
    assert!(line.ends_with("it failed") && !line.contains("do="), "{line}");
}
