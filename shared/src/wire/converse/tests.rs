#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::error::Kind;

fn refused(body: &str) -> bool {
    matches!(check(body.as_bytes()), Err(error) if error.kind == Kind::InvalidRequest)
}

fn with(member: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"hi"}}]}}],{member}}}"#)
}

fn content(block: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#)
}

#[test]
fn what_no_model_takes_and_what_has_another_price_is_refused() {
    for body in [
        "{}".to_owned(),
        "[]".to_owned(),
        r#"{"messages":[]}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
        content("1"),
        with(r#""system":"be brief""#),
        with(r#""inferenceConfig":{"maxTokens":0}"#),
        with(r#""inferenceConfig":{"maxTokens":-1}"#),
        with(r#""inferenceConfig":1"#),
        with(r#""performanceConfig":{"latency":"optimized"}"#),
        with(r#""performanceConfig":{"lat\u0065ncy":"optimized"}"#),
        with(r#""serviceTier":{"type":"reserved"}"#),
        with(r#""serviceTier":"flex""#),
        with(r#""toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}"#),
        with(r#""toolConfig":{"tools":[{"system\u0054ool":{"name":"nova_grounding"}}]}"#),
        with(r#""toolConfig":{"tools":{"systemTool":{"name":"nova_grounding"}}}"#),
        with(r#""toolConfig":{"tools":[[{"systemTool":{"name":"nova_grounding"}}]]}"#),
        with(r#""toolConfig":[{"systemTool":{"name":"nova_grounding"}}]"#),
        with(r#""additionalModelRequestFields":{"n":4}"#),
        with(r#""additionalModelRequestFields":{"service_tier":"priority"}"#),
        with(r#""additionalModelRequestFields":{"fallbacks":"default"}"#),
        with(r#""additionalModelRequestFields":{"tools":[{"type":"web_search_20260318","name":"web_search"}]}"#),
        with(r#""additionalModelRequestFields":{"top_k":1,"top_k":2}"#),
        with(r#""additionalModelRequestFields":[]"#),
    ] {
        assert!(refused(&body), "{body}");
    }
    for body in [
        with(r#""inferenceConfig":null"#),
        with(r#""inferenceConfig":{"temperature":0.5}"#),
        with(r#""performanceConfig":{"latency":"standard"}"#),
        with(
            r#""toolConfig":{"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":{"properties":{"systemTool":{}}}}}}]}"#,
        ),
        with(r#""additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}},"new":[1]"#),
        content(r#"{"neverSeen":{"x":1}}"#),
    ] {
        assert!(check(body.as_bytes()).is_ok(), "{body}");
    }
}

/// Bedrock would read the place with the gateway's rights, and not with the caller's.
#[test]
fn a_source_in_s3_is_refused_wherever_it_stands_and_text_that_speaks_of_one_is_not() {
    let place = r#"{"s3Location":{"uri":"s3://b/k"}}"#;
    for block in [
        format!(r#"{{"image":{{"format":"png","source":{place}}}}}"#),
        format!(r#"{{"document":{{"format":"pdf","name":"d","source":{place}}}}}"#),
        format!(r#"{{"video":{{"format":"mp4","source":{place}}}}}"#),
        format!(r#"{{"neverSeen":{{"in":[{{"it":{place}}}]}}}}"#),
        format!(r#"{{"toolResult":{{"toolUseId":"t","content":[{{"image":{{"format":"png","source":{place}}}}}]}}}}"#),
        format!(r#"{{"toolResult":{{"toolUseId":"t","content":[],"content":[{{"document":{{"source":{place}}}}}]}}}}"#),
        r#"{"image":{"source":{"s3\u004cocation":{"uri":"s3://b/k"}}}}"#.to_owned(),
    ] {
        assert!(refused(&content(&block)), "{block}");
    }
    let in_system =
        format!(r#"{{"messages":[{{"role":"user","content":[]}}],"system":[{{"image":{{"source":{place}}}}}]}}"#);
    assert!(refused(&in_system));
    for block in [
        r#"{"text":"an \"s3Location\""}"#.to_owned(),
        format!(r#"{{"toolUse":{{"toolUseId":"t","name":"n","input":{place}}}}}"#),
        format!(r#"{{"toolResult":{{"toolUseId":"t","content":[{{"json":{place}}}]}}}}"#),
        r#"{"document":{"format":"txt","source":{"text":"about s3Location"}}}"#.to_owned(),
    ] {
        assert!(!refused(&content(&block)), "{block}");
    }
}

#[test]
fn the_tier_stands_in_the_body() {
    let tier = |member: &str| check(with(member).as_bytes()).unwrap();
    assert_eq!(tier(r#""x":1"#), ServiceTier::Default);
    assert_eq!(tier(r#""serviceTier":{"type":"flex"}"#), ServiceTier::Flex);
    assert_eq!(tier(r#""serviceTier":{"type":"priority"}"#), ServiceTier::Priority);
}

#[test]
fn a_shorter_answer_and_other_metadata_change_nothing_else() {
    let body = br#"{"messages":[ 1.0 ],"inferenceConfig":{"topP":0.50,"maxTokens":900},"z":"\u00e9"}"#;
    assert_eq!(
        &with_max_tokens(body, 7).unwrap()[..],
        br#"{"messages":[ 1.0 ],"inferenceConfig":{"topP":0.50,"maxTokens":7},"z":"\u00e9"}"#
    );
    assert_eq!(
        &with_max_tokens(br#"{"inferenceConfig":null}"#, 7).unwrap()[..],
        br#"{"inferenceConfig":{"maxTokens":7}}"#
    );
    assert_eq!(request_metadata(body).unwrap(), None);
    let told = with_request_metadata(br#"{"requestMetadata":{"a":"b"},"x":1.0}"#, "{}".into()).unwrap();
    assert_eq!(&told[..], br#"{"requestMetadata":{},"x":1.0}"#);
    assert_eq!(request_metadata(&told).unwrap().as_deref(), Some("{}"));
}
