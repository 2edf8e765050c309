"""What Anthropic's Python SDK is asked to do, with any of its clients that have messages."""

import asyncio

from anthropic import beta_tool
from told import anthropic, message

WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
USE = {"name": "weather", "input": {"city": "Zürich"}}
ASKED = message("What is the weather?", text="I will look.", tool_use=USE, output_tokens=20)
SUNNY = "Sunny, 21 °C."
RESULT = f'{SUNNY} mock:{{"text": "It is sunny in Zürich.", "output_tokens": 8}}'


@beta_tool
def weather(city: str) -> str:
    """The weather of a city."""
    assert city == "Zürich", city
    return RESULT


def shown(answer, *before):
    """An answer in words, after what came before it."""
    parts = [block.text if block.type == "text" else f"{block.name}({block.input['city']})" for block in answer.content]
    return "; ".join([*before, " ".join(parts), answer.stop_reason])


class Messages:
    """`client` and `async_client` make clients, which find the gateway themselves."""

    def __init__(self, client, async_client, model):
        self.client, self.async_client = client, async_client
        self.model = {"model": model, "max_tokens": 64}

    def modes(self):
        return {
            "sync": self.sync,
            "auth token": self.sync,
            "async": lambda: asyncio.run(self.asynchronous()),
            "stream helper": self.stream,
            "async stream helper": lambda: asyncio.run(self.asynchronous_stream()),
            "raw events": self.raw,
            "tool and its result": self.tool,
            "tool runner": self.runner,
        }

    def hello(self, **more):
        return {**self.model, "messages": [message("Hello.", text="Good day to you.", output_tokens=12, delta_tokens=1)], **more}

    def sync(self):
        answer = self.client().messages.create(**self.hello())
        return shown(answer), [anthropic(answer.usage)]

    async def asynchronous(self):
        async with self.async_client() as client:
            answer = await client.messages.create(**self.hello())
        return shown(answer), [anthropic(answer.usage)]

    def stream(self):
        with self.client().messages.stream(**self.hello()) as stream:
            pieces = list(stream.text_stream)
            answer = stream.get_final_message()
        assert "".join(pieces) == answer.content[0].text, pieces
        return shown(answer, f"{len(pieces)} pieces"), [anthropic(answer.usage)]

    async def asynchronous_stream(self):
        async with self.async_client() as client, client.messages.stream(**self.hello()) as stream:
            pieces = [piece async for piece in stream.text_stream]
            answer = await stream.get_final_message()
        assert "".join(pieces) == answer.content[0].text, pieces
        return shown(answer, f"{len(pieces)} pieces"), [anthropic(answer.usage)]

    def raw(self):
        events = list(self.client().messages.create(**self.hello(stream=True)))
        kinds = [event.type for event in events]
        started, (final,) = events[0].message.usage, [event.usage for event in events if event.type == "message_delta"]
        counted = (started.input_tokens, final.output_tokens, 0, 0)
        return " ".join(dict.fromkeys(kinds)), [counted]

    def tool(self):
        """Streamed, as agents do it."""
        client, said = self.client(), [ASKED]
        with client.messages.stream(**self.model, tools=[WEATHER], messages=said) as stream:
            first = stream.get_final_message()
        (use,) = [block for block in first.content if block.type == "tool_use"]
        result = {"type": "tool_result", "tool_use_id": use.id, "content": RESULT}
        said += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        with client.messages.stream(**self.model, tools=[WEATHER], messages=said) as stream:
            second = stream.get_final_message()
        return shown(second, shown(first)), [anthropic(first.usage), anthropic(second.usage)]

    def runner(self):
        """The SDK calls the tool, and sends its result back."""
        answers = list(self.client().beta.messages.tool_runner(**self.model, tools=[weather], messages=[ASKED]))
        return shown(answers[-1], *map(shown, answers[:-1])), [anthropic(answer.usage) for answer in answers]
