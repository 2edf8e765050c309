//! `Converse` and `ConverseStream`, through the SDK.

use aws_sdk_bedrockruntime::types::{
    CachePointBlock, CachePointType, CacheTtl, ContentBlock, ContentBlockDelta, ConversationRole,
    ConverseOutput as Said, ConverseStreamOutput as Event, ConverseTokensRequest, CountTokensInput,
    InferenceConfiguration, Message as Turn, SystemContentBlock, TokenUsage,
};

use super::*;

/// One with a price of every kind, of another vendor.
const NOVA: &str = "us.amazon.nova-pro-v1:0";

fn turn(directive: &Value) -> Turn {
    let text = ContentBlock::Text(format!("do mock:{directive} please"));
    Turn::builder()
        .role(ConversationRole::User)
        .content(text)
        .build()
        .unwrap()
}

fn assert_billed(usage: &TokenUsage, call: &Call) {
    let count = |count: i32| u64::try_from(count).unwrap();
    let written = |ttl: CacheTtl| {
        let details = usage.cache_details().iter().filter(|detail| *detail.ttl() == ttl);
        details.map(|detail| count(detail.input_tokens())).sum::<u64>()
    };
    let told = Usage {
        input_tokens: count(usage.input_tokens()),
        output_tokens: count(usage.output_tokens()),
        cache_read_input_tokens: count(usage.cache_read_input_tokens().unwrap()),
        cache_creation: CacheCreation {
            ephemeral_5m_input_tokens: written(CacheTtl::FiveMinutes),
            ephemeral_1h_input_tokens: written(CacheTtl::OneHour),
        },
    };
    assert_eq!(told, call.usage);
    assert_eq!(
        count(usage.cache_write_input_tokens().unwrap()),
        call.usage.cache_creation.total()
    );
    assert!(call.billed && call.cost_picodollars > 0);
    assert_eq!(call.outcome, "complete");
}

#[tokio::test]
async fn every_text_model_answers_in_one_piece_and_is_billed_at_its_own_price() {
    let mock = start().await.unwrap();
    for model in [MODEL, NOVA, "openai.gpt-oss-120b-1:0"] {
        let directive =
            json!({ "text": "So it is.", "thinking": "hm", "tool_use": { "name": "t", "input": { "a": 1 } } });
        let call = client(&mock).converse().model_id(model).messages(turn(&directive));
        let answer = call.send().await.unwrap();
        let Some(Said::Message(message)) = answer.output() else {
            panic!("{answer:?}")
        };
        assert!(message.content()[0].is_reasoning_content(), "{message:?}");
        assert_eq!(message.content()[1].as_text().unwrap(), "So it is.");
        assert_eq!(message.content()[2].as_tool_use().unwrap().name(), "t");
        assert_eq!(answer.stop_reason().as_str(), "tool_use");
        let ledger = mock.ledger();
        let line = ledger.calls.last().unwrap();
        assert_eq!(
            (line.operation, line.priced_as.as_str(), line.exact),
            ("Converse", model, true)
        );
        assert_billed(answer.usage().unwrap(), line);
    }
}

#[tokio::test]
async fn the_stream_has_the_events_of_the_model_and_ends_with_the_counts() {
    let mock = start().await.unwrap();
    let directive =
        json!({ "text": "one two", "thinking": "hm", "tool_use": { "name": "t", "input": { "a": 1 } }, "split": 3 });
    let call = client(&mock)
        .converse_stream()
        .model_id(NOVA)
        .messages(turn(&directive));
    let mut stream = call.send().await.unwrap().stream;
    let (mut kinds, mut text, mut usage) = (Vec::new(), String::new(), None);
    while let Some(event) = stream.recv().await.unwrap() {
        kinds.push(match event {
            Event::MessageStart(_) => "start",
            Event::ContentBlockStart(_) => "block",
            Event::ContentBlockDelta(delta) => {
                if let Some(ContentBlockDelta::Text(part)) = delta.delta() {
                    text.push_str(part);
                }
                "delta"
            }
            Event::ContentBlockStop(_) => "end",
            Event::MessageStop(_) => "stop",
            Event::Metadata(metadata) => {
                usage = metadata.usage().cloned();
                "metadata"
            }
            other => panic!("{other:?}"),
        });
    }
    let expected = [
        "start", "delta", "delta", "end", "delta", "end", "block", "delta", "end", "stop", "metadata",
    ];
    assert_eq!((kinds.as_slice(), text.as_str()), (&expected[..], "one two"));
    let ledger = mock.ledger();
    assert_billed(&usage.unwrap(), &ledger.calls[0]);
    assert!(ledger.calls[0].exact);
}

