"""`openai` for Python."""

import asyncio
import json

import openai
import pydantic
from told import message, mock, run, version

MODEL = {"model": "claude-sonnet-5-5", "max_completion_tokens": 64}
BEDROCK_ID = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
HELLO = {**MODEL, "messages": [message("Hello.", text="Good day to you.", output_tokens=12, delta_tokens=1)]}
USE = {"name": "weather", "input": {"city": "Zürich"}}
ASKED = message("What is the weather?", text="I will look.", tool_use=USE, output_tokens=20)
RESULT = mock("Sunny, 21 °C.", text="It is sunny in Zürich.", output_tokens=8)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "The weather of a city", "parameters": SCHEMA}


class City(pydantic.BaseModel):
    name: str


def counts(usage):
    """What is written to a cache is not told apart."""
    read = usage.prompt_tokens_details.cached_tokens
    return (usage.prompt_tokens - read, usage.completion_tokens, read, 0)


def shown(completion, *before):
    (choice,) = completion.choices
    calls = [f"{it.function.name}({json.loads(it.function.arguments)['city']})" for it in choice.message.tool_calls or ()]
    return "; ".join([*before, " ".join([choice.message.content or "", *calls]).strip(), choice.finish_reason])


def sync():
    completion = openai.OpenAI().chat.completions.create(**HELLO)
    return shown(completion), [counts(completion.usage)]


async def asynchronous():
    async with openai.AsyncOpenAI() as client:
        completion = await client.chat.completions.create(**HELLO)
    return shown(completion), [counts(completion.usage)]


def raw():
    chunks = list(openai.OpenAI().chat.completions.create(**HELLO, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    return f"{len(pieces)} pieces; {''.join(pieces)}", [counts(chunks[-1].usage)]


def helper():
    asked = {**HELLO, "stream_options": {"include_usage": True}}
    with openai.OpenAI().chat.completions.stream(**asked) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        completion = stream.get_final_completion()
    assert "".join(pieces) == completion.choices[0].message.content, pieces
    return shown(completion, f"{len(pieces)} pieces"), [counts(completion.usage)]


def tool():
    client, said = openai.OpenAI(), [ASKED]
    tools = [{"type": "function", "function": WEATHER}]
    first = client.chat.completions.create(**MODEL, tools=tools, messages=said)
    answer = first.choices[0].message
    said += [answer, {"role": "tool", "tool_call_id": answer.tool_calls[0].id, "content": RESULT}]
    second = client.chat.completions.create(**MODEL, tools=tools, messages=said)
    return shown(second, shown(first)), [counts(first.usage), counts(second.usage)]


def parsed():
    """On a model that Bedrock holds to a schema."""
    asked = message("Which city?", text='{"name": "Zürich"}', output_tokens=6)
    completion = openai.OpenAI().chat.completions.parse(model=BEDROCK_ID, messages=[asked], response_format=City)
    return repr(completion.choices[0].message.parsed), [counts(completion.usage)]


def models():
    client = openai.OpenAI()
    assert BEDROCK_ID in [model.id for model in client.models.list()]
    return f"it is among them; {client.models.retrieve(BEDROCK_ID).object}", []


MODES = {
    "sync": sync,
    "async": lambda: asyncio.run(asynchronous()),
    "raw chunks": raw,
    "stream helper": helper,
    "tool and its result": tool,
    "structured output": parsed,
    "models": models,
}
run("openai (Python)", version("openai"), MODES)
