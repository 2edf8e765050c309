"""The official Anthropic SDK against the running gateway. Run with the newest release and with 0.75: the newest sends an API
key as a bearer token, the older one as `x-api-key`."""

import os
import secrets
import unittest

import anthropic
from gateway import ALIAS, BEDROCK_ID, billed, mock, ready, recorded

MODEL = {"model": ALIAS, "max_tokens": 64}
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def client(**settings):
    # Without retries, so that a test counts the calls that it made.
    settings = {"api_key": ready()["api_key"], "max_retries": 0, "timeout": 30, **settings}
    return anthropic.Anthropic(base_url=ready()["gateway"] + "/anthropic", **settings)


class Case(unittest.TestCase):
    def setUp(self):
        # The SDK would take credentials from here as well, and the gateway refuses two.
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
            os.environ.pop(name, None)
        self.rows = []

    def assert_one_row(self, message, streamed):
        (row,) = self.rows
        self.assertEqual(row["usage"], billed(message.usage.model_dump()))
        self.assertEqual((row["dialect"], row["streamed"], row["outcome"]), ("anthropic", streamed, "success"))
        self.assertGreater(row["cost_picodollars"], 0)
        self.assertIs(row["estimated"], False)


class Messages(Case):
    def test_a_message_is_answered_and_priced(self):
        with recorded(self.rows):
            message = client().messages.create(**MODEL, messages=[mock(text="Tell me", output_tokens=12)])
        self.assertEqual((message.type, message.role, message.stop_reason), ("message", "assistant", "end_turn"))
        self.assertTrue(message.content[0].text)
        self.assertEqual(message.usage.output_tokens, 12)
        self.assert_one_row(message, streamed=False)

    def test_a_streamed_message_is_the_same_message_in_pieces(self):
        with recorded(self.rows), client().messages.stream(**MODEL, messages=[mock(output_tokens=40)]) as stream:
            pieces = list(stream.text_stream)
            message = stream.get_final_message()
        self.assertGreater(len(pieces), 1)
        self.assertEqual("".join(pieces), message.content[0].text)
        self.assertEqual(message.usage.output_tokens, 40)
        self.assert_one_row(message, streamed=True)

    def test_raw_events_are_those_that_anthropic_sends(self):
        events = list(client().messages.create(**MODEL, messages=[mock(output_tokens=8)], stream=True))
        kinds = [event.type for event in events]
        self.assertEqual((kinds[0], kinds[-1]), ("message_start", "message_stop"))
        self.assertIn("message_delta", kinds)
        # Bedrock's own counts come with its last event, and stay behind.
        for event in events:
            self.assertNotIn("amazon-bedrock", event.model_dump_json())

    def test_a_bedrock_id_is_taken_as_it_is(self):
        with recorded(self.rows):
            client().messages.create(model=BEDROCK_ID, max_tokens=64, messages=[mock()])
        self.assertEqual([row["model"] for row in self.rows], [BEDROCK_ID])

    def test_a_key_counts_as_bearer_token_and_as_x_api_key(self):
        key = ready()["api_key"]
        for name, headers in {"bearer": {"Authorization": f"Bearer {key}"}, "x-api-key": {"X-Api-Key": key}}.items():
            with self.subTest(name):
                other = {"bearer": "X-Api-Key", "x-api-key": "Authorization"}[name]
                headers = {**headers, other: anthropic.Omit()}
                message = client(default_headers=headers).messages.create(**MODEL, messages=[mock()])
                self.assertTrue(message.content[0].text)

    def test_an_auth_token_alone_is_enough(self):
        message = client(api_key=None, auth_token=ready()["api_key"]).messages.create(**MODEL, messages=[mock()])
        self.assertTrue(message.content[0].text)


