//! `CountTokens`: its requests for the bodies of other operations, and its answer.
//!
//! Source: Amazon Bedrock Runtime API, `CountTokens`: `{"input":{"invokeModel":{"body":BASE64}}}` or `{"input":{"converse":{…}}}`, answered by
//! `{"inputTokens":N}`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::json::Object;
use crate::error::Error;
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

/// The body of `Converse` that a request asks about, if it is about one.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for what asks about nothing.
pub fn converse_of(request: &[u8]) -> Result<Option<String>, Error> {
    let object = Object::parse(request)?;
    let input = object
        .text("input")
        .ok_or_else(|| Error::invalid("input: Field required"))?;
    let input = Object::parse(input.as_bytes())?;
    Ok(input.text("converse").map(str::to_owned))
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
    fn what_a_request_asks_about_is_told() {
        let of = |request: &str| converse_of(request.as_bytes());
        assert_eq!(
            of(r#"{"input":{"converse":{"a": 1}}}"#).unwrap().as_deref(),
            Some(r#"{"a": 1}"#)
        );
        assert_eq!(of(r#"{"input":{"invokeModel":{}}}"#).unwrap(), None);
        for bad in [
            "",
            "{}",
            r#"{"input":1}"#,
            r#"{"input":{},"input":{}}"#,
            r#"{"input":{"converse":1,"converse":2}}"#,
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_is_a_count_or_none() {
        assert_eq!(tokens(br#"{"inputTokens":7}"#), Some(Tokens::new(7)));
        for bad in ["", "[]", "{}", r#"{"inputTokens":-1}"#, r#"{"inputTokens":"7"}"#] {
            assert_eq!(tokens(bad.as_bytes()), None, "{bad}");
        }
    }
}
