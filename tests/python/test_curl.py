"""curl against the running gateway, in both dialects, streamed and not."""

import json
import shutil
import subprocess
import unittest
import urllib.parse

from gateway import ALIAS, BEDROCK_ID, bedrock_body, billed, mock, ready, recorded

CURL = shutil.which("curl")


def curl(path, *arguments, key=None, body=None):
    """(status, headers by lower-case name, body as bytes)."""
    command = [CURL, "--silent", "--show-error", "--no-buffer", "--include", "--http1.1", "--max-time", "30", *arguments]
    if key is not None:
        command += ["--header", f"x-api-key: {key}"]
    if body is not None:
        command += ["--header", "content-type: application/json", "--data-binary", "@-"]
    command.append(ready()["gateway"] + path)
    done = subprocess.run(command, input=body and body.encode(), capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"curl ended with {done.returncode}: {done.stderr.decode()}")
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, rest


def anthropic_body(message, **fields):
    return json.dumps({"model": ALIAS, "max_tokens": 64, "messages": [message], **fields})


@unittest.skipIf(CURL is None, "there is no curl on this machine")
class Curl(unittest.TestCase):
    def setUp(self):
        self.rows = []
        self.key = ready()["api_key"]

    def test_anthropic_dialect(self):
        with recorded(self.rows):
            status, headers, body = curl(
                "/anthropic/v1/messages", key=self.key, body=anthropic_body(mock(output_tokens=12))
            )
        self.assertEqual((status, headers["content-type"]), (200, "application/json"))
        self.assertEqual([row["usage"] for row in self.rows], [billed(json.loads(body)["usage"])])

    def test_anthropic_dialect_streamed(self):
        with recorded(self.rows):
            body = anthropic_body(mock(output_tokens=40), stream=True)
            status, headers, body = curl("/anthropic/v1/messages", key=self.key, body=body)
        self.assertEqual((status, headers["content-type"].split(";")[0]), (200, "text/event-stream"))
        blocks = [block.split("\n") for block in body.decode().strip().split("\n\n")]
        for event, data in blocks:
            self.assertEqual(event, f"event: {json.loads(data.removeprefix('data: '))['type']}")
        self.assertEqual((blocks[0][0], blocks[-1][0]), ("event: message_start", "event: message_stop"))
        (row,) = self.rows
        self.assertEqual((row["usage"]["output_tokens"], row["streamed"]), (40, True))

    def test_bedrock_dialect_with_its_model_id_raw_encoded_and_as_arn(self):
        arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{BEDROCK_ID}"
        ids = {"raw": BEDROCK_ID, "encoded": urllib.parse.quote(BEDROCK_ID, safe=""), "arn": urllib.parse.quote(arn, safe="")}
        for name, model_id in ids.items():
            with self.subTest(name):
                status, _, body = curl(f"/bedrock/model/{model_id}/invoke", key=self.key, body=bedrock_body(mock()))
                self.assertEqual((status, json.loads(body).get("type")), (200, "message"), body)

    def test_bedrock_dialect_streamed(self):
        with recorded(self.rows):
            path = f"/bedrock/model/{BEDROCK_ID}/invoke-with-response-stream"
            status, headers, body = curl(path, key=self.key, body=bedrock_body(mock(output_tokens=40)))
        self.assertEqual((status, headers["content-type"]), (200, "application/vnd.amazon.eventstream"))
        self.assertEqual(int.from_bytes(body[:4], "big") <= len(body), True)
        (row,) = self.rows
        self.assertEqual((row["dialect"], row["streamed"], row["usage"]["output_tokens"]), ("bedrock", True, 40))

    def test_a_key_may_come_in_either_header_and_twice_the_same_is_one(self):
        bearer = ("--header", f"Authorization: Bearer {self.key}")
        for name, arguments, key in (("bearer", bearer, None), ("x-api-key", (), self.key), ("both", bearer, self.key)):
            with self.subTest(name):
                status, _, body = curl("/anthropic/v1/messages", *arguments, key=key, body=anthropic_body(mock()))
                self.assertEqual(status, 200, body)

    def test_two_different_keys_are_refused(self):
        other = ("--header", f"Authorization: Bearer {ready()['admin_key']}")
        with recorded(self.rows):
            status, _, _ = curl("/anthropic/v1/messages", *other, key=self.key, body=anthropic_body(mock()))
        self.assertEqual((status, self.rows), (401, []))

    def test_without_a_key_the_answer_is_a_challenge_in_a_form_that_every_client_reads(self):
        status, headers, body = curl("/anthropic/v1/messages", body=anthropic_body(mock()))
        self.assertEqual((status, headers["www-authenticate"]), (401, 'Bearer realm="tollgate"'))
        self.assertEqual(headers["x-amzn-errortype"], "UnrecognizedClientException")
        said = json.loads(body)
        self.assertEqual((said["type"], said["error"]["type"]), ("error", "authentication_error"))
        self.assertEqual(said["message"], said["error"]["message"])

    def test_a_path_that_is_not_served_is_not_found(self):
        status, _, body = curl("/anthropic/v1/nothing", key=self.key)
        self.assertEqual((status, json.loads(body)["error"]["type"]), (404, "not_found_error"))

    def test_health_needs_no_key(self):
        status, _, _ = curl("/health")
        self.assertEqual(status, 200)


if __name__ == "__main__":
    unittest.main()
