//! What is answered, and what it is billed.

use super::*;

#[tokio::test]
async fn the_sdk_gets_a_priced_answer_in_one_piece() {
    let mock = start().await.unwrap();
    let body = asking(&json!({ "output_tokens": 12 }));
    let answer = client(&mock)
        .invoke_model()
        .model_id(MODEL)
        .body(Blob::new(body))
        .send()
        .await
        .unwrap();
    let message: Value = serde_json::from_slice(answer.body().as_ref()).unwrap();
    assert_eq!(message["type"], "message");
    assert_eq!(message["model"], "claude-sonnet-4-5-20250929");
    assert!(message["id"].as_str().unwrap().starts_with("msg_bdrk_01"));
    assert_eq!(message["content"][0]["text"].as_str().unwrap().len(), 48);
    assert_eq!(message["stop_reason"], "end_turn");
    assert_eq!(message["usage"]["output_tokens"], 12);

    let ledger = mock.ledger();
    let call = &ledger.calls[0];
    assert_eq!(
        (call.outcome, call.billed, call.exact, call.status),
        ("complete", true, true, 200)
    );
    assert_eq!(message["usage"]["input_tokens"], call.usage.input_tokens);
    assert!(call.usage.input_tokens > 0);
    assert_eq!(call.cost_picodollars, picodollars(&call.usage));
    assert_eq!(ledger.totals.cost_picodollars, call.cost_picodollars);
}

#[tokio::test]
async fn the_head_of_an_answer_in_one_piece_has_the_counts() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke");
    let mut answer = String::new();
    raw(&mock, &path, &body_of("hi"))
        .await
        .read_to_string(&mut answer)
        .await
        .unwrap();
    let usage = mock.ledger().calls[0].usage;
    for (name, count) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
        assert!(
            answer.contains(&format!("x-amzn-bedrock-{name}-token-count: {count}\r\n")),
            "{answer}"
        );
    }
    for header in [
        "HTTP/1.1 200 OK\r\n",
        "content-type: application/json\r\n",
        "x-amzn-bedrock-cache-read-input-token-count: 0\r\n",
        "x-amzn-bedrock-cache-write-input-token-count: 0\r\n",
        "x-amzn-bedrock-invocation-latency: ",
    ] {
        assert!(answer.contains(header), "{header} in {answer}");
    }
    assert!(answer.contains(&format!("x-amzn-requestid: {}\r\n", mock.ledger().calls[0].request_id)));
}

