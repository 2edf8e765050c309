//! `X-Amzn-Bedrock-Request-Metadata`: what a caller writes about a call into the invocation log.

use http::HeaderMap;
use serde_json::{Map, Value};

use super::error::Refusal;

/// The header's name.
const HEADER: &str = "x-amzn-bedrock-request-metadata";
/// The limits are those of `requestMetadata` in the API reference.
const MAX_PAIRS: usize = 16;
const MAX_CHARACTERS: usize = 256;
const PUNCTUATION: &str = ":_@$#=/+,-.";

/// The metadata of a request, if it has any.
///
/// # Errors
/// A `ValidationException` for a header that is not a JSON object of strings within the limits.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<Map<String, Value>>, Refusal> {
    match headers.get(HEADER) {
        None => Ok(None),
        Some(value) => checked(serde_json::from_slice(value.as_bytes()).unwrap_or_default()).map(Some),
    }
}

/// The metadata in a body of `Converse`, if it has any.
///
/// # Errors
/// As [`of`].
pub(super) fn of_body(body: &Value) -> Result<Option<Map<String, Value>>, Refusal> {
    match &body["requestMetadata"] {
        Value::Null => Ok(None),
        given => checked(given.clone()).map(Some),
    }
}

fn checked(given: Value) -> Result<Map<String, Value>, Refusal> {
    let Value::Object(pairs) = given else {
        return Err(refused("must be a JSON object of strings"));
    };
    if pairs.len() > MAX_PAIRS {
        return Err(refused("must have at most 16 pairs"));
    }
    for (key, value) in &pairs {
        let Value::String(value) = value else {
            return Err(refused("must be a JSON object of strings"));
        };
        if key.is_empty() || !is_allowed(key) || !is_allowed(value) {
            return Err(refused(
                "keys and values must satisfy regular expression pattern: [a-zA-Z0-9\\s:_@$#=/+,-.]{1,256}",
            ));
        }
    }
    Ok(pairs)
}

fn refused(problem: &str) -> Refusal {
    Refusal::validation(format!(
        "Value at 'requestMetadata' failed to satisfy constraint: {problem}"
    ))
}

fn is_allowed(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c.is_whitespace() || PUNCTUATION.contains(c);
    text.chars().count() <= MAX_CHARACTERS && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use serde_json::json;

    use super::*;

    fn parsed(value: &Value) -> Result<Option<Map<String, Value>>, Refusal> {
        of(&HeaderMap::from_iter([(
            http::HeaderName::from_static(HEADER),
            value.to_string().parse().unwrap(),
        )]))
    }

    #[test]
    fn an_object_of_strings_is_metadata_and_no_header_is_none() {
        let pairs = json!({ "tollgate_request_id": "a-B_9", "empty": "", "x": "a b:@$#=/+,-." });
        assert_eq!(parsed(&pairs).unwrap(), pairs.as_object().cloned());
        assert_eq!(of(&HeaderMap::new()).unwrap(), None);
        let most: Map<_, _> = (0..16).map(|n| (n.to_string(), json!("x".repeat(256)))).collect();
        assert!(parsed(&Value::Object(most)).is_ok());
    }

    #[test]
    fn anything_else_is_refused() {
        let many: Map<_, _> = (0..17).map(|n| (n.to_string(), json!("x"))).collect();
        let long = json!({ "a": "x".repeat(257) });
        for bad in [
            json!([]),
            json!("a"),
            json!({ "a": 1 }),
            json!({ "a": "{}" }),
            json!({ "a;": "b" }),
            json!({ "": "b" }),
            long,
            many.into(),
        ] {
            assert!(parsed(&bad).is_err(), "{bad}");
        }
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static(HEADER), "a=b".parse().unwrap())]);
        assert!(of(&headers).is_err());
    }
}
