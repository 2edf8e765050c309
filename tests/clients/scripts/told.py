"""What every program here has in common: the modes come in by standard input, what came of them goes out, a JSON object a line."""

import importlib.metadata
import json
import os
import sys


def mock(prompt, **directive):
    """A prompt that tells the Bedrock mock how to answer."""
    return f"{prompt} mock:{json.dumps(directive)}"


def message(prompt, **directive):
    return {"role": "user", "content": mock(prompt, **directive)}


def version(package):
    return importlib.metadata.version(package)


def run(client, version, modes):
    """Does what is asked for, each with the environment that comes with it. A mode gives what came back, and what it counted:
    (input, output, cache read, cache written) of each call, or None where the client does not say."""
    tell(client=client, version=version)
    for name, environment in json.load(sys.stdin).items():
        os.environ.update(environment)
        came, counted = modes[name]()
        for variable in environment:
            del os.environ[variable]
        sums = None if counted is None else [sum(kind) for kind in zip(*counted, strict=True)] or [0, 0, 0, 0]
        tell(mode=name, came=came, counted=sums)


def tell(**line):
    print(json.dumps(line), flush=True)


def anthropic(usage):
    """The counts of a message's usage."""
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_input_tokens or 0,
        usage.cache_creation_input_tokens or 0,
    )
