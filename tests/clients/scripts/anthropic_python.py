"""`anthropic` for Python, as a client of Anthropic's API."""

import anthropic
from messages import Messages, shown
from told import anthropic as counts
from told import message, run, version

MODEL = "claude-sonnet-5-5"
# Of text that no other row sends, so that the first call is the one that writes.
PROMPT = f"anthropic {version('anthropic')} " * 400
SYSTEM = [
    # The longer lifetime first, as Anthropic demands.
    {"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    {"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral"}},
]


def cache(ask):
    """The same prompt twice: written, then read."""
    counted, kinds = [], []
    for _ in range(2):
        asked = {"model": MODEL, "max_tokens": 64, "system": SYSTEM, "messages": [message("Hello.", output_tokens=5)]}
        usage = ask(anthropic.Anthropic(), asked).usage
        counted.append(counts(usage))
        kinds += ["read"] if usage.cache_read_input_tokens else []
        kinds += ["written for an hour"] if usage.cache_creation.ephemeral_1h_input_tokens else []
        kinds += ["for five minutes"] if usage.cache_creation.ephemeral_5m_input_tokens else []
    return ", ".join(kinds), counted


def streamed(client, asked):
    asked["system"] = [{**block, "text": f"streamed {block['text']}"} for block in asked["system"]]
    with client.messages.stream(**asked) as stream:
        return stream.get_final_message()


def files():
    client = anthropic.Anthropic()
    file = client.beta.files.upload(file=("note.txt", b"The word is heron.", "text/plain"))
    listed = [it.id for it in client.beta.files.list()]
    assert listed == [file.id], listed
    document = {"type": "document", "source": {"type": "file", "file_id": file.id}}
    text = {"type": "text", "text": message("Read it.", text="It says heron.", output_tokens=4)["content"]}
    answer = client.beta.messages.create(
        model=MODEL, max_tokens=64, betas=["files-api-2025-04-14"], messages=[{"role": "user", "content": [document, text]}]
    )
    deleted = client.beta.files.delete(file.id)
    return f"{file.size_bytes} bytes of {file.mime_type}; listed; {shown(answer)}; {deleted.type}", [counts(answer.usage)]


def count_tokens():
    asked = {"model": MODEL, "messages": [message("Hello.", text="Good day to you.", output_tokens=12, delta_tokens=1)]}
    return f"{anthropic.Anthropic().messages.count_tokens(**asked).input_tokens} tokens", []


def models():
    client = anthropic.Anthropic()
    assert MODEL in [model.id for model in client.models.list(limit=1000)]
    return f"it is among them; {client.models.retrieve(MODEL).display_name}", []


MESSAGES = Messages(anthropic.Anthropic, anthropic.AsyncAnthropic, MODEL)
OTHERS = {
    "prompt cache": lambda: cache(lambda client, asked: client.messages.create(**asked)),
    "prompt cache, streamed": lambda: cache(streamed),
    "files": files,
    "count_tokens": count_tokens,
    "models": models,
}
run("anthropic (Python)", version("anthropic"), {**MESSAGES.modes(), **OTHERS})
