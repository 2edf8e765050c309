"""What becomes of every kind of error in the clients that people use: what they raise, what a person reads, how often they ask.

`docs/errors.md` holds the table that this makes. `UPDATE_GOLDENS=1` writes it anew.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import threading
import unittest

from gateway import BEDROCK_ID, mock, ready, request
from test_curl import CURL, curl
from test_money import limit, new_user

try:
    import anthropic
    import boto3
    import botocore.config
    import openai
except ImportError:  # the environment of the older Anthropic SDK has not all of them
    openai = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "errors.md"
BEGIN, END = "<!-- made by tests/python/test_errors.py -->\n", "<!-- to here -->\n"
CLIENTS = ("anthropic", "@anthropic-ai/sdk", "openai", "openai (JS)", "boto3", "curl")
# Asked again by a client, these may pass.
CURABLE = ("upstream_throttled", "upstream_unavailable", "upstream_timeout", "model_failed", "internal")


def bedrock(status, name):
    return mock(status=status, error_type=name, message=f"Bedrock's own words: {name}")["content"]


def cases():
    """Every kind that a caller of a model can meet, with a request that provokes it."""

    def case(kind, **others):
        usual = {"key": ready()["api_key"], "model": BEDROCK_ID, "content": "hello", "stream": False, "retries": None}
        return {"kind": kind, **usual, **others}

    poor, poor_key = new_user()
    limit(poor, [{"unit": "picodollars", "window": "total", "limit_picodollars": "7"}])
    # Nothing is left for a second call in this minute, and after it there is.
    busy, busy_key = new_user()
    limit(busy, [{"unit": "requests", "window": "minute", "limit": "1"}])
    body = {"model": BEDROCK_ID, "max_tokens": 64, "messages": [mock(output_tokens=1)]}
    assert request("POST", "/anthropic/v1/messages", busy_key, body)[0] == 200
    name = {"name": "a test's", "scopes": ["usage:read"]}
    status, _, narrow = request("POST", "/api/keys", ready()["api_key"], name)
    assert status == 201, narrow
    inside = {"events": 4, "type": "throttlingException", "message": "Bedrock's own words: slow down"}
    return [
        case("invalid_request", model="no model"),
        case("unauthenticated", key=ready()["api_key"][:-1] + "_"),
        case("denied", key=narrow["key"]),
        case("not_found", model="nobody.model"),
        case("too_large", content="x" * 10_500_000),
        case("budget_exhausted", key=poor_key),
        # Its clients would wait for up to a minute, and then pass.
        case("rate_limited", key=busy_key, retries=0),
        case("conflict", content=bedrock(400, "ConflictException")),
        case("upstream_throttled", content=bedrock(429, "ThrottlingException")),
        case("upstream_unavailable", content=bedrock(503, "ServiceUnavailableException")),
        case("upstream_timeout", content=bedrock(408, "ModelTimeoutException")),
        case("model_failed", content=bedrock(424, "ModelErrorException")),
        case("internal", content=bedrock(500, "InternalServerException")),
        case("inside a stream", content=mock(output_tokens=40, exception_after=inside)["content"], stream=True),
    ]


TOKEN = threading.Lock()


class Count:
    """Requests that a client sent."""

    def __init__(self):
        self.requests = 0

    def __call__(self, *_, **__):
        self.requests += 1


def by_sdk(sdk, client, base, case, call):
    count = Count()
    retries = {} if case["retries"] is None else {"max_retries": case["retries"]}
    http = sdk.DefaultHttpxClient(event_hooks={"request": [count]})
    made = client(api_key=case["key"], base_url=ready()["gateway"] + base, http_client=http, timeout=60, **retries)
    body = {"model": case["model"], "messages": [{"role": "user", "content": case["content"]}], "stream": case["stream"]}
    try:
        with made:
            for _ in call(made, body) if case["stream"] else [call(made, body)]:
                pass
    except Exception as error:
        return type(error).__name__, str(error), count.requests
    raise AssertionError(f"{case['kind']}: nothing was refused")


def by_anthropic(case):
    def call(client, body):
        return client.messages.create(max_tokens=64, **body)

    return by_sdk(anthropic, anthropic.Anthropic, "/anthropic", case, call)


def by_openai(case):
    def call(client, body):
        return client.chat.completions.create(**body)

    return by_sdk(openai, openai.OpenAI, "/openai/v1", case, call)


def by_boto3(case):
    settings = {} if case["retries"] is None else {"retries": {"total_max_attempts": case["retries"] + 1}}
    config = botocore.config.Config(read_timeout=60, **settings)
    endpoint = ready()["gateway_tls"] + "/bedrock"
    with TOKEN:  # a client takes its key from the process, when it is made
        os.environ["AWS_BEARER_TOKEN_BEDROCK"] = case["key"]
        session = boto3.session.Session()
        client = session.client("bedrock-runtime", "us-east-1", endpoint_url=endpoint, config=config, verify=ready()["ca"])
    count = Count()
    client.meta.events.register("before-send.bedrock-runtime", count)
    messages = [{"role": "user", "content": [{"text": case["content"]}]}]
    try:
        if case["stream"]:
            list(client.converse_stream(modelId=case["model"], messages=messages)["stream"])
        else:
            client.converse(modelId=case["model"], messages=messages)
    except Exception as error:
        return type(error).__name__, str(error), count.requests
    finally:
        client.close()
    raise AssertionError(f"{case['kind']}: nothing was refused")


def by_curl(case):
    message = {"role": "user", "content": case["content"]}
    body = {"model": case["model"], "max_tokens": 64, "messages": [message], "stream": case["stream"]}
    # Without asking first whether a long body is welcome: the answer to that would stand before the answer.
    status, _, text = curl("/anthropic/v1/messages", "--header", "expect:", key=case["key"], body=json.dumps(body))
    return str(status), text.decode(), 1


def by_node(all_cases):
    """The results of both clients in JavaScript, by client and kind."""
    done = subprocess.run(
        ["node", ROOT / "tests" / "js" / "errors.js"], input=json.dumps(all_cases), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    names = {"openai": "openai (JS)"}
    return {
        (names.get(it["name"], it["name"]), it["kind"]): (it["raised"], it["text"], it["requests"])
        for it in json.loads(done.stdout)
    }


def told(text):
    """The gateway's words in the body that curl shows."""
    text = text.split("data: ")[-1]
    return json.loads(text)["error"]["message"]


