//! What differs from call to call, replaced before an answer is compared. The one place that says so.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Numbers, by the member that holds them.
const NUMBERS: [&str; 6] = [
    "duration_ms",
    "latency_ms",
    "latencyMs",
    "time_to_first_byte_ms",
    "invocationLatency",
    "firstByteLatency",
];

/// Text, by the member (or the header) that holds it.
const TEXTS: [(&str, &str); 5] = [
    ("errorType", "<Rust type>"),
    ("x-amzn-requestid", "<Bedrock's request id>"),
    ("x-amzn-bedrock-invocation-latency", "<milliseconds>"),
    ("signature", "<signature>"),
    ("jti", "<token id>"),
];

/// Ids that are minted, by what they begin with; those of the fixtures have another length.
const IDS: [(&str, usize, &str); 11] = [
    ("key_", 24, "<key id>"),
    ("client_", 27, "<client id>"),
    ("client:client_", 34, "<client>"),
    ("secret_", 27, "<secret id>"),
    ("file_", 29, "<file id>"),
    ("upload_", 27, "<upload session id>"),
    ("tgk_", 42, "<API key>"),
    ("tgs_", 42, "<client secret>"),
    ("msg_bdrk_01", 0, "<message id>"),
    ("toolu_bdrk_01", 0, "<tool use id>"),
    ("tooluse_", 0, "<tool use id>"),
];

/// The same value with placeholders.
pub fn replaced(value: Value) -> Value {
    member("", value)
}

fn member(name: &str, value: Value) -> Value {
    match value {
        Value::Object(members) => object(members),
        Value::Array(values) => values.into_iter().map(|value| member("", value)).collect(),
        Value::Number(_) if NUMBERS.contains(&name) => json!("<milliseconds>"),
        // Of a model it is a day; only of what was made just now it is a time.
        Value::Number(seconds) if name == "created" && seconds.as_u64().is_some_and(|it| it % 86_400 != 0) => {
            json!("<seconds>")
        }
        Value::String(text) => string(name, text),
        other => other,
    }
}

fn object(mut members: serde_json::Map<String, Value>) -> Value {
    // A hint is the end of a secret, so it is new where the secret is.
    let is_new = |id: &Value| id.as_str().is_some_and(|id| id.len() == "secret_".len() + 20);
    if members.contains_key("key") || members.get("secret_id").is_some_and(is_new) {
        members.insert("hint".into(), json!("<hint>"));
    }
    let members = members.into_iter().map(|(name, value)| {
        let value = member(&name, value);
        (name, value)
    });
    Value::Object(members.collect())
}

fn string(name: &str, text: String) -> Value {
    if let Some((_, placeholder)) = TEXTS.iter().find(|(known, _)| *known == name) {
        return json!(placeholder);
    }
    let is_id =
        |(start, length, _): &&(&str, usize, &str)| text.starts_with(start) && (*length == 0 || text.len() == *length);
    if let Some((_, _, placeholder)) = IDS.iter().find(is_id) {
        return json!(placeholder);
    }
    if is_new_time(&text) {
        return json!("<time>");
    }
    token(&text).unwrap_or(text.into())
}

/// RFC 3339, and not a time that the fixtures or the events name, which are all at midnight of a new year.
fn is_new_time(text: &str) -> bool {
    let form = "0000-00-00T00:00:00";
    let fits = text.len() > form.len()
        && text.ends_with('Z')
        && text.bytes().zip(form.bytes()).all(|(byte, wanted)| {
            if wanted == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == wanted
            }
        });
    fits && !text[4..].starts_with("-01-01T00:00:0")
}

/// A token as what it says, with its life in place of its times. Its signature is not shown.
fn token(text: &str) -> Option<Value> {
    let part = |text: &str| serde_json::from_slice::<Value>(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    let [header, claims, _] = text.split('.').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (header, mut claims) = (part(header)?, part(claims)?);
    let seconds = claims["exp"].as_i64()? - claims["iat"].as_i64()?;
    claims["exp"] = json!(format!("<iat> + {seconds}"));
    claims["iat"] = json!("<iat>");
    Some(json!({"header": header, "claims": replaced(claims)}))
}
