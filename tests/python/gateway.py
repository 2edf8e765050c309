"""The running gateway that the tests of this directory talk to: see `tools/with_local`, which starts one and names it."""

import contextlib
import json
import os
import pathlib
import secrets
import urllib.error
import urllib.parse
import urllib.request

# An alias of Anthropic's, and an id of Bedrock's with a colon, which some clients send encoded.
ALIAS = "claude-sonnet-5-5"
BEDROCK_ID = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def ready():
    """The ready file of `local up`."""
    return json.loads(pathlib.Path(os.environ["TOLLGATE_READY_FILE"]).read_text())


def mock(text="hello", **directive):
    """A user's message that tells the Bedrock mock how to answer. No two are alike, so that no cache knows them."""
    return {"role": "user", "content": f"{text} {secrets.token_hex(8)} mock:{json.dumps(directive)}"}


def bedrock_body(*messages, **fields):
    """A request body as Bedrock takes it."""
    return json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": list(messages), **fields})


def request(method, path, key, body=None):
    """(status, headers, JSON of the body)."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    asked = urllib.request.Request(ready()["gateway"] + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=30) as response:
            return response.status, response.headers, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.load(error)


def records():
    """Every usage row of the user, by request id."""
    found, cursor = {}, None
    while True:
        query = {"limit": 500} if cursor is None else {"limit": 500, "cursor": cursor}
        status, _, page = request("GET", f"/api/usage/records?{urllib.parse.urlencode(query)}", ready()["api_key"])
        assert status == 200, (status, page)
        for record in page["records"]:
            assert record["request_id"] not in found, f"two rows of one request: {record}"
            found[record["request_id"]] = record
        cursor = page.get("next_cursor")
        if cursor is None:
            return found


@contextlib.contextmanager
def recorded(rows):
    """Appends the rows that the calls in its block left to `rows`. The tests run one after the other, so no other's do."""
    before = records()
    yield
    rows.extend(row for key, row in records().items() if key not in before)


def billed(usage):
    """The usage of an answer (Anthropic's form) in the form of a usage row's."""
    lifetimes = usage.get("cache_creation") or {}
    return {
        "input_tokens": usage["input_tokens"],
        "output_tokens": usage["output_tokens"],
        "cache_read_input_tokens": usage.get("cache_read_input_tokens") or 0,
        "cache_creation": {
            "ephemeral_5m_input_tokens": lifetimes.get("ephemeral_5m_input_tokens", 0),
            "ephemeral_1h_input_tokens": lifetimes.get("ephemeral_1h_input_tokens", 0),
        },
    }