#[tokio::test]
async fn cache_points_write_once_and_read_after_by_their_lifetime() {
    let mock = start().await.unwrap();
    let ask = async |ttl: CacheTtl, text: &str| {
        let point = CachePointBlock::builder()
            .r#type(CachePointType::Default)
            .ttl(ttl)
            .build()
            .unwrap();
        let call = client(&mock).converse().model_id(MODEL);
        let call = call.system(SystemContentBlock::Text(text.repeat(400)));
        let call = call.system(SystemContentBlock::CachePoint(point));
        let answer = call.messages(turn(&json!({}))).send().await.unwrap();
        let line = mock.ledger().calls.last().unwrap().clone();
        assert_billed(answer.usage().unwrap(), &line);
        line.usage
    };
    for (ttl, text) in [(CacheTtl::FiveMinutes, "x"), (CacheTtl::OneHour, "y")] {
        let hour = ttl == CacheTtl::OneHour;
        let first = ask(ttl.clone(), text).await;
        let written = first.cache_creation;
        assert!(written.total() > 100);
        assert_eq!(written.ephemeral_1h_input_tokens > 0, hour);
        let second = ask(ttl, text).await;
        assert_eq!(
            (second.cache_read_input_tokens, second.cache_creation.total()),
            (written.total(), 0)
        );
    }
}

#[tokio::test]
async fn a_count_is_exactly_what_converse_bills_as_input() {
    let mock = start().await.unwrap();
    let system = SystemContentBlock::Text("be brief".to_owned());
    let asked = ConverseTokensRequest::builder()
        .messages(turn(&json!({})))
        .system(system.clone())
        .build();
    let counted = client(&mock)
        .count_tokens()
        .model_id("anthropic.claude-sonnet-4-5-20250929-v1:0");
    let counted = counted.input(CountTokensInput::Converse(asked)).send().await.unwrap();
    let call = client(&mock)
        .converse()
        .model_id(MODEL)
        .messages(turn(&json!({})))
        .system(system);
    call.send().await.unwrap();
    let billed = mock.ledger().calls[0].usage.input_tokens;
    assert_eq!(u64::try_from(counted.input_tokens()).unwrap(), billed);
}

#[tokio::test]
async fn it_fails_as_asked_before_the_head_inside_the_stream_and_by_the_body() {
    let mock = start().await.unwrap();
    let throttled = client(&mock).converse().model_id(MODEL);
    let throttled = throttled
        .messages(turn(&json!({ "status": 429 })))
        .send()
        .await
        .unwrap_err();
    assert!(throttled.into_service_error().is_throttling_exception());
    let call = client(&mock).converse_stream().model_id(MODEL);
    let directive = json!({ "output_tokens": 40, "exception_after": { "events": 3, "type": "throttlingException" } });
    let mut stream = call.messages(turn(&directive)).send().await.unwrap().stream;
    let mut events = 0;
    let error = loop {
        match stream.recv().await {
            Ok(Some(_)) => events += 1,
            Ok(None) => panic!("no exception"),
            Err(error) => break error.into_service_error(),
        }
    };
    assert!(error.is_throttling_exception() && events == 3, "{error:?}");
    let longest = InferenceConfiguration::builder().max_tokens(2).build();
    let short = client(&mock)
        .converse()
        .model_id(MODEL)
        .messages(turn(&json!({})))
        .inference_config(longest);
    let short = short.send().await.unwrap();
    assert_eq!(
        (short.stop_reason().as_str(), short.usage().unwrap().output_tokens()),
        ("max_tokens", 2)
    );
    let empty = client(&mock).converse().model_id(MODEL).send().await.unwrap_err();
    assert!(empty.into_service_error().is_validation_exception());
}
