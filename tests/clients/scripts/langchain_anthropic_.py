"""langchain-anthropic."""

import chat
from langchain_anthropic import ChatAnthropic
from told import run, version


def model():
    return ChatAnthropic(model="claude-sonnet-5-5", max_tokens=64)


MODES = {"invoke": chat.invoke, "ainvoke": chat.ainvoke, "stream": chat.stream, "tool and its result": chat.tools}
run(
    "langchain-anthropic",
    version("langchain-anthropic"),
    {name: lambda mode=mode: mode(model) for name, mode in MODES.items()},
)