def without_chance(message):
    """A message without the names and amounts that are others each time."""
    message = re.sub(r"user:[0-9a-f]+", "user:…", message)
    message = re.sub(r"anew at [^ ]+Z", "anew at …", message)
    return re.sub(r"\$[0-9.]*[0-9]", "$…", message)


@unittest.skipIf(openai is None or CURL is None, "not all clients are in this environment")
class Errors(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        for name in [name for name in os.environ if name.startswith(("AWS_", "ANTHROPIC_", "OPENAI_"))]:
            os.environ.pop(name)
        cls.cases = cases()
        python = {"anthropic": by_anthropic, "openai": by_openai, "boto3": by_boto3, "curl": by_curl}
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            node = pool.submit(by_node, cls.cases)
            runs = {(client, it["kind"]): pool.submit(run, it) for client, run in python.items() for it in cls.cases}
            cls.results = {key: run.result() for key, run in runs.items()} | node.result()

    def test_everybody_is_shown_the_gateways_words(self):
        for case in self.cases:
            words = without_chance(told(self.results["curl", case["kind"]][1]))
            for client in CLIENTS:
                with self.subTest(case["kind"], client=client):
                    shown = without_chance(self.results[client, case["kind"]][1].replace("\\'", "'"))
                    self.assertIn(words, shown)

    def test_nobody_repeats_what_a_repetition_cannot_cure(self):
        for (client, kind), (raised, _, requests) in self.results.items():
            with self.subTest(kind, client=client, raised=raised):
                if kind not in CURABLE:
                    self.assertEqual(requests, 1)
                elif client not in ("boto3", "curl"):
                    self.assertEqual(requests, 3)

    def test_the_document_says_what_happened(self):
        text = DOCUMENT.read_text()
        before, rest = text.split(BEGIN)
        _, after = rest.split(END)
        made = before + BEGIN + self.table() + END + after
        if os.environ.get("UPDATE_GOLDENS") == "1":
            DOCUMENT.write_text(made)
        else:
            self.assertEqual(text, made)

    def table(self):
        lines = ["| kind | what a person reads | " + " | ".join(f"`{name}`" for name in CLIENTS) + " |"]
        lines.append("|---" * (2 + len(CLIENTS)) + "|")
        for case in self.cases:
            kind = case["kind"]
            cells = []
            for client in CLIENTS:
                raised, _, requests = self.results[client, kind]
                asked = f" × {requests}" if requests > 1 else ""
                cells.append(f"`{raised}`{asked}")
            words = without_chance(told(self.results["curl", kind][1]))
            lines.append(f"| {kind if ' ' in kind else f'`{kind}`'} | {words} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"


if __name__ == "__main__":
    unittest.main()
