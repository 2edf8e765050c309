use serde_json::{Value, json};

use super::*;
use crate::media::Media;
use crate::wire::openai::Attached;

const CLAUDE: &str = "anthropic.claude-opus-4-7";
const KEEPS_SCHEMAS: &str = "anthropic.claude-sonnet-4-6";
const UNFORCED: &str = "anthropic.claude-opus-5-5";
const BUDGET: &str = "anthropic.claude-haiku-4-5-20251001-v1:0";
const LLAMA: &str = "meta.llama3-1-8b-instruct-v1:0";

fn translated(base: &str, body: &Value) -> Result<(Value, Reading), Error> {
    let body = body.to_string();
    let translated = ChatRequest::read(body.as_bytes())?.to_converse(base, &Files::new())?;
    Ok((serde_json::from_slice(&translated.body).unwrap(), translated.reading))
}

fn of(base: &str, mut members: Value) -> (Value, Reading) {
    if members.get("messages").is_none() {
        members["messages"] = json!([{"role": "user", "content": "hi"}]);
    }
    members["model"] = "m".into();
    translated(base, &members).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "a literal of a test")]
fn said(messages: Value) -> Value {
    of(CLAUDE, json!({"messages": messages})).0
}

fn refused(base: &str, mut members: Value) -> String {
    if members.get("messages").is_none() {
        members["messages"] = json!([{"role": "user", "content": "hi"}]);
    }
    members["model"] = "m".into();
    let error = translated(base, &members).unwrap_err();
    error.param.unwrap_or_default().into_owned()
}

fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "weather", "description": "of a city", "strict": true,
        "parameters": {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "string"}}}}}])
}

#[test]
fn a_plain_request_is_a_plain_request() {
    let (body, reading) = of(CLAUDE, json!({}));
    assert_eq!(
        body,
        json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})
    );
    assert_eq!(reading, Reading::default());
}

#[test]
fn the_system_speaks_first_and_nobody_speaks_twice_in_a_row() {
    let body = said(json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "one", "name": "ann"},
        {"role": "user", "content": [{"type": "text", "text": "two"}]},
        {"role": "developer", "content": [{"type": "text", "text": "be kind"}]},
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": "three", "refusal": null},
        {"role": "user", "content": "four"},
    ]));
    assert_eq!(body["system"], json!([{"text": "be brief"}, {"text": "be kind"}]));
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "one"}, {"text": "two"}]},
            {"role": "assistant", "content": [{"text": "three"}]},
            {"role": "user", "content": [{"text": "four"}]},
        ])
    );
    let alone = said(json!([{"role": "system", "content": "say hello"}]));
    assert_eq!(
        alone,
        json!({"messages": [{"role": "user", "content": [{"text": "say hello"}]}]})
    );
}

#[test]
fn how_to_answer_is_said_in_converses_words() {
    let (body, _) = of(
        CLAUDE,
        json!({"max_completion_tokens": 7, "temperature": 1.5, "top_p": 0.9, "stop": "END"}),
    );
    assert_eq!(
        body["inferenceConfig"],
        json!({"maxTokens": 7, "temperature": 1.0, "topP": 0.9, "stopSequences": ["END"]})
    );
    let (body, _) = of(CLAUDE, json!({"max_tokens": 8, "temperature": 0.1, "stop": ["A", "B"]}));
    assert_eq!(
        body["inferenceConfig"],
        json!({"maxTokens": 8, "temperature": 0.1, "stopSequences": ["A", "B"]})
    );
}

#[test]
fn a_tier_stands_in_the_body_under_bedrocks_name() {
    for (given, tier) in [
        ("auto", None),
        ("default", None),
        ("flex", Some("flex")),
        ("priority", Some("priority")),
        ("fast", Some("priority")),
    ] {
        let (body, _) = of(CLAUDE, json!({"service_tier": given}));
        assert_eq!(body["serviceTier"]["type"].as_str(), tier, "{given}");
    }
    assert_eq!(refused(CLAUDE, json!({"service_tier": "scale"})), "service_tier");
}

