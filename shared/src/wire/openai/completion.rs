//! An answer of `Converse` in one piece, as a completion.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::json_text::JsonText;
use super::usage::{CompletionUsage, ConverseUsage};
use super::{JSON_TOOL, Json, Label, Reading};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    output: Output<'a>,
    stop_reason: String,
    #[serde(default)]
    usage: ConverseUsage,
    #[serde(default)]
    service_tier: Option<TierOf>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Said<'a>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    content: Vec<Block<'a>>,
}

#[derive(Deserialize)]
struct TierOf {
    #[serde(rename = "type")]
    kind: String,
}

/// A block of any kind. One that is not known here has none of these and says nothing.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Block<'a> {
    text: Option<String>,
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    reasoning_content: Option<ReasoningContent>,
    citations_content: Option<CitedText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse<'a> {
    tool_use_id: String,
    name: String,
    #[serde(borrow)]
    input: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasoningContent {
    #[serde(default)]
    reasoning_text: Option<ReasoningText>,
}

#[derive(Deserialize)]
struct ReasoningText {
    text: String,
}

#[derive(Deserialize)]
struct CitedText {
    #[serde(default)]
    content: Vec<Cited>,
}

#[derive(Deserialize)]
struct Cited {
    #[serde(default)]
    text: String,
}

/// What is gathered of the blocks.
#[derive(Default)]
struct Gathered {
    text: String,
    reasoning: String,
    calls: Vec<Value>,
    json: Option<String>,
}

/// The completion that an answer is; nothing for what is no answer of `Converse`.
pub fn completion(answer: &[u8], label: &Label, reading: Reading) -> Option<Bytes> {
    let answer: Answer<'_> = serde_json::from_slice(answer).ok()?;
    let mut gathered = Gathered::default();
    for block in answer.output.message.content {
        gathered.take(block, reading);
    }
    let answered_in_tool = gathered.json.is_some() && gathered.calls.is_empty();
    let content = gathered.content(reading.json);
    let mut message = json!({"role": "assistant", "content": content, "refusal": null});
    if !gathered.reasoning.is_empty() {
        message["reasoning_content"] = gathered.reasoning.into();
    }
    if !gathered.calls.is_empty() {
        message["tool_calls"] = gathered.calls.into();
    }
    let mut completion = json!({
        "id": label.id,
        "object": "chat.completion",
        "created": label.created,
        "model": label.model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": finish_reason(&answer.stop_reason, answered_in_tool),
        }],
        "usage": CompletionUsage::from(answer.usage),
    });
    if let Some(tier) = answer.service_tier {
        completion["service_tier"] = tier.kind.into();
    }
    Some(Bytes::from(completion.to_string()))
}

/// Bedrock Runtime API, `StopReason`, in OpenAI's words. `answered_in_tool`: the tool that was called was ours, for the answer's JSON.
pub(super) fn finish_reason(stop_reason: &str, answered_in_tool: bool) -> &'static str {
    match stop_reason {
        "tool_use" if answered_in_tool => "stop",
        "tool_use" => "tool_calls",
        // What a model could not write to its end is cut off, whatever cut it.
        "max_tokens" | "model_context_window_exceeded" | "malformed_model_output" | "malformed_tool_use" => "length",
        "content_filtered" | "guardrail_intervened" | "refusal" => "content_filter",
        _ => "stop",
    }
}

