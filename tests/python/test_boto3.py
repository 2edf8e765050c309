"""boto3 against the running gateway, over TLS: it sends a bearer token over nothing else."""

import json
import os
import unittest
import urllib.parse

from gateway import BEDROCK_ID, bedrock_body, billed, mock, ready, recorded

try:
    import boto3
    import botocore.config
    import botocore.exceptions
except ImportError:  # the environment of the older Anthropic SDK has none
    boto3 = None


@unittest.skipIf(boto3 is None, "boto3 is not in this environment")
class Boto3(unittest.TestCase):
    def setUp(self):
        self.rows = []
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            self.addCleanup(os.environ.__setitem__, name, os.environ.pop(name))
        for name in ("AWS_CA_BUNDLE", "AWS_BEARER_TOKEN_BEDROCK"):
            self.addCleanup(os.environ.pop, name, None)

    def client(self, key=None):
        os.environ["AWS_CA_BUNDLE"] = ready()["ca"]
        os.environ["AWS_BEARER_TOKEN_BEDROCK"] = key or ready()["api_key"]
        config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=30)
        endpoint = ready()["gateway_tls"] + "/bedrock"
        return boto3.client("bedrock-runtime", "us-east-1", endpoint_url=endpoint, config=config)

    def assert_one_row(self, usage, streamed):
        (row,) = self.rows
        self.assertEqual(row["usage"], billed(usage))
        self.assertEqual((row["dialect"], row["streamed"], row["model"]), ("bedrock", streamed, BEDROCK_ID))

    def test_invoke_model_is_answered_and_priced(self):
        with recorded(self.rows):
            answer = self.client().invoke_model(modelId=BEDROCK_ID, body=bedrock_body(mock(output_tokens=12)))
            message = json.load(answer["body"])
        self.assertEqual((message["type"], message["usage"]["output_tokens"]), ("message", 12))
        self.assertEqual(answer["contentType"], "application/json")
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual(headers["x-amzn-bedrock-output-token-count"], "12")
        self.assert_one_row(message["usage"], streamed=False)

    def test_frames_of_a_stream_pass_with_their_checksums(self):
        with recorded(self.rows):
            body = bedrock_body(mock(output_tokens=40))
            answer = self.client().invoke_model_with_response_stream(modelId=BEDROCK_ID, body=body)
            # botocore checks the checksums of every frame.
            events = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
        self.assertEqual((events[0]["type"], events[-1]["type"]), ("message_start", "message_stop"))
        self.assertEqual(events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"], 40)
        started = events[0]["message"]["usage"]
        (final,) = [event["usage"] for event in events if event["type"] == "message_delta"]
        self.assert_one_row({**started, **final}, streamed=True)

    def test_an_arn_names_the_model_as_its_last_part_does(self):
        arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{BEDROCK_ID}"
        answer = self.client().invoke_model(modelId=arn, body=bedrock_body(mock()))
        self.assertEqual(json.load(answer["body"])["type"], "message")
        self.assertIn("%2F", urllib.parse.quote(arn, safe=""))  # as botocore sends it

    def test_errors_have_the_codes_of_bedrock(self):
        def throttled(client):
            throttle = mock(status=429, error_type="ThrottlingException", message="Too many tokens")
            client.invoke_model(modelId=BEDROCK_ID, body=bedrock_body(throttle))

        def invalid(client):
            client.invoke_model(modelId=BEDROCK_ID, body="{}")

        for call, code, status in ((throttled, "ThrottlingException", 429), (invalid, "ValidationException", 400)):
            with self.subTest(code), self.assertRaises(botocore.exceptions.ClientError) as caught:
                call(self.client())
            self.assertEqual(caught.exception.response["Error"]["Code"], code)
            self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], status)

    def test_a_wrong_key_is_refused_by_the_code_that_aws_has_for_it(self):
        with recorded(self.rows), self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.client(ready()["api_key"][:-1] + "_").invoke_model(modelId=BEDROCK_ID, body=bedrock_body(mock()))
        self.assertEqual(caught.exception.response["Error"]["Code"], "UnrecognizedClientException")
        self.assertEqual(self.rows, [])

    def test_a_stream_that_breaks_raises_the_exception_that_bedrock_sent(self):
        directive = mock(
            output_tokens=40, exception_after={"events": 4, "type": "modelStreamErrorException", "message": "broken"}
        )
        answer = self.client().invoke_model_with_response_stream(modelId=BEDROCK_ID, body=bedrock_body(directive))
        with self.assertRaises(botocore.exceptions.EventStreamError) as caught:
            list(answer["body"])
        self.assertEqual(caught.exception.response["Error"]["Code"], "modelStreamErrorException")


if __name__ == "__main__":
    unittest.main()
