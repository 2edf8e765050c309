"""`AnthropicBedrock` of `anthropic` for Python, by a bearer token."""

from anthropic import AnthropicBedrock, AsyncAnthropicBedrock
from messages import Messages
from told import run, version

MESSAGES = Messages(AnthropicBedrock, AsyncAnthropicBedrock, "us.anthropic.claude-haiku-4-5-20251001-v1:0")
run("AnthropicBedrock (Python)", version("anthropic"), MESSAGES.modes())