impl Gathered {
    fn take(&mut self, block: Block<'_>, reading: Reading) {
        self.text.extend(block.text);
        self.text.extend(
            block
                .citations_content
                .into_iter()
                .flat_map(|cited| cited.content)
                .map(|cited| cited.text),
        );
        let reasoning = block.reasoning_content.and_then(|reasoning| reasoning.reasoning_text);
        self.reasoning.extend(reasoning.map(|reasoning| reasoning.text));
        let Some(call) = block.tool_use else {
            return;
        };
        if reading.json == Json::InTool && call.name == JSON_TOOL {
            self.json.get_or_insert_with(|| call.input.get().to_owned());
        } else if !reading.one_call || self.calls.is_empty() {
            self.calls.push(json!({
                "id": call.tool_use_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.input.get()},
            }));
        }
    }

    /// A completion that says nothing has no content, not an empty one.
    fn content(&mut self, json: Json) -> Option<String> {
        let text = std::mem::take(&mut self.text);
        let content = match json {
            Json::Text => text,
            Json::InText => {
                let mut filter = JsonText::default();
                let found = filter.push(&text);
                found + &filter.rest()
            }
            Json::InTool => match self.json.take() {
                Some(json) => json,
                None if self.calls.is_empty() => text,
                None => String::new(),
            },
        };
        (!content.is_empty() || self.calls.is_empty()).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label {
            id: "chatcmpl-r".into(),
            created: 7,
            model: "m".into(),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "a literal of a test")]
    fn of(content: Value, stop_reason: &str, reading: Reading) -> Value {
        let answer = json!({
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": stop_reason,
            "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 22, "cacheReadInputTokens": 4,
                "cacheWriteInputTokens": 3, "cacheDetails": [{"ttl": "5m", "inputTokens": 3}]},
            "metrics": {"latencyMs": 1},
            "neverSeen": {},
        });
        let completion = completion(answer.to_string().as_bytes(), &label(), reading).unwrap();
        serde_json::from_slice(&completion).unwrap()
    }

    #[test]
    fn an_answer_is_a_completion_and_the_cache_is_part_of_its_prompt() {
        let content = json!([{"text": "Hello"}, {"neverSeen": {"x": 1}}, {"text": " there"}]);
        assert_eq!(
            of(content, "end_turn", Reading::default()),
            json!({
                "id": "chatcmpl-r", "object": "chat.completion", "created": 7, "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
                    "message": {"role": "assistant", "content": "Hello there", "refusal": null}}],
                "usage": {"prompt_tokens": 17, "completion_tokens": 5, "total_tokens": 22,
                    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3}},
            })
        );
    }

    #[test]
    fn every_reason_to_stop_has_its_word() {
        let cases = [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("never_seen", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("malformed_tool_use", "length"),
            ("malformed_model_output", "length"),
            ("tool_use", "tool_calls"),
            ("content_filtered", "content_filter"),
            ("guardrail_intervened", "content_filter"),
            ("refusal", "content_filter"),
        ];
        for (stop, finish) in cases {
            assert_eq!(finish_reason(stop, false), finish);
        }
        assert_eq!(finish_reason("tool_use", true), "stop");
    }

    fn call(id: &str, name: &str) -> Value {
        json!({"toolUse": {"toolUseId": id, "name": name, "input": {"city": "Zürich"}}})
    }

    #[test]
    fn tool_calls_keep_their_ids_and_their_arguments() {
        let content = json!([{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}, call("a", "f"), call("b", "g")]);
        let completion = of(content.clone(), "tool_use", Reading::default());
        let message = &completion["choices"][0]["message"];
        assert_eq!(message["content"], Value::Null);
        assert_eq!(message["reasoning_content"], "hm");
        let calls = message["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), 2);
        assert_eq!(
            calls[1],
            json!({"id": "b", "type": "function", "function": {"name": "g", "arguments": r#"{"city":"Zürich"}"#}})
        );
        let one = Reading {
            one_call: true,
            ..Reading::default()
        };
        let completion = of(content, "tool_use", one);
        assert_eq!(
            completion["choices"][0]["message"]["tool_calls"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn json_is_found_where_the_model_puts_it() {
        let reading = |json| Reading {
            json,
            ..Reading::default()
        };
        let said = |content: Value, json| {
            let completion = of(content, "tool_use", reading(json));
            let choice = &completion["choices"][0];
            (choice["message"]["content"].clone(), choice["finish_reason"].clone())
        };
        let in_tool = json!([{"text": "Here it is"}, call("a", JSON_TOOL)]);
        assert_eq!(
            said(in_tool, Json::InTool),
            (json!(r#"{"city":"Zürich"}"#), json!("stop"))
        );
        let another = json!([{"text": "Let me see"}, call("a", "weather")]);
        assert_eq!(said(another, Json::InTool), (Value::Null, json!("tool_calls")));
        assert_eq!(said(json!([{"text": "No."}]), Json::InTool).0, json!("No."));
        let fenced = json!([{"text": "```json\n{\"a\":1}\n```"}]);
        assert_eq!(said(fenced.clone(), Json::InText).0, json!("{\"a\":1}"));
        assert_eq!(said(fenced, Json::Text).0, json!("```json\n{\"a\":1}\n```"));
    }

    #[test]
    fn what_is_no_answer_of_converse_is_none() {
        for bad in ["", "[]", "{}", r#"{"output":{}}"#, "<html>"] {
            assert!(
                completion(bad.as_bytes(), &label(), Reading::default()).is_none(),
                "{bad}"
            );
        }
    }
}
