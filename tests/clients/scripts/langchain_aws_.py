"""langchain-aws, which asks boto3."""

import chat
from langchain_aws import ChatBedrock, ChatBedrockConverse
from told import run, version

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
MODELS = {
    "ChatBedrock": lambda: ChatBedrock(model=MODEL, max_tokens=64),
    "ChatBedrockConverse": lambda: ChatBedrockConverse(model=MODEL, max_tokens=64),
}
MODES = {"invoke": chat.invoke, "stream": chat.stream, "tool and its result": chat.tools}
run(
    "langchain-aws",
    version("langchain-aws"),
    {f"{kind}, {name}": lambda mode=mode, model=model: mode(model) for kind, model in MODELS.items() for name, mode in MODES.items()},
)
