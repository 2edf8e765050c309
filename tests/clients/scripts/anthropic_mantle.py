"""`AnthropicBedrockMantle` of `anthropic` for Python, Bedrock's endpoint that speaks Anthropic's API, by a bearer token."""

from anthropic import AnthropicBedrockMantle, AsyncAnthropicBedrockMantle
from messages import Messages
from told import run, version

MESSAGES = Messages(AnthropicBedrockMantle, AsyncAnthropicBedrockMantle, "anthropic.claude-sonnet-5-5")
run("AnthropicBedrockMantle (Python)", version("anthropic"), MESSAGES.modes())