#[tokio::test]
async fn the_sdk_reads_a_stream_with_events_in_their_order() {
    let mock = start().await.unwrap();
    let directive = json!({ "text": "one two", "thinking": "hm", "tool_use": { "name": "t", "input": { "a": 1 } } });
    let (events, end) = read(stream(&mock, directive).await).await;
    end.unwrap();
    let expected = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(types(&events), expected);
    assert_eq!(events[4]["delta"]["type"], "signature_delta");
    assert_eq!(events[10]["delta"]["partial_json"], r#"{"a":1}"#);
    assert_eq!(events[12]["delta"]["stop_reason"], "tool_use");
    let call = &mock.ledger().calls[0];
    let (start, metrics) = (
        &events[0]["message"]["usage"],
        &events[13]["amazon-bedrock-invocationMetrics"],
    );
    assert_eq!(start["input_tokens"], call.usage.input_tokens);
    assert_eq!(start["output_tokens"], 1);
    assert_eq!(events[12]["usage"]["output_tokens"], call.usage.output_tokens);
    assert_eq!(call.usage.output_tokens, (2 + 7 + 7_u64).div_ceil(4));
    assert_eq!(metrics["inputTokenCount"], call.usage.input_tokens);
    assert_eq!(metrics["outputTokenCount"], call.usage.output_tokens);
    assert_eq!(
        (
            &metrics["cacheReadInputTokenCount"],
            &metrics["cacheWriteInputTokenCount"]
        ),
        (&json!(0), &json!(0))
    );
    assert!(metrics["invocationLatency"].is_u64() && metrics["firstByteLatency"].is_u64());
}

#[tokio::test]
async fn frames_carry_bedrocks_headers_checksums_and_padding() {
    let mock = start().await.unwrap();
    let path = format!("/model/{MODEL}/invoke-with-response-stream");
    let (chunks, whole) = chunks(raw(&mock, &path, &body_of("hi")).await).await;
    assert!(whole);
    let (frames, left) = frames(&chunks.concat()).unwrap();
    assert_eq!(left, 0);
    let mut paddings = Vec::new();
    for frame in &frames {
        let headers = frame.headers().iter();
        let headers: Vec<_> = headers
            .map(|header| (header.name().as_str(), header.value().as_string().unwrap().as_str()))
            .collect();
        let expected = [
            (":event-type", "chunk"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        assert_eq!(headers, expected);
        let payload: Value = serde_json::from_slice(frame.payload()).unwrap();
        let event = base64::engine::general_purpose::STANDARD
            .decode(payload["bytes"].as_str().unwrap())
            .unwrap();
        assert!(serde_json::from_slice::<Value>(&event).unwrap()["type"].is_string());
        let padding = payload["p"].as_str().unwrap().to_owned();
        assert!("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".starts_with(&padding));
        paddings.push(padding.len());
    }
    paddings.sort_unstable();
    paddings.dedup();
    assert!(paddings.len() > 3, "the padding varies: {paddings:?}");
}

#[tokio::test]
async fn ids_come_raw_encoded_and_as_arns() {
    let mock = start().await.unwrap();
    let arn = format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{MODEL}");
    let application = APPLICATION_PROFILE_ARN.to_owned();
    for id in [MODEL, "anthropic.claude-3-5-sonnet-20240620-v1:0", &arn, &application] {
        client(&mock)
            .invoke_model()
            .model_id(id)
            .body(Blob::new(body_of("hi")))
            .send()
            .await
            .unwrap();
        assert_eq!(mock.ledger().calls.last().unwrap().model, id);
    }
    assert_eq!(mock.ledger().calls.last().unwrap().priced_as, APPLICATION_PROFILE_MODEL);
    for path in [format!("/model/{MODEL}/invoke"), format!("/model/{arn}/invoke")] {
        let mut answer = String::new();
        raw(&mock, &path, &body_of("hi"))
            .await
            .read_to_string(&mut answer)
            .await
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert_eq!(mock.requests().last().unwrap().path, path);
    }
    for id in [
        "anthropic.claude-nobody",
        "arn:aws:bedrock:us-east-1:1:inference-profile/nobody",
        "../admin",
    ] {
        let call = client(&mock).invoke_model().model_id(id).body(Blob::new(body_of("hi")));
        let error = call.send().await.unwrap_err().into_service_error();
        assert!(error.is_validation_exception());
        assert_eq!(error.message(), Some("The provided model identifier is invalid."));
    }
    assert_eq!(mock.ledger().totals.billed, 6);
}

#[tokio::test]
async fn cached_prefixes_are_written_once_and_then_read_and_priced_by_lifetime() {
    let mock = start().await.unwrap();
    let cached = json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 100,
        "system": [
            { "type": "text", "text": "a".repeat(4000), "cache_control": { "type": "ephemeral", "ttl": "1h" } },
            { "type": "text", "text": "b".repeat(400), "cache_control": { "type": "ephemeral" } },
        ],
        "messages": [{ "role": "user", "content": "q" }],
    });
    for _ in 0..2 {
        let call = client(&mock).invoke_model_with_response_stream().model_id(MODEL);
        let (events, _) = read(call.body(Blob::new(cached.to_string())).send().await.unwrap()).await;
        let (start, usage) = (&events[0]["message"]["usage"], mock.ledger().calls.pop().unwrap().usage);
        let written = usage.cache_creation;
        assert_eq!(start["cache_read_input_tokens"], usage.cache_read_input_tokens);
        assert_eq!(
            start["cache_creation"]["ephemeral_1h_input_tokens"],
            written.ephemeral_1h_input_tokens
        );
        assert_eq!(
            start["cache_creation"]["ephemeral_5m_input_tokens"],
            written.ephemeral_5m_input_tokens
        );
        let sum = written.ephemeral_1h_input_tokens + written.ephemeral_5m_input_tokens;
        assert_eq!(start["cache_creation_input_tokens"], sum);
    }
    let calls = mock.ledger().calls;
    let (first, second) = (&calls[0].usage, &calls[1].usage);
    assert!(first.cache_creation.ephemeral_1h_input_tokens > 1000);
    assert!((100..130).contains(&first.cache_creation.ephemeral_5m_input_tokens));
    assert_eq!(second.cache_read_input_tokens, first.cache_creation.total());
    assert_eq!(second.cache_creation, CacheCreation::default());
    assert!(
        calls
            .iter()
            .all(|call| call.cost_picodollars == picodollars(&call.usage))
    );
}

#[tokio::test]
async fn an_unknown_event_and_block_are_added_in_both_forms() {
    let mock = start().await.unwrap();
    let directive = json!({ "text": "t", "unknown_event": true, "refusal": true });
    let (events, _) = read(stream(&mock, directive.clone()).await).await;
    assert!(types(&events).contains(&"vendor_event"));
    assert!(
        events
            .iter()
            .any(|event| event["content_block"]["type"] == "mystery_block")
    );
    let stop = events.iter().find(|event| event["type"] == "message_delta").unwrap();
    assert_eq!(stop["delta"]["stop_reason"], "refusal");
    let call = client(&mock)
        .invoke_model()
        .model_id(MODEL)
        .body(Blob::new(asking(&directive)));
    let message: Value = serde_json::from_slice(call.send().await.unwrap().body().as_ref()).unwrap();
    assert_eq!(message["content"][1]["type"], "mystery_block");
}

#[tokio::test]
async fn the_body_streams_over_http_2_as_well() {
    let mock = start().await.unwrap();
    let url = format!("{}/model/{MODEL}/invoke-with-response-stream", mock.url);
    let body = asking(&json!({ "text": "x", "hold_after": 1, "hold": "h2" }));
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let signed = signature::sign(&url, &body)
        .into_iter()
        .fold(client.post(&url), |request, (name, value)| request.header(name, value));
    let answer = signed.body(body).send().await.unwrap();
    assert_eq!(
        (answer.version(), answer.status().as_u16()),
        (http::Version::HTTP_2, 200)
    );
    let mut stream = answer.bytes_stream();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(frames(&first).unwrap().0.len(), 1);
    mock.release("h2");
    assert!(stream.next().await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_at_once_are_each_billed_what_they_were_told() {
    let mock = start().await.unwrap();
    let client = client(&mock);
    let calls = (1..=60_u64).map(|number| {
        let body = asking(&json!({ "output_tokens": number, "hold_after": 2, "hold": "all", "split": 64 }));
        let client = client.clone();
        tokio::spawn(async move {
            let call = client
                .invoke_model_with_response_stream()
                .model_id(MODEL)
                .body(Blob::new(body));
            let (events, end) = read(call.send().await.unwrap()).await;
            end.unwrap();
            let delta = events.iter().find(|event| event["type"] == "message_delta").unwrap();
            delta["usage"]["output_tokens"].as_u64().unwrap()
        })
    });
    let calls: Vec<_> = calls.collect();
    counted(&mock, "all 60 are under way", |totals| totals.open == 60).await;
    mock.release("all");
    let told: u64 = join_all(calls).await.into_iter().map(Result::unwrap).sum();
    let totals = mock.ledger().totals;
    assert_eq!((totals.calls, totals.billed, totals.open), (60, 60, 0));
    assert_eq!((told, totals.usage.output_tokens), (1830, 1830));
    assert_eq!(totals.cost_picodollars, picodollars(&totals.usage));
}
