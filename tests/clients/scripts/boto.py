"""boto3, which finds the endpoint, the token and the authority by itself."""

import json

import boto3
from told import message, mock, run, version

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
PROFILE = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{MODEL}"
# As the mock is told of it.
APPLICATION = "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/clients"
# Bedrock counts for foundation models alone.
COUNTED = "anthropic.claude-haiku-4-5-20251001-v1:0"
HELLO = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 64,
    "messages": [message("Hello.", text="Good day to you.", output_tokens=12, delta_tokens=1)],
}


def client():
    return boto3.client("bedrock-runtime")


def counts(usage):
    cached = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    return (usage["input_tokens"], usage["output_tokens"], *cached)


def invoke(model=MODEL):
    answer = client().invoke_model(modelId=model, body=json.dumps(HELLO))
    body = json.load(answer["body"])
    return f"{body['content'][0]['text']}; {body['stop_reason']}", [counts(body["usage"])]


def stream():
    answer = client().invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(HELLO))
    events = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    kinds = [event["type"] for event in events]
    (final,) = [event for event in events if event["type"] == "message_delta"]
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    usage = {**events[0]["message"]["usage"], **final["usage"]}
    assert metrics["outputTokenCount"] == usage["output_tokens"], metrics
    return " ".join(dict.fromkeys(kinds)), [counts(usage)]


def content(text):
    return {"content": [{"text": text}], "role": "user"}


USE = {"name": "weather", "input": {"city": "Zürich"}}
ASKED = content(mock("What is the weather?", text="I will look.", tool_use=USE, output_tokens=20))
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "The weather of a city", "inputSchema": {"json": SCHEMA}}
TOOLS = {"tools": [{"toolSpec": WEATHER}]}


def converse_counts(usage):
    cached = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    return (usage["inputTokens"], usage["outputTokens"], *cached)


def words(block):
    use = block.get("toolUse")
    return f"{use['name']}({use['input']['city']})" if use else block["text"]


def shown(answer):
    return f"{' '.join(map(words, answer['output']['message']['content']))}; {answer['stopReason']}"


SAID = [content(mock("Hello.", text="Good day to you.", output_tokens=12, delta_tokens=1))]
COMMON = {"messages": SAID, "inferenceConfig": {"maxTokens": 64}}


def converse(model=MODEL):
    answer = client().converse(modelId=model, **COMMON)
    return shown(answer), [converse_counts(answer["usage"])]


def converse_tool():
    messages = [ASKED]
    first = client().converse(modelId=MODEL, messages=messages, toolConfig=TOOLS)
    (use,) = [block["toolUse"] for block in first["output"]["message"]["content"] if "toolUse" in block]
    text = mock("Sunny, 21 °C.", text="It is sunny in Zürich.", output_tokens=8)
    result = {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": text}]}}
    messages += [first["output"]["message"], {"role": "user", "content": [result]}]
    second = client().converse(modelId=MODEL, messages=messages, toolConfig=TOOLS)
    return f"{shown(first)}; {shown(second)}", [converse_counts(it["usage"]) for it in (first, second)]


def converse_stream():
    events = list(client().converse_stream(modelId=MODEL, **COMMON)["stream"])
    kinds = [kind for event in events for kind in event]
    (usage,) = [event["metadata"]["usage"] for event in events if "metadata" in event]
    return " ".join(dict.fromkeys(kinds)), [converse_counts(usage)]


def count_tokens():
    asked = {"converse": {"messages": SAID}}
    counted = client().count_tokens(modelId=COUNTED, input=asked)["inputTokens"]
    body = {"invokeModel": {"body": json.dumps(HELLO)}}
    return f"{counted} tokens of converse, {client().count_tokens(modelId=COUNTED, input=body)['inputTokens']} of invoke", []


MODES = {
    "invoke_model": invoke,
    "invoke_model_with_response_stream": stream,
    "invoke_model, profile ARN": lambda: invoke(PROFILE),
    "invoke_model, application profile ARN": lambda: invoke(APPLICATION),
    "converse": converse,
    "converse, application profile ARN": lambda: converse(APPLICATION),
    "converse, tool and its result": converse_tool,
    "converse_stream": converse_stream,
    "count_tokens": count_tokens,
}
run("boto3", version("boto3"), MODES)