#[test]
fn tools_their_calls_and_their_results_are_converses() {
    let (body, _) = of(
        KEEPS_SCHEMAS,
        json!({"tools": weather(), "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": "let me see", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"z\": \"Zürich\"}"}},
                {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "sun"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "rain"}]},
            {"role": "user", "content": "and?"},
        ]}),
    );
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "weather?"}]},
            {"role": "assistant", "content": [{"text": "let me see"},
                {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"z": "Zürich"}}},
                {"toolUse": {"toolUseId": "c2", "name": "weather", "input": {}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "c1", "content": [{"text": "sun"}]}},
                {"toolResult": {"toolUseId": "c2", "content": [{"text": "rain"}]}},
                {"text": "and?"}]},
        ])
    );
    assert_eq!(body["toolConfig"]["toolChoice"], Value::Null);
    let spec = &body["toolConfig"]["tools"][0]["toolSpec"];
    assert_eq!(
        (&spec["name"], &spec["description"], &spec["strict"]),
        (&json!("weather"), &json!("of a city"), &json!(true))
    );
}

#[test]
fn a_schema_keeps_its_very_bytes() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"z":{}, "a":{}}}}}]}"#;
    let translated = ChatRequest::read(body.as_bytes())
        .unwrap()
        .to_converse(CLAUDE, &Files::new())
        .unwrap();
    let sent = String::from_utf8(translated.body.to_vec()).unwrap();
    assert!(
        sent.contains(r#""inputSchema":{"json":{"type":"object","properties":{"z":{}, "a":{}}}}"#),
        "{sent}"
    );
}

#[test]
fn a_choice_of_tools_is_converses() {
    let choice = |choice: Value| of(CLAUDE, json!({"tools": weather(), "tool_choice": choice})).0;
    assert_eq!(choice(json!("auto"))["toolConfig"]["toolChoice"], Value::Null);
    assert_eq!(
        choice(json!("required"))["toolConfig"]["toolChoice"],
        json!({"any": {}})
    );
    let named = json!({"type": "function", "function": {"name": "weather"}});
    assert_eq!(
        choice(named)["toolConfig"]["toolChoice"],
        json!({"tool": {"name": "weather"}})
    );
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
        {"type": "function", "function": {"name": "weather"}}]}});
    assert_eq!(choice(allowed)["toolConfig"]["toolChoice"], json!({"any": {}}));
    let none = json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}});
    assert_eq!(choice(none)["toolConfig"], Value::Null);
    assert_eq!(refused(CLAUDE, json!({"tool_choice": "required"})), "tool_choice");
    assert_eq!(
        refused(
            CLAUDE,
            json!({"tool_choice": {"type": "custom", "custom": {"name": "x"}}})
        ),
        "tool_choice"
    );
}

#[test]
fn without_tools_earlier_calls_are_told_in_words() {
    let (body, _) = of(
        CLAUDE,
        json!({"tools": weather(), "tool_choice": "none", "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "sun"},
        ]}),
    );
    assert_eq!(body["toolConfig"], Value::Null);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "weather?"}]},
            {"role": "assistant", "content": [{"text": "[weather was called with {}]"}]},
            {"role": "user", "content": [{"text": "[c1 was answered:]"}, {"text": "sun"}]},
        ])
    );
}

#[test]
fn one_tool_call_at_a_time_is_asked_for_where_it_can_be_and_seen_to_anyhow() {
    let members = json!({"tools": weather(), "tool_choice": "required", "parallel_tool_calls": false});
    let (body, reading) = of(CLAUDE, members.clone());
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"tool_choice": {"type": "any", "disable_parallel_tool_use": true}})
    );
    assert_eq!(body["toolConfig"]["toolChoice"], Value::Null);
    assert!(reading.one_call);
    let (body, reading) = of(LLAMA, members);
    assert_eq!(body["additionalModelRequestFields"], Value::Null);
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"any": {}}));
    assert!(reading.one_call);
}

const SCHEMA: &str =
    r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"#;

fn schema_format() -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "place", "strict": true, "schema": serde_json::from_str::<Value>(SCHEMA).unwrap()}})
}

