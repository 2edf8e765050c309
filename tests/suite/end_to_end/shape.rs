//! What an error looks like in each dialect.

use gateway::wire::dialect::Dialect;
use serde_json::Value;
use tests::local::Answer;

/// What is wrong with a refusal of a caller's fault: another status than 4xx, or a body that its client cannot read.
pub(super) fn fault(answer: &Answer, dialect: Dialect) -> Option<String> {
    let is_refusal = (400..500).contains(&answer.status);
    // What API Gateway refuses by itself looks the same to everybody.
    let shaped = is_in(dialect, answer) || is_the_gateways(answer);
    (!is_refusal || !shaped).then(|| format!("{answer:?}"))
}

fn is_in(dialect: Dialect, answer: &Answer) -> bool {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match dialect {
        Dialect::Anthropic => is_anthropics(&body),
        Dialect::Bedrock => body["message"].is_string() && !answer.header("x-amzn-errortype").is_empty(),
        Dialect::OpenAi => body["error"]["message"].is_string() && body["error"]["type"].is_string(),
        Dialect::OAuth => body["error"].is_string() && body["error_description"].is_string(),
        Dialect::Scim => {
            answer.header("content-type") == "application/scim+json"
                && body["detail"].is_string()
                && body["status"].as_str() == Some(&*answer.status.to_string())
        }
        Dialect::Problem => {
            answer.header("content-type") == "application/problem+json"
                && body["code"].is_string()
                && body["detail"].is_string()
                && body["status"] == answer.status
        }
    }
}

fn is_anthropics(body: &Value) -> bool {
    body["type"] == "error" && body["error"]["type"].is_string() && body["error"]["message"].is_string()
}

fn is_the_gateways(answer: &Answer) -> bool {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    [401, 403, 404, 413].contains(&answer.status)
        && is_anthropics(&body)
        && body["message"].is_string()
        && !answer.header("x-amzn-errortype").is_empty()
}
