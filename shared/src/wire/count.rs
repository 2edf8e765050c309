//! `CountTokens`: its requests for the bodies of other operations, and its answer.
//!
//! Source: Amazon Bedrock Runtime API, `CountTokens`: `{"input":{"invokeModel":{"body":BASE64}}}` or `{"input":{"converse":{…}}}`, answered by
//! `{"inputTokens":N}`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::json::Object;
use crate::usage::Tokens;

/// What of a body of `Converse` counts; the operation takes nothing else.
const COUNTED: [&str; 4] = ["messages", "system", "toolConfig", "additionalModelRequestFields"];

/// The request for a body of `InvokeModel`.
pub fn of_invoke(body: &[u8]) -> Bytes {
    let encoded = BASE64_STANDARD.encode(body);
    Bytes::from(format!(r#"{{"input":{{"invokeModel":{{"body":"{encoded}"}}}}}}"#))
}

/// The request for a body of `Converse`; nothing for what is no object.
pub fn of_converse(body: &[u8]) -> Option<Bytes> {
    let object = Object::parse(body).ok()?;
    let members: Vec<_> = COUNTED
        .iter()
        .filter_map(|name| Some(format!(r#""{name}":{}"#, object.text(name)?)))
        .collect();
    Some(Bytes::from(format!(
        r#"{{"input":{{"converse":{{{}}}}}}}"#,
        members.join(",")
    )))
}

/// What an answer says.
pub fn tokens(answer: &[u8]) -> Option<Tokens> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Counted {
        input_tokens: u64,
    }
    let counted: Counted = serde_json::from_slice(answer).ok()?;
    Some(Tokens::new(counted.input_tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_what_counts_and_nothing_else() {
        assert_eq!(&of_invoke(b"{}")[..], br#"{"input":{"invokeModel":{"body":"e30="}}}"#);
        let body =
            br#"{"inferenceConfig":{"maxTokens":1},"system":[{"text": "a"}],"messages":[],"requestMetadata":{}}"#;
        assert_eq!(
            &of_converse(body).unwrap()[..],
            br#"{"input":{"converse":{"messages":[],"system":[{"text": "a"}]}}}"#
        );
        assert_eq!(of_converse(b"[]"), None);
    }

    #[test]
    fn an_answer_is_a_count_or_none() {
        assert_eq!(tokens(br#"{"inputTokens":7}"#), Some(Tokens::new(7)));
        for bad in ["", "[]", "{}", r#"{"inputTokens":-1}"#, r#"{"inputTokens":"7"}"#] {
            assert_eq!(tokens(bad.as_bytes()), None, "{bad}");
        }
    }
}