#[test]
fn a_schema_is_kept_to_by_the_best_means_that_the_model_has() {
    let format = json!({"response_format": schema_format()});
    let (body, reading) = of(KEEPS_SCHEMAS, format.clone());
    assert_eq!(reading.json, Json::Text);
    let text_format = &body["outputConfig"]["textFormat"];
    assert_eq!(text_format["type"], "json_schema");
    let definition = &text_format["structure"]["jsonSchema"];
    assert_eq!(definition["name"], "place");
    let schema: Value = serde_json::from_str(definition["schema"].as_str().unwrap()).unwrap();
    assert_eq!(schema, serde_json::from_str::<Value>(SCHEMA).unwrap());

    let (body, reading) = of(CLAUDE, format.clone());
    assert_eq!(reading.json, Json::InTool);
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"tool": {"name": JSON_TOOL}}));
    assert_eq!(
        body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"],
        schema
    );

    for unforced in [UNFORCED, LLAMA] {
        let (body, reading) = of(unforced, format.clone());
        assert_eq!(reading.json, Json::InText);
        assert!(body["system"][0]["text"].as_str().unwrap().contains("\"city\""));
        assert_eq!(body["toolConfig"], Value::Null);
    }
}

#[test]
fn json_and_tools_go_together() {
    let both = json!({"response_format": schema_format(), "tools": weather()});
    let (body, reading) = of(CLAUDE, both.clone());
    assert_eq!(
        (reading.json, &body["toolConfig"]["toolChoice"]),
        (Json::InTool, &json!({"any": {}}))
    );
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 2);
    let mut thinking = both.clone();
    thinking["reasoning_effort"] = "low".into();
    assert_eq!(of(CLAUDE, thinking).1.json, Json::InText);
    let mut forced = both;
    forced["tool_choice"] = "required".into();
    let (body, reading) = of(CLAUDE, forced);
    assert_eq!(
        (reading.json, body["toolConfig"]["tools"].as_array().unwrap().len()),
        (Json::Text, 1)
    );
}

#[test]
fn json_without_a_schema_is_asked_for_in_words() {
    let (body, reading) = of(KEEPS_SCHEMAS, json!({"response_format": {"type": "json_object"}}));
    assert_eq!(reading.json, Json::InText);
    assert!(
        body["system"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("Answer with one JSON object")
    );
    assert_eq!(
        of(CLAUDE, json!({"response_format": {"type": "text"}})).0["system"],
        Value::Null
    );
    assert_eq!(
        refused(CLAUDE, json!({"response_format": {"type": "json_schema"}})),
        "response_format.json_schema"
    );
}

#[test]
fn each_model_is_told_how_hard_to_think_in_its_own_words() {
    let told = |base: &str, effort: &str| {
        let (body, _) = of(
            base,
            json!({"reasoning_effort": effort, "max_completion_tokens": 10_000}),
        );
        (
            body["additionalModelRequestFields"].clone(),
            body["outputConfig"]["effort"].clone(),
        )
    };
    let fields = |value: Value| (value, Value::Null);
    assert_eq!(
        told(CLAUDE, "minimal"),
        (json!({"thinking": {"type": "adaptive"}}), json!("low"))
    );
    assert_eq!(
        told(CLAUDE, "xhigh"),
        (json!({"thinking": {"type": "adaptive"}}), json!("xhigh"))
    );
    assert_eq!(told(CLAUDE, "none"), fields(Value::Null));
    assert_eq!(
        told("anthropic.claude-opus-5", "none"),
        fields(json!({"thinking": {"type": "disabled"}}))
    );
    assert_eq!(
        told(BUDGET, "low"),
        fields(json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}))
    );
    assert_eq!(
        told(BUDGET, "high"),
        fields(json!({"thinking": {"type": "enabled", "budget_tokens": 8000}}))
    );
    let nova = json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}});
    assert_eq!(told("amazon.nova-2-lite-v1:0", "max"), fields(nova));
    assert_eq!(
        told("openai.gpt-oss-20b-1:0", "minimal"),
        fields(json!({"reasoning_effort": "low"}))
    );
    assert_eq!(
        told("openai.gpt-6-sol", "none"),
        fields(json!({"reasoning": {"effort": "none"}}))
    );
    assert_eq!(told(LLAMA, "none"), fields(Value::Null));
    assert_eq!(refused(LLAMA, json!({"reasoning_effort": "low"})), "reasoning_effort");
    assert_eq!(refused(BUDGET, json!({"reasoning_effort": "low"})), "reasoning_effort");
    assert_eq!(
        refused(BUDGET, json!({"reasoning_effort": "low", "max_tokens": 1000})),
        "reasoning_effort"
    );
}

