//! Reading a call: which operation, which model, and whether Bedrock would take the body.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::error::Refusal;
use super::{State, lock};

/// Bedrock's limit of a body.
pub(super) const MAX_BODY_BYTES: usize = 25_000_000;
/// AWS names the first. The second is what `AnthropicBedrock` sends since version 1 (TypeScript) and 2 (Python) of its SDK.
const ANTHROPIC_VERSIONS: [&str; 2] = ["bedrock-2023-05-31", "2026-10-21"];
/// The message for what the schema does not know.
const REFORMAT: &str = "please reformat your input and try again.";

/// Which of the ways to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Invoke,
    Stream,
    Converse,
    ConverseStream,
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Invoke => "InvokeModel",
            Self::Stream => "InvokeModelWithResponseStream",
            Self::Converse => "Converse",
            Self::ConverseStream => "ConverseStream",
        }
    }

    /// The action that it takes.
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Invoke | Self::Converse => "bedrock:InvokeModel",
            Self::Stream | Self::ConverseStream => "bedrock:InvokeModelWithResponseStream",
        }
    }

    /// Whether body and answer have the form that all models share.
    pub(super) fn converses(self) -> bool {
        matches!(self, Self::Converse | Self::ConverseStream)
    }

    /// Whether the answer comes in frames.
    pub(super) fn streams(self) -> bool {
        matches!(self, Self::Stream | Self::ConverseStream)
    }
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A call of the model.
    Call(Operation),
    /// The tokens of a body.
    Count,
}

/// What is wanted and of which model (the id decoded once), of a path as it came.
pub(super) fn route(path: &str) -> Option<(Wanted, String)> {
    let rest = path.strip_prefix("/model/")?;
    // An id may hold raw slashes (an ARN does), so the operation is what stands behind the last one.
    let (id, operation) = rest.rsplit_once('/')?;
    let wanted = match operation {
        "invoke" => Wanted::Call(Operation::Invoke),
        "invoke-with-response-stream" => Wanted::Call(Operation::Stream),
        "converse" => Wanted::Call(Operation::Converse),
        "converse-stream" => Wanted::Call(Operation::ConverseStream),
        "count-tokens" => Wanted::Count,
        _ => return None,
    };
    let id = percent_decode_str(id).decode_utf8().ok()?;
    (!id.is_empty()).then(|| (wanted, id.into_owned()))
}

/// The id of the priced model that `id` stands for: itself, the last part of an ARN, or what an application profile
/// names.
///
/// # Errors
/// Bedrock's refusal of an id that it does not know.
pub(super) fn resolve(state: &State, id: &str) -> Result<String, Refusal> {
    let known = |model: &str| state.prices.knows(model).then(|| model.to_owned());
    let resource = if id.starts_with("arn:") {
        id.splitn(6, ':').last()
    } else {
        None
    };
    let found = match resource.and_then(|resource| resource.split_once('/')) {
        None => known(id),
        Some(("inference-profile" | "foundation-model", last)) => known(last),
        Some(("application-inference-profile", last)) => {
            let profiles = lock(&state.profiles);
            profiles
                .get(id)
                .or_else(|| profiles.get(last))
                .and_then(|model| known(model))
        }
        Some(_) => None,
    };
    found.ok_or_else(|| Refusal::validation("The provided model identifier is invalid."))
}