class Tools(Case):
    def directive(self):
        return mock(tool_use={"name": "weather", "input": {"city": "Zürich", "days": 3}})

    def test_a_tool_use_arrives_whole(self):
        message = client().messages.create(**MODEL, tools=[WEATHER], messages=[self.directive()])
        (use,) = [block for block in message.content if block.type == "tool_use"]
        self.assertEqual((use.name, use.input, message.stop_reason), ("weather", {"city": "Zürich", "days": 3}, "tool_use"))

    def test_a_streamed_tool_use_is_put_together_from_its_pieces(self):
        with client().messages.stream(**MODEL, tools=[WEATHER], messages=[self.directive()]) as stream:
            json_pieces = [event.partial_json for event in stream if event.type == "input_json"]
            message = stream.get_final_message()
        (use,) = [block for block in message.content if block.type == "tool_use"]
        self.assertEqual(use.input, {"city": "Zürich", "days": 3})
        self.assertTrue(json_pieces)


class Cache(Case):
    def setUp(self):
        super().setUp()
        # The longer lifetime first, as Anthropic demands. New text, so that the first call is the one that writes.
        self.system = [
            {"type": "text", "text": secrets.token_hex(3000), "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": secrets.token_hex(3000), "cache_control": {"type": "ephemeral"}},
        ]

    def call(self):
        self.rows.clear()
        with recorded(self.rows):
            message = client().messages.create(**MODEL, system=self.system, messages=[mock()])
        self.assert_one_row(message, streamed=False)
        return message.usage

    def test_system_blocks_keep_their_breakpoints_and_each_lifetime_is_billed_apart(self):
        first = self.call()
        self.assertGreater(first.cache_creation.ephemeral_1h_input_tokens, 1000)
        self.assertGreater(first.cache_creation.ephemeral_5m_input_tokens, 1000)
        self.assertEqual(first.cache_read_input_tokens or 0, 0)
        second = self.call()
        written = first.cache_creation.ephemeral_1h_input_tokens + first.cache_creation.ephemeral_5m_input_tokens
        self.assertEqual(second.cache_read_input_tokens, written)
        self.assertEqual(second.cache_creation_input_tokens or 0, 0)


class Errors(Case):
    def refused(self, kind, status, error_type, call):
        with recorded(self.rows), self.assertRaises(kind) as caught:
            call()
        self.assertEqual(caught.exception.status_code, status)
        self.assertEqual(caught.exception.body["type"], "error")
        self.assertEqual(caught.exception.body["error"]["type"], error_type)
        self.assertTrue(caught.exception.body["error"]["message"])
        return caught.exception

    def test_an_unknown_model_is_not_found_and_costs_nothing(self):
        def call():
            client().messages.create(model="claude-of-tomorrow", max_tokens=9, messages=[mock()])

        self.refused(anthropic.NotFoundError, 404, "not_found_error", call)
        self.assertEqual(self.rows, [])

    def test_a_wrong_key_is_refused(self):
        def call():
            client(api_key=ready()["api_key"][:-1] + "_").messages.create(**MODEL, messages=[mock()])

        self.refused(anthropic.AuthenticationError, 401, "authentication_error", call)
        self.assertEqual(self.rows, [])

    def test_a_bad_request_is_said_to_be_one(self):
        def call():
            client().messages.create(**MODEL, messages=[mock(status=400, error_type="ValidationException", message="no")])

        self.refused(anthropic.BadRequestError, 400, "invalid_request_error", call)

    def test_a_throttle_of_bedrock_stays_one_that_a_retry_may_cure(self):
        def call(stream=False):
            throttle = mock(status=429, error_type="ThrottlingException", message="Too many tokens", retry_after=7)
            client().messages.create(**MODEL, messages=[throttle], stream=stream)

        for stream in (False, True):
            with self.subTest(stream=stream):
                error = self.refused(
                    anthropic.RateLimitError, 429, "rate_limit_error", lambda stream=stream: call(stream)
                )
                self.assertEqual(error.response.headers.get("retry-after"), "7")

    def test_a_stream_that_breaks_is_an_error_and_never_a_short_answer(self):
        directive = mock(
            output_tokens=40, exception_after={"events": 4, "type": "throttlingException", "message": "Slow down"}
        )
        with recorded(self.rows), self.assertRaises(anthropic.APIError):
            with client().messages.stream(**MODEL, messages=[directive]) as stream:
                stream.get_final_message()
        (row,) = self.rows
        self.assertNotEqual(row["outcome"], "success")
        self.assertGreater(row["cost_picodollars"], 0)


if __name__ == "__main__":
    unittest.main()
