//! The control API and the handle.

use super::*;

#[tokio::test]
async fn a_held_stream_gives_its_first_frame_and_goes_on_when_released() {
    let mock = start().await.unwrap();
    let mut output = stream(&mock, json!({ "text": "x", "hold_after": 1, "hold": "here" })).await;
    let first = output.body.recv().await.unwrap();
    assert!(first.is_some());
    let second = tokio::time::timeout(Duration::from_millis(50), output.body.recv()).await;
    assert!(second.is_err(), "nothing more comes while it is held");
    let control = reqwest::Client::new();
    let held = async {
        let url = format!("{}/_mock/holds", mock.url);
        while control.get(&url).send().await.unwrap().json::<Value>().await.unwrap()
            != json!({ "here": { "waiting": 1, "released": false } })
        {}
    };
    tokio::time::timeout(PATIENCE, held)
        .await
        .expect("one stream is held by that name");
    let released = control
        .post(format!("{}/_mock/release/here", mock.url))
        .send()
        .await
        .unwrap();
    assert_eq!(released.status(), 204);
    let (events, end) = read(output).await;
    end.unwrap();
    assert_eq!(types(&events).last(), Some(&"message_stop"));
    // A release lasts.
    let (events, _) = read(stream(&mock, json!({ "text": "x", "hold_after": 1, "hold": "here" })).await).await;
    assert_eq!(types(&events).last(), Some(&"message_stop"));
}

#[tokio::test]
async fn queued_directives_are_taken_in_turn_by_calls_without_their_own() {
    let mock = start().await.unwrap();
    let control = reqwest::Client::new();
    let queue = |directives: Value| {
        control
            .post(format!("{}/_mock/faults", mock.url))
            .json(&directives)
            .send()
    };
    let bad = queue(json!([{ "text": "x" }, { "txet": "x" }])).await.unwrap();
    assert_eq!(bad.status(), 400);
    assert!(bad.text().await.unwrap().contains("unknown field `txet`"));
    assert_eq!(
        queue(json!([{ "status": 429 }, { "text": "queued", "extra_headers": { "x-e": "1" } }]))
            .await
            .unwrap()
            .status(),
        204
    );
    let call = |body: Vec<u8>| {
        client(&mock)
            .invoke_model()
            .model_id(MODEL)
            .body(Blob::new(body))
            .send()
    };
    assert!(call(asking(&json!({ "text": "own" }))).await.is_ok());
    assert!(
        call(body_of("a"))
            .await
            .unwrap_err()
            .into_service_error()
            .is_throttling_exception()
    );
    let queued = call(body_of("b")).await.unwrap();
    assert!(String::from_utf8_lossy(queued.body().as_ref()).contains("queued"));
    let plain = call(body_of("question c")).await.unwrap();
    assert!(String::from_utf8_lossy(plain.body().as_ref()).contains("question c"));
    let misspelt = call(body_of("mock:{\"output_token\":1}"))
        .await
        .unwrap_err()
        .into_service_error();
    assert!(misspelt.is_validation_exception());
}

#[tokio::test]
async fn the_control_api_shows_requests_and_the_ledger_and_clears_them() {
    let mock = start().await.unwrap();
    let body = body_of("say \"hi\"");
    client(&mock)
        .invoke_model()
        .model_id(MODEL)
        .body(Blob::new(body.clone()))
        .send()
        .await
        .unwrap();
    let control = reqwest::Client::new();
    let get = async |name: &str| -> Value {
        control
            .get(format!("{}/_mock/{name}", mock.url))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let requests = get("requests").await;
    assert_eq!(requests[0]["method"], "POST");
    assert_eq!(
        requests[0]["path"],
        format!("/model/{}/invoke", MODEL.replace(':', "%3A"))
    );
    assert_eq!(requests[0]["body"].as_str().unwrap().as_bytes(), body);
    assert!(
        requests[0]["headers"]["authorization"]
            .as_str()
            .unwrap()
            .starts_with("AWS4-HMAC-SHA256")
    );
    let ledger = get("ledger").await;
    let call = &ledger["calls"][0];
    assert_eq!(call["operation"], "InvokeModel");
    assert!(call["usage"]["cache_creation"]["ephemeral_1h_input_tokens"].is_u64());
    assert_eq!(call["cost_picodollars"], ledger["totals"]["cost_picodollars"]);
    for name in ["ledger", "requests"] {
        let cleared = control
            .delete(format!("{}/_mock/{name}", mock.url))
            .send()
            .await
            .unwrap();
        assert_eq!(cleared.status(), 204);
    }
    assert_eq!(get("ledger").await["totals"]["calls"], 0);
    assert_eq!(get("requests").await, json!([]));
}

#[tokio::test]
async fn an_application_profile_can_be_named_by_the_control_api() {
    let mock = start().await.unwrap();
    let arn = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc";
    let call = || {
        client(&mock)
            .invoke_model()
            .model_id(arn)
            .body(Blob::new(body_of("hi")))
            .send()
    };
    assert!(call().await.is_err());
    let put = reqwest::Client::new().put(format!("{}/_mock/profiles", mock.url));
    put.json(&json!({ "abc": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0" }))
        .send()
        .await
        .unwrap();
    call().await.unwrap();
    assert_eq!(
        mock.ledger().calls[1].priced_as,
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
    );
}

#[tokio::test]
async fn stopping_ends_held_streams_at_once() {
    let mock = start().await.unwrap();
    let url = mock.url.clone();
    let mut output = stream(&mock, json!({ "text": "x", "hold_after": 1 })).await;
    output.body.recv().await.unwrap();
    tokio::time::timeout(Duration::from_secs(2), mock.stop())
        .await
        .expect("it does not wait for the hold");
    assert!(output.body.recv().await.is_err());
    assert!(reqwest::get(format!("{url}/_mock/ledger")).await.is_err());
}

#[tokio::test]
async fn what_was_sent_can_be_asked_for_to_the_byte() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke-with-response-stream");
    let directive = json!({ "text": "some words", "truncate_frame": 4 });
    let (got, whole) = chunks(raw(&mock, &path, &asking(&directive)).await).await;
    assert!(!whole);
    let id = &settled(&mock).await.calls[0].request_id;
    let sent = reqwest::get(format!("{}/_mock/answers/{id}", mock.url)).await.unwrap();
    assert_eq!(sent.bytes().await.unwrap(), got.concat());
    let unknown = reqwest::get(format!("{}/_mock/answers/x", mock.url)).await.unwrap();
    assert_eq!(unknown.status(), 404);
}
