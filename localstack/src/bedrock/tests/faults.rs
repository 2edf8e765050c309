//! How it fails when it is asked to, or when a caller is wrong.

use super::*;

#[tokio::test]
async fn a_wrong_signature_a_foreign_key_and_no_signature_are_refused() {
    let mock = start().await.unwrap();
    for (key, secret, code) in [
        ("local", "wrong", "InvalidSignatureException"),
        ("other", "local", "UnrecognizedClientException"),
    ] {
        let config = aws_sdk_bedrockruntime::config::Builder::from(&sdk_config(false)).endpoint_url(&mock.url);
        let config = config.credentials_provider(Credentials::new(key, secret, None, None, "test"));
        let call = Client::from_conf(config.build())
            .invoke_model()
            .model_id(MODEL)
            .body(Blob::new(body_of("hi")));
        assert_eq!(call.send().await.unwrap_err().code(), Some(code));
    }
    let url = format!("{}/model/{MODEL}/invoke", mock.url);
    let bearer = reqwest::Client::new()
        .post(&url)
        .bearer_auth("tg_secret")
        .header("x-api-key", "tg_secret");
    let answer = bearer.header("cookie", "a=b").body(body_of("hi")).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let kind = answer.headers()["x-amzn-errortype"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("MissingAuthenticationTokenException:http"), "{kind}");
    let requests = mock.requests();
    assert_eq!(
        requests.last().unwrap().forbidden_headers,
        ["x-api-key", "cookie", "authorization"]
    );
    assert!(requests[0].forbidden_headers.is_empty());
    assert_eq!(
        (mock.ledger().totals.calls, mock.ledger().totals.cost_picodollars),
        (3, 0)
    );
}

#[tokio::test]
async fn every_error_before_the_head_has_its_status_and_type_and_bills_nothing() {
    let mock = start().await.unwrap();
    let errors = [
        ("AccessDeniedException", 403),
        ("ValidationException", 400),
        ("ServiceQuotaExceededException", 400),
        ("ConflictException", 400),
        ("ResourceNotFoundException", 404),
        ("ModelTimeoutException", 408),
        ("ModelErrorException", 424),
        ("ThrottlingException", 429),
        ("ModelNotReadyException", 429),
        ("InternalServerException", 500),
        ("ServiceUnavailableException", 503),
    ];
    for (kind, status) in errors {
        let body = asking(&json!({ "error_type": kind, "message": "why", "retry_after": 7 }));
        let error = client(&mock)
            .invoke_model()
            .model_id(MODEL)
            .body(Blob::new(body))
            .send()
            .await
            .unwrap_err();
        let response = error.raw_response().unwrap();
        assert_eq!(response.status().as_u16(), status, "{kind}");
        assert_eq!(response.headers().get("retry-after"), Some("7"));
        assert_eq!((error.code(), error.message()), (Some(kind), Some("why")));
    }
    for status in [400, 403, 404, 408, 424, 429, 500, 503] {
        let body = asking(&json!({ "status": status }));
        let call = client(&mock)
            .invoke_model_with_response_stream()
            .model_id(MODEL)
            .body(Blob::new(body));
        let error = call.send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), status);
        let (kind, _) = errors.iter().find(|(kind, _)| error.code() == Some(*kind)).unwrap();
        assert!(!kind.is_empty());
    }
    let ledger = mock.ledger();
    assert!(
        ledger
            .calls
            .iter()
            .all(|call| call.outcome == "error" && !call.billed && call.status >= 400)
    );
    assert_eq!((ledger.totals.calls, ledger.totals.cost_picodollars), (19, 0));
}

#[tokio::test]
async fn the_six_stream_exceptions_come_after_the_frames_asked_for_and_bill_what_was_said() {
    let mock = start().await.unwrap();
    for kind in [
        "internalServerException",
        "modelStreamErrorException",
        "validationException",
        "throttlingException",
        "modelTimeoutException",
        "serviceUnavailableException",
    ] {
        let directive =
            json!({ "output_tokens": 50, "exception_after": { "events": 5, "type": kind, "message": "broke" } });
        let (events, end) = read(stream(&mock, directive).await).await;
        assert_eq!(types(&events)[3..], ["content_block_delta", "content_block_delta"]);
        let error = end.unwrap_err().to_lowercase();
        assert!(
            error.starts_with(&kind.to_lowercase()) && error.contains("broke"),
            "{error}"
        );
        let call = mock.ledger().calls.pop().unwrap();
        assert_eq!((call.outcome, call.billed, call.exact), ("exception", true, false));
        assert_eq!(call.usage.output_tokens, (text(&events).len() as u64).div_ceil(4));
        assert_eq!(
            (call.usage.output_tokens, call.cost_picodollars),
            (10, picodollars(&call.usage))
        );
    }
}

