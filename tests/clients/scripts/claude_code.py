"""Claude Code in print mode: it is asked to read a note, calls its tool Read, sends the result back and says what it was told.

It is the program of the package for this machine, run without the package's own installer, in a home of its own, and without what
it asks of others than its model: reports, updates, and the like.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

from told import mock, run

MODULES = pathlib.Path(sys.argv[1]) / "node_modules" / "@anthropic-ai"
MACHINE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
LIBC = "" if platform.libc_ver()[0] == "glibc" or sys.platform == "darwin" else "-musl"
PACKAGE = MODULES / f"claude-code-{sys.platform}-{MACHINE}{LIBC}"
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
}
MODELS = {"anthropic": "claude-sonnet-5-5", "bedrock": "us.anthropic.claude-sonnet-5-5"}
NOTE = mock("The word is heron.", text="The note says heron.", output_tokens=7)
TIMEOUT_SECONDS = 90


def read_the_note():
    settings = {"apiKeyHelper": os.environ["apiKeyHelper"]} if "apiKeyHelper" in os.environ else {}
    model = MODELS["bedrock" if "CLAUDE_CODE_USE_BEDROCK" in os.environ else "anthropic"]
    with tempfile.TemporaryDirectory(prefix="tollgate-") as home:
        note = pathlib.Path(home) / "note.txt"
        note.write_text(NOTE)
        read = {"name": "Read", "input": {"file_path": str(note)}}
        prompt = mock("Read the note.", text="I read it.", tool_use=read, output_tokens=20)
        options = ["--settings", json.dumps(settings), "--model", model, "--allowedTools", "Read"]
        command = [PACKAGE / "claude", "-p", prompt, *options, "--output-format", "stream-json", "--verbose"]
        environment = {**os.environ, **QUIET, "HOME": home, "CLAUDE_CONFIG_DIR": f"{home}/.claude"}
        done = subprocess.run(
            command, cwd=home, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def words(lines):
    """What a person sees of it: texts, the tool's call, its result."""
    for line in lines:
        if line["type"] in ("assistant", "user"):
            for block in line["message"]["content"]:
                if block["type"] == "text":
                    yield block["text"]
                elif block["type"] == "tool_use":
                    yield f"{block['name']}({pathlib.Path(block['input']['file_path']).name})"
                elif block["type"] == "tool_result":
                    assert "The word is heron." in block["content"] and not block.get("is_error"), block
                    yield "(its result)"
    result = lines[-1]
    assert result["subtype"] == "success" and not result["is_error"], result
    yield result["stop_reason"]


def counts(model):
    return (
        model["inputTokens"],
        model["outputTokens"],
        model["cacheReadInputTokens"],
        model["cacheCreationInputTokens"],
    )


def mode():
    lines = read_the_note()
    return "; ".join(words(lines)), [counts(model) for model in lines[-1]["modelUsage"].values()]


class Modes(dict):
    """All of them do the same: the environment makes the difference."""

    def __missing__(self, _):
        return mode


VERSION = json.loads((PACKAGE / "package.json").read_text())["version"]
run("Claude Code", VERSION, Modes())
