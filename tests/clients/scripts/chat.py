"""What LangChain is asked to do, with any of its chat models."""

import asyncio

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from told import mock

HELLO = mock("Hello.", text="Good day to you.", output_tokens=12, delta_tokens=1)
USE = {"name": "weather", "input": {"city": "Zürich"}}
ASKED = mock("What is the weather?", text="I will look.", tool_use=USE, output_tokens=20)
RESULT = mock("Sunny, 21 °C.", text="It is sunny in Zürich.", output_tokens=8)


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    assert city == "Zürich", city
    return RESULT


def counts(answer):
    usage = answer.usage_metadata
    details = usage.get("input_token_details") or {}
    read, written = details.get("cache_read") or 0, details.get("cache_creation") or 0
    return (usage["input_tokens"] - read - written, usage["output_tokens"], read, written)


def shown(answer):
    calls = [f"{call['name']}({call['args']['city']})" for call in answer.tool_calls]
    return " ".join([answer.text if isinstance(answer.text, str) else answer.text(), *calls]).strip()


def invoke(model):
    answer = model().invoke(HELLO)
    return shown(answer), [counts(answer)]


def ainvoke(model):
    answer = asyncio.run(model().ainvoke(HELLO))
    return shown(answer), [counts(answer)]


def stream(model):
    pieces = list(model().stream(HELLO))
    answer = pieces[0]
    for piece in pieces[1:]:
        answer += piece
    return f"{len([it for it in pieces if shown(it)])} pieces; {shown(answer)}", [counts(answer)]


def tools(model):
    bound, said = model().bind_tools([weather]), [HumanMessage(ASKED)]
    first = bound.invoke(said)
    (call,) = first.tool_calls
    said += [first, ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])]
    second = bound.invoke(said)
    return f"{shown(first)}; {shown(second)}", [counts(first), counts(second)]