#[tokio::test]
async fn a_cut_a_truncated_frame_and_a_false_end_are_told_apart_on_the_wire() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke-with-response-stream");
    let mut seen = Vec::new();
    for fault in ["cut_after", "truncate_frame", "end_after"] {
        let body = asking(&json!({ "output_tokens": 50, fault: 6 }));
        let (chunks, ended) = chunks(raw(&mock, &path, &body).await).await;
        let (frames, left) = frames(&chunks.concat()).unwrap();
        let call = mock.ledger().calls.pop().unwrap();
        seen.push((
            call.outcome,
            frames.len(),
            left > 0,
            ended,
            call.usage.output_tokens,
            call.exact,
        ));
    }
    let expected = [
        ("cut", 6, false, false, 15, false),
        ("truncated", 5, true, false, 10, false),
        ("ended", 6, false, true, 15, false),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_corrupt_frame_fails_its_checksum_and_no_other_does() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke-with-response-stream");
    let body = asking(&json!({ "output_tokens": 50, "corrupt_crc": 3 }));
    let (chunks, _) = chunks(raw(&mock, &path, &body).await).await;
    assert!(frames(&chunks.concat()).is_err());
    assert_eq!(frames(&chunks[..2].concat()).unwrap().0.len(), 2);
    assert!(frames(&chunks[3..].concat()).is_ok());
    let call = mock.ledger().calls.pop().unwrap();
    assert_eq!((call.outcome, call.exact), ("complete", false));
}

#[tokio::test]
async fn writes_are_split_as_asked_and_still_add_up() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke-with-response-stream");
    let body = asking(&json!({ "text": "split me", "split": 7 }));
    let (chunks, ended) = chunks(raw(&mock, &path, &body).await).await;
    assert!(ended && chunks.iter().all(|chunk| chunk.len() <= 7));
    assert_eq!(frames(&chunks.concat()).unwrap().0.len(), 7);
}

#[tokio::test]
async fn who_leaves_midway_is_billed_the_whole_answer() {
    let mock = start().await.unwrap();
    let mut output = stream(&mock, json!({ "output_tokens": 500, "hold_after": 4, "hold": "never" })).await;
    output.body.recv().await.unwrap();
    drop(output);
    let stalled = json!({ "stall": true, "output_tokens": 7 });
    let invoke = client(&mock)
        .invoke_model()
        .model_id(MODEL)
        .body(Blob::new(asking(&stalled)))
        .send();
    let invoke = tokio::spawn(invoke);
    counted(&mock, "the second call is under way", |totals| totals.calls == 2).await;
    invoke.abort();
    let ledger = settled(&mock).await;
    let seen: Vec<_> = ledger
        .calls
        .iter()
        .map(|call| (call.outcome, call.usage.output_tokens, call.exact))
        .collect();
    assert_eq!(seen, [("client_left", 500, false), ("client_left", 7, false)]);
    assert_eq!(ledger.calls[0].cost_picodollars, picodollars(&ledger.calls[0].usage));
}

#[tokio::test]
async fn a_body_of_one_byte_too_much_is_refused() {
    let mock = start().await.unwrap();
    let whole = |padding: usize| body_of(&"x".repeat(padding));
    let room = request::MAX_BODY_BYTES - whole(0).len();
    let call = |body: Vec<u8>| {
        client(&mock)
            .invoke_model()
            .model_id(MODEL)
            .body(Blob::new(body))
            .send()
    };
    assert!(call(whole(room)).await.is_ok());
    let error = call(whole(room + 1)).await.unwrap_err().into_service_error();
    assert!(error.is_validation_exception());
}

#[tokio::test]
async fn delays_come_before_the_head_and_between_events() {
    let mock = start().await.unwrap();
    let began = std::time::Instant::now();
    let output = stream(&mock, json!({ "text": "x", "delay_ms": 60, "event_delay_ms": 10 })).await;
    assert!(began.elapsed() >= Duration::from_millis(60));
    let head = began.elapsed();
    let (events, _) = read(output).await;
    assert_eq!(events.len(), 7);
    assert!(began.elapsed() - head >= Duration::from_millis(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_comes_after_all_the_frames_before_it_however_large() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke-with-response-stream");
    let script = json!({ "text": "x".repeat(2_000_000), "delta_tokens": 2000, "cut_after": 200 });
    let body = asking(&script).into_iter().collect::<Vec<_>>();
    let body = String::from_utf8(body).unwrap().replace("4096", "1000000").into_bytes();
    let socket = raw(&mock, &path, &body).await;
    // A reader that is slow to begin finds the sender's buffers full.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (chunks, ended) = chunks(socket).await;
    assert_eq!((frames(&chunks.concat()).unwrap().0.len(), ended), (200, false));
}