/// Parses a body and refuses it where Bedrock would.
///
/// # Errors
/// A `ValidationException`.
pub(super) fn body(bytes: &[u8]) -> Result<Value, Refusal> {
    if bytes.len() > MAX_BODY_BYTES {
        return Err(Refusal::validation(format!(
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less \
             than or equal to {MAX_BODY_BYTES}"
        )));
    }
    let body: Value = serde_json::from_slice(bytes)
        .map_err(|_| Refusal::validation(format!("Malformed input request, {REFORMAT}")))?;
    let Some(fields) = body.as_object() else {
        return Err(Refusal::validation(format!(
            "Malformed input request: expected type: JSONObject, {REFORMAT}"
        )));
    };
    let extraneous = ["stream", "model"].into_iter().filter(|key| fields.contains_key(*key));
    let extraneous: String = extraneous
        .map(|key| format!("#: extraneous key [{key}] is not permitted"))
        .collect();
    if !extraneous.is_empty() {
        return Err(Refusal::validation(format!(
            "Malformed input request: {extraneous}, {REFORMAT}"
        )));
    }
    if let Some(missing) = ["anthropic_version", "max_tokens", "messages"]
        .into_iter()
        .find(|key| body[key].is_null())
    {
        return Err(Refusal::validation(format!("{missing}: Field required")));
    }
    values(&body)?;
    Ok(body)
}

fn values(body: &Value) -> Result<(), Refusal> {
    if ANTHROPIC_VERSIONS
        .iter()
        .all(|version| body["anthropic_version"] != *version)
    {
        return Err(Refusal::validation("Invalid API version"));
    }
    if body["max_tokens"].as_u64().is_none_or(|tokens| tokens == 0) {
        return Err(Refusal::validation(
            "max_tokens: Input should be a valid integer greater than 0",
        ));
    }
    if body["messages"].as_array().is_none_or(Vec::is_empty) {
        return Err(Refusal::validation("messages: at least one message is required"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn an_id_is_taken_raw_or_encoded_and_decoded_once() {
        let id = |path: &str| route(path).map(|(_, id)| id);
        assert_eq!(
            route("/model/a:0/invoke"),
            Some((Wanted::Call(Operation::Invoke), "a:0".to_owned()))
        );
        assert_eq!(
            route("/model/a%3A0/invoke-with-response-stream"),
            Some((Wanted::Call(Operation::Stream), "a:0".to_owned()))
        );
        assert_eq!(route("/model/a/count-tokens"), Some((Wanted::Count, "a".to_owned())));
        assert_eq!(
            id("/model/arn:aws:bedrock:us-east-1:1:inference-profile%2Fx/invoke").unwrap(),
            "arn:aws:bedrock:us-east-1:1:inference-profile/x"
        );
        assert_eq!(
            id("/model/arn:aws:bedrock:us-east-1:1:inference-profile/x/invoke").unwrap(),
            "arn:aws:bedrock:us-east-1:1:inference-profile/x"
        );
        assert_eq!(id("/model/a%253A0/invoke").unwrap(), "a%3A0");
        for path in [
            "/model/invoke",
            "/model//invoke",
            "/model/a/nothing",
            "/invoke",
            "/model/%ff/invoke",
        ] {
            assert_eq!(route(path), None, "{path}");
        }
    }

    #[test]
    fn what_bedrock_refuses_is_refused_in_its_words() {
        let refused = |json: &str| format!("{:?}", body(json.as_bytes()).unwrap_err());
        let whole = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":1,"messages":[{}]}"#;
        assert!(body(whole.as_bytes()).is_ok());
        assert!(body(whole.replace("bedrock-2023-05-31", "2026-10-21").as_bytes()).is_ok());
        for field in ["anthropic_version", "max_tokens", "messages"] {
            let json = whole.replace(field, "other");
            assert!(refused(&json).contains(&format!("{field}: Field required")), "{json}");
        }
        for field in ["model", "stream"] {
            let json = whole.replacen('{', &format!(r#"{{"{field}":null,"#), 1);
            assert!(
                refused(&json).contains(&format!("extraneous key [{field}] is not permitted")),
                "{json}"
            );
        }
        assert!(refused("{").contains("Malformed input request"));
        assert!(refused("[]").contains("Malformed input request"));
        assert!(refused(&whole.replace(":1,", ":0,")).contains("max_tokens"));
        assert!(refused(&whole.replace("[{}]", "[]")).contains("at least one message"));
        assert!(refused(&whole.replace("2023-05-31", "2024")).contains("Invalid API version"));
        assert!(refused(&" ".repeat(MAX_BODY_BYTES + 1)).contains("25000000"));
    }
}
