//! `CountTokens`, through the SDK.

use aws_sdk_bedrockruntime::error::SdkError;
use aws_sdk_bedrockruntime::operation::count_tokens::CountTokensError;
use aws_sdk_bedrockruntime::types::{ConverseTokensRequest, CountTokensInput, InvokeModelTokensRequest};

use super::*;

const BASE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

async fn count_of(mock: &Mock, model: &str, input: CountTokensInput) -> Result<i32, CountTokensError> {
    let counted = client(mock).count_tokens().model_id(model).input(input).send().await;
    counted
        .map(|counted| counted.input_tokens())
        .map_err(SdkError::into_service_error)
}

async fn count(mock: &Mock, model: &str, body: Vec<u8>) -> Result<i32, CountTokensError> {
    let body = InvokeModelTokensRequest::builder()
        .body(Blob::new(body))
        .build()
        .unwrap();
    count_of(mock, model, CountTokensInput::InvokeModel(body)).await
}

/// A prompt with a breakpoint in it, so that some of it is cached.
fn cached_body() -> Vec<u8> {
    let body = json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 10,
        "tools": [{ "name": "t", "input_schema": { "type": "object" } }],
        "system": [{ "type": "text", "text": "x".repeat(401), "cache_control": { "type": "ephemeral", "ttl": "1h" } }],
        "messages": [{ "role": "user", "content": "a question of some length" }],
    });
    body.to_string().into_bytes()
}

#[tokio::test]
async fn a_count_is_exactly_what_is_billed_as_input_whatever_the_cache_does() {
    let mock = start().await.unwrap();
    for body in [body_of("é and so on"), cached_body(), cached_body()] {
        let counted = count(&mock, BASE, body.clone()).await.unwrap();
        let call = client(&mock).invoke_model().model_id(MODEL).body(Blob::new(body));
        call.send().await.unwrap();
        let usage = mock.ledger().calls.last().unwrap().usage;
        let billed = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation.total();
        assert_eq!(u64::try_from(counted).unwrap(), billed, "{usage:?}");
    }
    let totals = mock.ledger().totals;
    assert!(
        totals.usage.cache_read_input_tokens > 0,
        "the third came from the cache"
    );
}

#[tokio::test]
async fn a_count_is_no_call_writes_no_cache_and_costs_nothing() {
    let mock = start().await.unwrap();
    count(&mock, BASE, cached_body()).await.unwrap();
    let ledger = mock.ledger();
    assert!(ledger.calls.is_empty());
    let counted = Totals {
        count_tokens: 1,
        ..Totals::default()
    };
    assert_eq!(ledger.totals, counted);
    assert!(mock.requests()[0].path.ends_with("/count-tokens"));
    let call = client(&mock)
        .invoke_model()
        .model_id(MODEL)
        .body(Blob::new(cached_body()));
    call.send().await.unwrap();
    assert_eq!(mock.ledger().totals.usage.cache_read_input_tokens, 0);
}

#[tokio::test]
async fn profiles_and_unknown_models_are_refused_and_foundation_models_are_not() {
    let mock = start().await.unwrap();
    let arn = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0";
    // The second is priced under profiles alone.
    for model in [BASE, "anthropic.claude-mythos-5", arn] {
        assert!(count(&mock, model, body_of("x")).await.is_ok(), "{model}");
    }
    let profile = format!("arn:aws:bedrock:us-east-1:000000000000:inference-profile/{MODEL}");
    for model in [MODEL, &profile, APPLICATION_PROFILE_ARN] {
        let refused = count(&mock, model, body_of("x")).await.unwrap_err();
        assert!(refused.is_validation_exception(), "{model}: {refused:?}");
        assert_eq!(
            refused.message(),
            Some("The provided model doesn't support counting tokens")
        );
    }
    let unknown = count(&mock, "anthropic.claude-never", body_of("x")).await.unwrap_err();
    assert_eq!(unknown.message(), Some("The provided model identifier is invalid."));
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused() {
    let mock = start().await.unwrap();
    let bad = count(&mock, BASE, b"{}".to_vec()).await.unwrap_err();
    assert!(bad.is_validation_exception(), "{bad:?}");
    let converse = CountTokensInput::Converse(ConverseTokensRequest::builder().build());
    let refused = count_of(&mock, BASE, converse).await.unwrap_err();
    assert!(refused.is_validation_exception(), "{refused:?}");
    let url = format!("{}/model/{}/count-tokens", mock.url, "anthropic.claude-sonnet-4-6");
    let unsigned = reqwest::Client::new().post(&url).body("{}").send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
    for body in ["", "[]", r#"{"input":{}}"#, r#"{"input":{"invokeModel":{"body":"?"}}}"#] {
        let mut request = reqwest::Client::new().post(&url).body(body);
        for (name, value) in sign(&url, body.as_bytes()) {
            request = request.header(name, value);
        }
        assert_eq!(request.send().await.unwrap().status(), 400, "{body}");
    }
    assert_eq!(mock.ledger().totals.count_tokens, 7);
}

#[tokio::test]
async fn a_count_fails_as_its_directive_or_the_control_call_says() {
    let mock = start().await.unwrap();
    let own = asking(&json!({ "status": 500, "count_tokens": { "status": 429 } }));
    assert!(count(&mock, BASE, own).await.unwrap_err().is_throttling_exception());
    mock.queue(Directive {
        status: Some(500),
        ..Directive::default()
    });
    assert!(count(&mock, BASE, body_of("x")).await.is_ok(), "the queue is for calls");
    let control = reqwest::Client::new();
    let url = format!("{}/_mock/count-tokens", mock.url);
    let script = json!({ "error_type": "AccessDeniedException", "message": "no" });
    assert_eq!(control.put(&url).json(&script).send().await.unwrap().status(), 204);
    for _ in 0..2 {
        let refused = count(&mock, BASE, body_of("x")).await.unwrap_err();
        assert!(refused.is_access_denied_exception());
        assert_eq!(refused.message(), Some("no"));
    }
    assert_eq!(control.delete(&url).send().await.unwrap().status(), 204);
    assert!(count(&mock, BASE, body_of("x")).await.is_ok());
}
