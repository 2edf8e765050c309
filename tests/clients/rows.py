"""The table's rows: which clients there are, how each is told where the gateway is, and what each is asked to do.

A client is told by environment variables alone, those that its users set: `{gateway}`, `{gateway_tls}`, `{ca}` and `{key}` are
filled in when it runs, and are left as they are in the table. What a mode does is the function of its name in the program.
"""

import dataclasses

BASE = {"ANTHROPIC_BASE_URL": "{gateway}/anthropic"}
AUTH_TOKEN = {"ANTHROPIC_AUTH_TOKEN": "{key}"}
ANTHROPIC = {**BASE, "ANTHROPIC_API_KEY": "{key}"}
ANTHROPIC_TOKEN = {**BASE, **AUTH_TOKEN}
BEDROCK = {
    "ANTHROPIC_BEDROCK_BASE_URL": "{gateway}/bedrock",
    "AWS_BEARER_TOKEN_BEDROCK": "{key}",
    "AWS_REGION": "us-east-1",
}
MANTLE = {
    "ANTHROPIC_BEDROCK_MANTLE_BASE_URL": "{gateway}/anthropic",
    "AWS_BEARER_TOKEN_BEDROCK": "{key}",
    "AWS_REGION": "us-east-1",
}
# As AWS's own SDKs read it. Theirs send a bearer token over TLS only; whose certificate is a public one needs no bundle.
AWS_ENDPOINT = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "{gateway_tls}/bedrock", "AWS_BEARER_TOKEN_BEDROCK": "{key}"}
AWS = {**AWS_ENDPOINT, "AWS_CA_BUNDLE": "{ca}", "AWS_DEFAULT_REGION": "us-east-1"}
AWS_NODE = {**AWS_ENDPOINT, "NODE_EXTRA_CA_CERTS": "{ca}", "AWS_REGION": "us-east-1"}
OPENAI = {"OPENAI_BASE_URL": "{gateway}/openai/v1", "OPENAI_API_KEY": "{key}"}
# Of whoever runs the gateway: an ARN, and the model that it is for.
APPLICATION_PROFILE = (
    "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/clients",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
)
CODE_BEDROCK = {
    "CLAUDE_CODE_USE_BEDROCK": "1",
    "ANTHROPIC_BEDROCK_BASE_URL": "{gateway}/bedrock",
    "AWS_REGION": "us-east-1",
}


# The prompt tells of the machine, the day and the folder.
CODE = {"portable": False, "counts_streams_only": True, "in_order": False}


@dataclasses.dataclass(frozen=True)
class Mode:
    """One row."""

    name: str
    settings: dict
    # Whether its tokens are as many on every machine, so that the table can tell their number.
    portable: bool = True
    # Whether the client counts what it streams alone, and not its probes.
    counts_streams_only: bool = False
    # Whether it asks one thing after the other, so that the table can tell the order.
    in_order: bool = True

    def over_tls(self):
        return any("{gateway_tls}" in value for value in self.settings.values())


@dataclasses.dataclass(frozen=True)
class Program:
    """Rows that one process makes. `runs` is the interpreter; `tool` the directory of `.tools` that holds the client."""

    runs: str
    tool: str
    script: str
    modes: tuple


def modes(settings, *names):
    return tuple(Mode(name, settings) for name in names)


MESSAGES = ("sync", "async", "stream helper", "async stream helper", "raw events", "tool and its result", "tool runner")
MESSAGES_JS = ("create", "stream helper", "raw events", "tool and its result", "tool runner")
FEW, FEW_JS = ("sync", "stream helper", "tool and its result"), ("create", "stream helper", "tool and its result")
CHAT = ("invoke", "stream", "tool and its result")
PYTHON = (*MESSAGES, "prompt cache", "prompt cache, streamed", "files", "count_tokens", "models")
ARNS = ("invoke_model, profile ARN", "invoke_model, application profile ARN", "converse, application profile ARN")
INVOKE = ("invoke_model", "invoke_model_with_response_stream")
CONVERSE = ("converse", "converse, tool and its result", "converse_stream")

COMMANDS = ("InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream")
COMPLETIONS = ("sync", "async", "raw chunks", "stream helper", "tool and its result", "structured output", "models")
COMPLETIONS_JS = ("create", "raw chunks", "stream helper", "tool runner", "models")

PROGRAMS = (
    Program(
        "python3",
        "clients",
        "claude_code.py",
        (
            Mode("Anthropic, auth token", ANTHROPIC_TOKEN, **CODE),
            Mode("Anthropic, API key", ANTHROPIC, **CODE),
            Mode("Anthropic, apiKeyHelper", {**BASE, "apiKeyHelper": "echo {key}"}, **CODE),
            Mode("Bedrock, bearer token", {**CODE_BEDROCK, "AWS_BEARER_TOKEN_BEDROCK": "{key}"}, **CODE),
            Mode("Bedrock, auth token", {**CODE_BEDROCK, "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1", **AUTH_TOKEN}, **CODE),
        ),
    ),
    *(
        Program("python", tool, "anthropic_python.py", (*modes(ANTHROPIC, *PYTHON), *modes(ANTHROPIC_TOKEN, "auth token")))
        for tool in ("venv-sdk", "venv-anthropic-0.75")
    ),
    Program("python", "venv-sdk", "anthropic_bedrock.py", modes(BEDROCK, *MESSAGES)),
    Program("python", "venv-sdk", "anthropic_mantle.py", modes(MANTLE, *FEW)),
    Program("node", "clients", "anthropic_js.js", modes(ANTHROPIC, *MESSAGES_JS, "prompt cache", "files", "count tokens", "models")),
    Program("node", "clients", "anthropic_bedrock.js", modes(BEDROCK, *MESSAGES_JS)),
    Program("node", "clients", "anthropic_mantle.js", modes(MANTLE, *FEW_JS)),
    Program("python", "venv-sdk", "boto.py", modes(AWS, *INVOKE, *CONVERSE, *ARNS, "count_tokens")),
    Program("node", "clients", "aws_js.js", modes(AWS_NODE, *COMMANDS)),
    Program("python", "venv-sdk", "openai_python.py", modes(OPENAI, *COMPLETIONS)),
    Program("node", "js", "openai_js.js", modes(OPENAI, *COMPLETIONS_JS)),
    Program("python", "venv-langchain", "langchain_anthropic_.py", modes(ANTHROPIC, *CHAT, "ainvoke")),
    Program(
        "python",
        "venv-langchain",
        "langchain_aws_.py",
        modes(AWS, *(f"{kind}, {mode}" for kind in ("ChatBedrock", "ChatBedrockConverse") for mode in CHAT)),
    ),
)
