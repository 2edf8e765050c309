"""The official OpenAI SDK against the running gateway: what it sends, what it makes of the answers, and what the calls are billed."""

import asyncio
import base64
import json
import secrets
import unittest
import urllib.request

from gateway import ALIAS, BEDROCK_ID, mock, ready, recorded

try:
    import openai
    from pydantic import BaseModel
except ImportError:  # the environment of the older Anthropic SDK has none
    openai, BaseModel = None, object

# By each means that Bedrock has to make a model answer in JSON: `outputConfig`, a tool that it must call, words.
KEEPS_SCHEMAS, IS_MADE_TO, IS_ASKED_TO = BEDROCK_ID, "anthropic.claude-opus-4-7", "meta.llama3-1-8b-instruct-v1:0"
OTHERS = ("amazon.nova-pro-v1:0", "us.meta.llama3-1-8b-instruct-v1:0", "openai.gpt-oss-20b-1:0")
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = base64.b64encode(b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n").decode()
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
MODEL = {"model": ALIAS, "max_completion_tokens": 64}


class City(BaseModel):
    name: str
    inhabitants: int


CITY = {"name": "Zürich", "inhabitants": 427_000}


def settings(**others):
    # Without retries, so that a test counts the calls that it made.
    base_url = ready()["gateway"] + "/openai/v1"
    return {"api_key": ready()["api_key"], "base_url": base_url, "max_retries": 0, "timeout": 30, **others}


def client(**others):
    return openai.OpenAI(**settings(**others))


def saying(**directive):
    """As `mock`, for a directive with a text of its own."""
    return {"role": "user", "content": f"hello {secrets.token_hex(8)} mock:{json.dumps(directive)}"}


def asked(path):
    with urllib.request.urlopen(ready()["bedrock"] + path, timeout=30) as response:
        return json.load(response)


def arrived(marker):
    """The body of the one request at the Bedrock mock with this marker in it."""
    (found,) = (it for it in asked("/_mock/requests") if marker in it["body"])
    return json.loads(found["body"])


@unittest.skipIf(openai is None, "the OpenAI SDK is not in this environment")
class Case(unittest.TestCase):
    def setUp(self):
        self.rows = []

    def assert_one_row(self, usage, streamed, outcome="success"):
        """The row, the usage that the client was told, and the mock's ledger say the same."""
        (row,) = self.rows
        self.assertEqual((row["dialect"], row["streamed"], row["outcome"]), ("openai", streamed, outcome))
        self.assertIs(row["estimated"], False)
        (call,) = (it for it in asked("/_mock/ledger")["calls"] if it["request_id"] == row["upstream_request_id"])
        self.assertEqual(row["usage"], call["usage"])
        self.assertEqual(row["cost_picodollars"], call["cost_picodollars"])
        told, created = row["usage"], row["usage"]["cache_creation"]
        written = created["ephemeral_5m_input_tokens"] + created["ephemeral_1h_input_tokens"]
        prompt = told["input_tokens"] + told["cache_read_input_tokens"] + written
        self.assertEqual((usage.prompt_tokens, usage.completion_tokens), (prompt, told["output_tokens"]))
        self.assertEqual(usage.total_tokens, prompt + told["output_tokens"])
        self.assertEqual(usage.prompt_tokens_details.cached_tokens, told["cache_read_input_tokens"])


class Completions(Case):
    def test_a_completion_is_answered_and_priced(self):
        with recorded(self.rows):
            completion = client().chat.completions.create(
                **MODEL,
                messages=[{"role": "developer", "content": "Be brief."}, mock(text="Tell me", output_tokens=12)],
                temperature=0.5,
                stop=["END"],
                seed=7,
                user="ann",
            )
        (choice,) = completion.choices
        self.assertEqual((completion.object, choice.message.role, choice.finish_reason), ("chat.completion", "assistant", "stop"))
        self.assertTrue(choice.message.content)
        self.assertIsNone(choice.message.tool_calls)
        self.assertEqual(completion.id, f"chatcmpl-{self.rows[0]['request_id']}")
        self.assertEqual(completion._request_id, self.rows[0]["request_id"])
        self.assertEqual(completion.usage.completion_tokens, 12)
        self.assert_one_row(completion.usage, streamed=False)

    def test_a_stream_is_the_same_completion_in_pieces(self):
        with recorded(self.rows):
            stream = client().chat.completions.create(
                **MODEL, messages=[mock(output_tokens=40)], stream=True, stream_options={"include_usage": True}
            )
            chunks = list(stream)
        *pieces, last = chunks
        self.assertEqual({chunk.id for chunk in chunks}, {f"chatcmpl-{self.rows[0]['request_id']}"})
        self.assertGreater(len([1 for chunk in pieces if chunk.choices[0].delta.content]), 1)
        self.assertEqual(pieces[0].choices[0].delta.role, "assistant")
        self.assertEqual([chunk.choices[0].finish_reason for chunk in pieces if chunk.choices[0].finish_reason], ["stop"])
        self.assertEqual((last.choices, {chunk.usage for chunk in pieces}), ([], {None}))
        self.assertEqual(last.usage.completion_tokens, 40)
        self.assert_one_row(last.usage, streamed=True)

    def test_a_stream_without_usage_is_billed_all_the_same(self):
        with recorded(self.rows):
            chunks = list(client().chat.completions.create(**MODEL, messages=[mock(output_tokens=8)], stream=True))
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        self.assertEqual([row["usage"]["output_tokens"] for row in self.rows], [8])

    def test_the_stream_helper_puts_a_completion_together(self):
        with client().chat.completions.stream(**MODEL, messages=[mock(output_tokens=40)]) as stream:
            text = "".join(event.delta for event in stream if event.type == "content.delta")
            completion = stream.get_final_completion()
        self.assertEqual(completion.choices[0].message.content, text)

    def test_the_asynchronous_client_does_the_same(self):
        async def both():
            async with openai.AsyncOpenAI(**settings()) as client:
                whole = await client.chat.completions.create(**MODEL, messages=[mock(output_tokens=12)])
                stream = await client.chat.completions.create(**MODEL, messages=[mock(output_tokens=40)], stream=True)
                pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
                return whole, pieces

        with recorded(self.rows):
            whole, pieces = asyncio.run(both())
        self.assertEqual(whole.usage.completion_tokens, 12)
        self.assertGreater(len(pieces), 3)
        self.assertEqual(sorted(row["usage"]["output_tokens"] for row in self.rows), [12, 40])

    def test_an_answer_that_is_cut_off_says_so(self):
        completion = client().chat.completions.create(
            model=ALIAS, max_tokens=4, messages=[mock(text="Tell me a long story", output_tokens=400)]
        )
        self.assertEqual((completion.choices[0].finish_reason, completion.usage.completion_tokens), ("length", 4))

    def test_every_vendors_models_are_called(self):
        for model in OTHERS:
            for stream in (False, True):
                with self.subTest(model, stream=stream):
                    self.rows.clear()
                    with recorded(self.rows):
                        answer = client().chat.completions.create(model=model, messages=[mock(output_tokens=12)], stream=stream)
                        list(answer)
                    self.assertEqual([(row["model"], row["usage"]["output_tokens"]) for row in self.rows], [(model, 12)])

    def test_the_cache_is_part_of_the_prompt(self):
        part = {"type": "text", "text": secrets.token_hex(3000), "prompt_cache_breakpoint": {"mode": "explicit"}}
        for read in (False, True):
            self.rows.clear()
            with recorded(self.rows):
                completion = client().chat.completions.create(
                    model=BEDROCK_ID, messages=[{"role": "system", "content": [part]}, mock()]
                )
            self.assert_one_row(completion.usage, streamed=False)
            details = completion.usage.prompt_tokens_details
            self.assertEqual((details.cached_tokens > 1000, details.cache_write_tokens > 1000), (read, not read))


class Tools(Case):
    def directive(self):
        return mock(tool_use={"name": "weather", "input": {"city": "Zürich", "days": 3}})

    def test_a_tool_is_called_and_its_result_is_answered(self):
        question = self.directive()
        completion = client().chat.completions.create(**MODEL, tools=[WEATHER], messages=[question])
        (choice,) = completion.choices
        (call,) = choice.message.tool_calls
        self.assertEqual((choice.finish_reason, call.type, call.function.name), ("tool_calls", "function", "weather"))
        self.assertEqual(json.loads(call.function.arguments), {"city": "Zürich", "days": 3})
        marker = secrets.token_hex(8)
        result = {"role": "tool", "tool_call_id": call.id, "content": f'{{"sky": "blue"}} {marker} mock:{{"output_tokens": 9}}'}
        with recorded(self.rows):
            completion = client().chat.completions.create(
                **MODEL, tools=[WEATHER], messages=[question, choice.message, result]
            )
        self.assertEqual((completion.choices[0].finish_reason, completion.usage.completion_tokens), ("stop", 9))
        self.assert_one_row(completion.usage, streamed=False)
        turns = arrived(marker)["messages"]
        self.assertEqual([turn["role"] for turn in turns], ["user", "assistant", "user"])
        (use,) = (block["toolUse"] for block in turns[1]["content"] if "toolUse" in block)
        self.assertEqual((use["toolUseId"], use["input"]), (call.id, {"city": "Zürich", "days": 3}))
        self.assertEqual(turns[2]["content"][0]["toolResult"]["toolUseId"], call.id)

    def test_a_streamed_call_is_put_together_from_its_pieces(self):
        with client().chat.completions.stream(**MODEL, tools=[WEATHER], messages=[self.directive()]) as stream:
            pieces = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
            completion = stream.get_final_completion()
        (call,) = completion.choices[0].message.tool_calls
        self.assertEqual(json.loads(call.function.arguments), {"city": "Zürich", "days": 3})
        self.assertTrue(call.id)
        self.assertGreater(len(pieces), 1)


    def test_several_calls_at_once_are_several_or_the_first_as_asked_for(self):
        use = {"name": "weather", "input": {"city": "Bern"}}
        for parallel, wanted in ((True, ["Zürich", "Bern"]), (False, ["Zürich"])):
            settings = {**MODEL, "tools": [WEATHER], "parallel_tool_calls": parallel}
            question = mock(tool_use={"name": "weather", "input": {"city": "Zürich"}}, more_tool_uses=[use])
            whole = client().chat.completions.create(**settings, messages=[question])
            with client().chat.completions.stream(**settings, messages=[question]) as stream:
                streamed = stream.until_done().get_final_completion()
            for completion in (whole, streamed):
                calls = completion.choices[0].message.tool_calls
                self.assertEqual([json.loads(call.function.arguments)["city"] for call in calls], wanted)
                self.assertEqual(len({call.id for call in calls}), len(wanted))


class Json(Case):
    def answers(self):
        """How the mock answers as a model by each of the means."""
        text = json.dumps(CITY)
        return {
            KEEPS_SCHEMAS: {"text": text},
            IS_MADE_TO: {"tool_use": {"name": "answer_in_json", "input": CITY}},
            IS_ASKED_TO: {"text": f"```json\n{text}\n```"},
        }

    def test_an_answer_has_the_form_that_was_asked_for_by_every_means(self):
        for model, directive in self.answers().items():
            with self.subTest(model), recorded(self.rows):
                completion = client().chat.completions.parse(model=model, messages=[saying(**directive)], response_format=City)
            message = completion.choices[0].message
            self.assertEqual((message.parsed.model_dump(), completion.choices[0].finish_reason), (CITY, "stop"))
            self.assertIsNone(message.tool_calls)

    def test_so_has_one_in_pieces(self):
        for model, directive in self.answers().items():
            with self.subTest(model):
                messages = [saying(**directive)]
                with client().chat.completions.stream(model=model, messages=messages, response_format=City) as stream:
                    completion = stream.until_done().get_final_completion()
                self.assertEqual(completion.choices[0].message.parsed.model_dump(), CITY)

    def test_any_json_is_json(self):
        answer = saying(text='Here: {"a": [1, "}"]} and so on')
        completion = client().chat.completions.create(**MODEL, messages=[answer], response_format={"type": "json_object"})
        self.assertEqual(json.loads(completion.choices[0].message.content), {"a": [1, "}"]})


class Parts(Case):
    def send(self, part):
        marker = secrets.token_hex(8)
        content = [{"type": "text", "text": f"What is this? {marker}"}, part]
        client().chat.completions.create(model=BEDROCK_ID, messages=[{"role": "user", "content": content}])
        return arrived(marker)["messages"][0]["content"][1]

    def test_an_image_arrives_by_its_bytes(self):
        part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}
        self.assertEqual(self.send(part), {"image": {"format": "png", "source": {"bytes": PNG}}})

    def test_a_file_arrives_by_its_bytes(self):
        part = {"type": "file", "file": {"filename": "report.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
        self.assertEqual(self.send(part), {"document": {"format": "pdf", "name": "report 1", "source": {"bytes": PDF}}})

    def test_a_file_that_was_uploaded_before_arrives_by_its_bytes(self):
        form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="report.pdf"\r\n\r\n'
        form += base64.b64decode(PDF) + b"\r\n--b--\r\n"
        headers = {"Authorization": f"Bearer {ready()['api_key']}", "Content-Type": "multipart/form-data; boundary=b"}
        upload = urllib.request.Request(ready()["gateway"] + "/api/v1/files/upload", form, headers)
        with urllib.request.urlopen(upload, timeout=30) as answer:
            file_id = json.load(answer)["file_id"]
        part = {"type": "file", "file": {"file_id": file_id}}
        self.assertEqual(self.send(part), {"document": {"format": "pdf", "name": "report 1", "source": {"bytes": PDF}}})
        with self.assertRaises(openai.NotFoundError) as caught:
            self.send({"type": "file", "file": {"file_id": "file_none"}})
        self.assertEqual(caught.exception.param, "messages[0].content[1].file.file_id")

    def test_an_address_is_refused_and_not_fetched(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.send({"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}})
        self.assertEqual(caught.exception.param, "messages[0].content[1].image_url.url")
        self.assertIn("data:", caught.exception.message)


class Models(Case):
    def test_models_are_listed_and_found(self):
        ids = [model.id for model in client().models.list()]
        for model in (BEDROCK_ID, *OTHERS):
            self.assertIn(model, ids)
        model = client().models.retrieve(BEDROCK_ID)
        self.assertEqual((model.id, model.owned_by, model.created > 0), (BEDROCK_ID, "anthropic", True))
        self.assertEqual(client().models.retrieve(ALIAS).id, ALIAS)
        with self.assertRaises(openai.NotFoundError) as caught:
            client().models.retrieve("gpt-0")
        self.assertEqual(caught.exception.code, "model_not_found")


class Errors(Case):
    def test_a_stream_that_breaks_is_an_error_and_never_a_short_answer(self):
        for directive in (
            {"exception_after": {"events": 4, "type": "throttlingException", "message": "Slow down"}},
            {"cut_after": 4},
            {"end_after": 4},
        ):
            with self.subTest(directive):
                self.rows.clear()
                with recorded(self.rows), self.assertRaises(openai.APIError):
                    list(client().chat.completions.create(**MODEL, messages=[mock(output_tokens=40, **directive)], stream=True))
                (row,) = self.rows
                self.assertEqual(row["outcome"], "stream_interrupted")
                self.assertGreater(row["cost_picodollars"], 0)

    def test_what_has_no_counterpart_is_refused_by_name(self):
        with recorded(self.rows), self.assertRaises(openai.BadRequestError) as caught:
            client().chat.completions.create(**MODEL, messages=[mock()], n=2)
        self.assertEqual((caught.exception.param, caught.exception.type), ("n", "invalid_request_error"))
        self.assertEqual(self.rows, [])


if __name__ == "__main__":
    unittest.main()