#[test]
fn images_files_and_sounds_are_sent_by_their_bytes() {
    let body = said(json!([{"role": "user", "content": [
        {"type": "text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "high"}},
        {"type": "file", "file": {"filename": "Ein/Bericht  (neu).pdf", "file_data": "data:application/pdf;base64,aGk="}},
        {"type": "file", "file": {"filename": "a.csv", "file_data": "aGk="}},
        {"type": "file", "file": {"file_data": "data:image/webp;base64,aGk="}},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
    ]}]));
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"text": "look"},
            {"cachePoint": {"type": "default"}},
            {"image": {"format": "png", "source": {"bytes": "aGk="}}},
            {"document": {"format": "pdf", "name": "Ein Bericht (neu) 1", "source": {"bytes": "aGk="}}},
            {"document": {"format": "csv", "name": "a 2", "source": {"bytes": "aGk="}}},
            {"image": {"format": "webp", "source": {"bytes": "aGk="}}},
            {"audio": {"format": "mp3", "source": {"bytes": "aGk="}}},
        ])
    );
}

#[test]
fn a_file_that_is_stored_here_is_sent_by_its_bytes() {
    let stored = Attached {
        base64: "aGk=".into(),
        media: Some(Media::Pdf),
        name: "notes".into(),
    };
    let files = Files::from([("file_a".to_owned(), stored)]);
    let with = |id: &str| {
        json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": id}}]}]})
            .to_string()
    };
    let body = with("file_a");
    let sent = ChatRequest::read(body.as_bytes())
        .unwrap()
        .to_converse(CLAUDE, &files)
        .unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(
        sent["messages"][0]["content"],
        json!([{"document": {"format": "pdf", "name": "notes 1", "source": {"bytes": "aGk="}}}])
    );
    let other = with("file_b");
    assert!(
        ChatRequest::read(other.as_bytes())
            .unwrap()
            .to_converse(CLAUDE, &files)
            .is_err()
    );
}

#[test]
fn what_cannot_be_sent_is_refused_by_its_place() {
    let part = |part: Value| refused(CLAUDE, json!({"messages": [{"role": "user", "content": [part]}]}));
    let image = |url: &str| part(json!({"type": "image_url", "image_url": {"url": url}}));
    for url in [
        "https://example.com/a.png",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "data:image/png,abc",
        "data:image/tiff;base64,aGk=",
        "data:image/png;base64,a$k=",
        "data:image/png;base64,",
    ] {
        assert_eq!(image(url), "messages[0].content[0].image_url.url", "{url}");
    }
    assert_eq!(part(json!({"type": "image_url"})), "messages[0].content[0].image_url");
    assert_eq!(part(json!({"type": "video_url"})), "messages[0].content[0].type");
    assert_eq!(part(json!({"type": "text"})), "messages[0].content[0].text");
    assert_eq!(
        part(json!({"type": "file", "file": {"filename": "a.exe", "file_data": "aGk="}})),
        "messages[0].content[0].file.file_data"
    );
    assert_eq!(
        part(json!({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "flac"}})),
        "messages[0].content[0].input_audio.format"
    );
    let messages = |messages: Value| refused(CLAUDE, json!({"messages": messages}));
    assert_eq!(
        messages(json!([{"role": "user", "content": " "}])),
        "messages[0].content"
    );
    assert_eq!(messages(json!([{"role": "assistant", "content": ""}])), "messages");
    assert_eq!(
        messages(json!([{"role": "function", "name": "f", "content": "x"}])),
        "messages[0]"
    );
    assert_eq!(
        messages(json!([{"role": "tool", "content": "x"}])),
        "messages[0].tool_call_id"
    );
    assert_eq!(
        messages(json!([{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])),
        "messages[0].content[0].type"
    );
    let called = |arguments: &str| {
        json!([{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]}])
    };
    for arguments in ["[1]", "{", "1"] {
        assert_eq!(
            messages(called(arguments)),
            "messages[1].tool_calls[0].function.arguments"
        );
    }
    let custom = json!([{"type": "custom", "custom": {"name": "x"}}]);
    assert_eq!(refused(CLAUDE, json!({"tools": custom})), "tools[0]");
}
