//! What a function answers: the JSON of a buffered proxy integration, or the prelude of a streamed one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::HeaderMap;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::headers;

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    status_code: Value,
    headers: Option<Map<String, Value>>,
    multi_value_headers: Option<Map<String, Value>>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

/// A buffered answer: its head, its body, and whether that was base64. `None` if it is not of the form that API Gateway
/// takes, which it calls a malformed proxy response. Base64 is decoded only where `decode` says so.
pub(super) fn buffered(bytes: &[u8], decode: bool) -> Option<(Head, Bytes)> {
    let answer: Answer = serde_json::from_slice(bytes).ok()?;
    let mut head = answer.head()?;
    head.headers
        .entry(http::header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
    let body = answer.body.unwrap_or_default();
    let body = match answer.is_base64_encoded {
        Some(true) if decode => Bytes::from(STANDARD.decode(body).ok()?),
        _ => Bytes::from(body),
    };
    Some((head, body))
}

/// The prelude of a streamed answer. Without a status it means 200.
pub(super) fn prelude(bytes: &[u8]) -> Option<Head> {
    let mut answer: Answer = serde_json::from_slice(bytes).ok()?;
    if answer.status_code.is_null() {
        answer.status_code = Value::from(200);
    }
    answer.head()
}

impl Answer {
    fn head(&self) -> Option<Head> {
        let mut headers = HeaderMap::new();
        let multiple = self.multi_value_headers.as_ref();
        for (name, value) in self.headers.iter().flatten() {
            // Of a name in both forms only the values of the multiple one count.
            if !multiple.is_some_and(|multiple| multiple.keys().any(|other| other.eq_ignore_ascii_case(name))) {
                headers::add_to_answer(&mut headers, name, &text(value)?)?;
            }
        }
        for (name, values) in multiple.into_iter().flatten() {
            for value in values.as_array()? {
                headers::add_to_answer(&mut headers, name, &text(value)?)?;
            }
        }
        for cookie in self.cookies.iter().flatten() {
            headers::add_to_answer(&mut headers, "set-cookie", cookie)?;
        }
        Some(Head {
            status: status(&self.status_code)?,
            headers,
        })
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn status(value: &Value) -> Option<StatusCode> {
    let number = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    let status = StatusCode::from_u16(u16::try_from(number).ok()?).ok()?;
    (!status.is_informational()).then_some(status)
}
