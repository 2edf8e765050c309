//! A record of the log, in AWS's names.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::aws::ACCOUNT_ID;
use crate::bedrock::answer::{converse_usage_json, usage_json};
use crate::bedrock::ledger::Usage;
use crate::bedrock::request::Operation;

/// What is known of a call when it comes.
#[derive(Clone, Debug)]
pub(in crate::bedrock) struct Entry {
    pub(in crate::bedrock) request_id: String,
    pub(in crate::bedrock) time: Timestamp,
    pub(in crate::bedrock) operation: Operation,
    /// The model id as it came, decoded.
    pub(in crate::bedrock) model: String,
    /// The region that it is signed for.
    pub(in crate::bedrock) region: String,
    pub(in crate::bedrock) metadata: Option<Map<String, Value>>,
}

/// The record of a billed call.
pub(super) fn billed(entry: &Entry, outcome: &str, usage: &Usage, bodies: bool) -> Value {
    let mut record = common(entry);
    let input = &mut record["input"];
    input["inputTokenCount"] = json!(usage.input_tokens);
    input["cacheReadInputTokenCount"] = json!(usage.cache_read_input_tokens);
    input["cacheWriteInputTokenCount"] = json!(usage.cache_creation.total());
    record["output"] = json!({
        "outputContentType": "application/json",
        "outputTokenCount": usage.output_tokens,
    });
    if bodies {
        record["output"]["outputBodyJson"] = body(entry.operation, outcome, usage);
    }
    record
}

/// The record of a call that was not served: without tokens.
pub(super) fn failed(entry: &Entry, error_code: &str) -> Value {
    let mut record = common(entry);
    record["errorCode"] = json!(error_code);
    record
}

fn common(entry: &Entry) -> Value {
    let mut record = json!({
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        // Whole seconds, as AWS writes it.
        "timestamp": entry.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "accountId": ACCOUNT_ID,
        "identity": { "arn": format!("arn:aws:sts::{ACCOUNT_ID}:assumed-role/local/local") },
        "region": entry.region,
        "requestId": entry.request_id,
        "operation": entry.operation.name(),
        "modelId": entry.model,
        "input": { "inputContentType": "application/json" },
    });
    if let Some(metadata) = &entry.metadata {
        record["requestMetadata"] = json!(metadata);
    }
    record
}

/// What there is of the body that tells of tokens: the message, or the events of a stream that carry usage.
fn body(operation: Operation, outcome: &str, usage: &Usage) -> Value {
    let counts =
        |output_tokens| -> Value { serde_json::from_str(&usage_json(usage, output_tokens)).unwrap_or_default() };
    let message = |usage: Value| json!({ "type": "message", "role": "assistant", "usage": usage });
    if operation.converses() {
        // Both forms are logged in one piece; of a stream that broke there is nothing that tells of tokens.
        if matches!(outcome, "complete" | "client_left" | "cut") {
            let usage: Value =
                serde_json::from_str(&converse_usage_json(usage, usage.output_tokens)).unwrap_or_default();
            return json!({ "output": { "message": { "role": "assistant" } }, "usage": usage });
        }
        return Value::Null;
    }
    if operation == Operation::Invoke {
        return message(counts(usage.output_tokens));
    }
    let start = json!({ "type": "message_start", "message": message(counts(usage.output_tokens.min(1))) });
    // The event with the whole output is made when the model is done, whether or not anybody is left to read it.
    if matches!(outcome, "complete" | "client_left") {
        let delta = json!({ "type": "message_delta", "usage": { "output_tokens": usage.output_tokens } });
        return json!([start, delta]);
    }
    json!([start])
}
