"""Tests of prices.py, from a small table written as the real one is. Run: python3 -m unittest discover -s tools"""

import json
import unittest

import prices

LIMITS = '"max_input_tokens": 200000, "max_output_tokens": 64000, "mode": "chat"'

TABLE = """{
  "sample_spec": {"litellm_provider": "one of ..."},
  "anthropic.claude-opus-9": {"litellm_provider": "bedrock_converse", LIMITS,
    "input_cost_per_token": 5e-06, "output_cost_per_token": 2.5e-05, "cache_read_input_token_cost": 5e-07,
    "cache_creation_input_token_cost": 6.25e-06, "cache_creation_input_token_cost_above_1hr": 1e-05},
  "global.anthropic.claude-opus-9": {"litellm_provider": "bedrock_converse", LIMITS,
    "input_cost_per_token": 5e-06, "output_cost_per_token": 2.5e-05, "cache_read_input_token_cost": 5e-07,
    "cache_creation_input_token_cost": 6.25e-06, "cache_creation_input_token_cost_above_1hr": 1e-05},
  "us.anthropic.claude-opus-9": {"litellm_provider": "bedrock_converse", LIMITS,
    "search_context_cost_per_query": {"search_context_size_low": 0.01},
    "input_cost_per_token": 5.5e-06, "output_cost_per_token": 2.75e-05, "cache_read_input_token_cost": 5.5e-07,
    "cache_creation_input_token_cost": 6.875e-06, "cache_creation_input_token_cost_above_1hr": 1.1e-05},
  "anthropic.claude-v2:1": {"litellm_provider": "bedrock", "mode": "chat", "max_tokens": 8191, "max_output_tokens": 8191,
    "input_cost_per_token": 8e-06, "output_cost_per_token": 0.000024},
  "apac.anthropic.claude-banded-v1:0": {"litellm_provider": "bedrock_converse", LIMITS,
    "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 3e-07,
    "input_cost_per_token_batches": 1.5e-06, "output_cost_per_token_batches": 7.5e-06,
    "input_cost_per_token_above_200k_tokens": 6e-06, "output_cost_per_token_above_200k_tokens": 2.25e-05},
  "bedrock/us-gov-west-1/anthropic.claude-opus-9": {"litellm_provider": "bedrock", LIMITS, "input_cost_per_token": 6e-06},
  "bedrock_mantle/anthropic.claude-opus-9": {"litellm_provider": "bedrock_mantle", LIMITS, "input_cost_per_token": 6e-06},
  "claude-opus-9": {"litellm_provider": "anthropic", LIMITS, "input_cost_per_token": 5e-06},
  "amazon.titan-embed": {"litellm_provider": "bedrock", "mode": "embedding", "input_cost_per_token": 8e-07},
  "eu.twelvelabs.pegasus-9": {"litellm_provider": "bedrock", LIMITS, "input_cost_per_video_per_second": 0.1},
  "eu.amazon.nova-odd-v1:0": {"litellm_provider": "bedrock", LIMITS,
    "input_cost_per_token": 1e-06, "output_cost_per_token": 3e-06, "cache_read_input_token_cost": 2.5e-11,
    "input_cost_per_image_token": 1e-06, "input_cost_per_token_ultrafast": 9e-06,
    "input_cost_per_token_flex": 5e-07, "output_cost_per_token_flex": 1.5e-06, "cache_read_input_token_cost_flex": 1.2e-11,
    "input_cost_per_token_priority": 1.75e-06, "output_cost_per_token_priority": 5.25e-06}
}""".replace("LIMITS", LIMITS)

# Of Titan and Pegasus nothing, of Nova three tiers. What `priority` leaves out is 1.75 times the default, rounded up (25 x
# 1.75 = 43.75); what `batch` leaves out is the default, though its input is half.
FILE = """\
{"source":"PyPI litellm, litellm/model_prices_and_context_window_backup.json","source_version":"litellm 9.9",\
"source_date":"2026-01-02","licence":"MIT","unit":"picodollars per token","prices":[
{"model":"anthropic.claude-opus-9","tier":"default","input":5500000,"output":27500000,"cache_read":550000,\
"cache_write_5m":6875000,"cache_write_1h":11000000,"context_tokens":200000,"max_output_tokens":64000},
{"model":"anthropic.claude-v2:1","tier":"default","input":8000000,"output":24000000,"context_tokens":8191,\
"max_output_tokens":8191},
{"model":"apac.anthropic.claude-banded-v1:0","tier":"batch","input":1500000,"output":7500000,"cache_read":300000,\
"cache_write_5m":3750000,"cache_write_1h":6000000,"long_context":{"above_tokens":200000,"input":6000000,\
"output":22500000,"cache_read":600000,"cache_write_5m":7500000,"cache_write_1h":12000000}},
{"model":"apac.anthropic.claude-banded-v1:0","tier":"default","input":3000000,"output":15000000,"cache_read":300000,\
"cache_write_5m":3750000,"cache_write_1h":6000000,"long_context":{"above_tokens":200000,"input":6000000,\
"output":22500000,"cache_read":600000,"cache_write_5m":7500000,"cache_write_1h":12000000},"context_tokens":200000,\
"max_output_tokens":64000},
{"model":"eu.amazon.nova-odd-v1:0","tier":"default","input":1000000,"output":3000000,"cache_read":25,\
"cache_write_5m":1000000,"cache_write_1h":1000000,"context_tokens":200000,"max_output_tokens":64000},
{"model":"eu.amazon.nova-odd-v1:0","tier":"flex","input":500000,"output":1500000,"cache_read":12,\
"cache_write_5m":1000000,"cache_write_1h":1000000},
{"model":"eu.amazon.nova-odd-v1:0","tier":"priority","input":1750000,"output":5250000,"cache_read":44,\
"cache_write_5m":1750000,"cache_write_1h":1750000},
{"model":"global.anthropic.claude-opus-9","tier":"default","input":5000000,"output":25000000,"cache_read":500000,\
"cache_write_5m":6250000,"cache_write_1h":10000000,"context_tokens":200000,"max_output_tokens":64000},
{"model":"us.anthropic.claude-opus-9","tier":"default","input":5500000,"output":27500000,"cache_read":550000,\
"cache_write_5m":6875000,"cache_write_1h":11000000,"context_tokens":200000,"max_output_tokens":64000}
]}
"""


def table(model="us.anthropic.claude-opus-9", **fields):
    """A table of one entry, fields given as JSON text."""
    given = {"input_cost_per_token": "5e-06", "output_cost_per_token": "2.5e-05", "mode": '"chat"'}
    given |= {"max_input_tokens": "200000", "max_output_tokens": "64000", **fields}
    body = "".join(f', "{name}": {text}' for name, text in given.items() if text)
    return prices.load(f'{{"{model}": {{"litellm_provider": "bedrock"{body}}}}}')


class Prices(unittest.TestCase):
    def refused(self, message, *arguments, **fields):
        with self.assertRaisesRegex(prices.PriceError, message):
            prices.prices(table(*arguments, **fields))

    def test_a_table_becomes_this_file_to_the_byte(self):
        text = prices.render(prices.prices(prices.load(TABLE)), "9.9", "2026-01-02")
        self.assertEqual(text, FILE)
        self.assertEqual(len(json.loads(text)["prices"]), 9)

    def test_the_order_of_the_table_changes_nothing(self):
        backwards = dict(reversed(prices.load(TABLE).items()))
        self.assertEqual(prices.prices(backwards), prices.prices(prices.load(TABLE)))

    def test_a_price_is_never_a_float(self):
        # As a float this times 10**12 is 62012499.99999999, and cut off one picodollar short.
        line = prices.prices(table(input_cost_per_token="6.20125e-05"))[0]
        self.assertEqual(line["input"], 62012500)

    def test_a_price_that_is_no_whole_number_of_picodollars_is_refused(self):
        for bad in ("5.0000001e-06", "1e-13", "0", "-5e-06", "2", '"5e-06"', "true", "{}"):
            with self.subTest(bad):
                self.refused("input_cost_per_token is no", input_cost_per_token=bad)

    def test_a_missing_price_is_refused(self):
        self.refused("no price for input or output", input_cost_per_token="")
        self.refused("no price for input or output", output_cost_per_token="null")
        self.refused("no price for input or output_above_200k", input_cost_per_token_above_200k_tokens="6e-06")

    def test_a_missing_cache_price_that_would_be_a_fraction_is_refused(self):
        odd = {"input_cost_per_token": "5.000001e-06", "cache_creation_input_token_cost": "6.25e-06"}
        self.refused("x 1/10 is no whole", **odd)

    def test_an_unknown_kind_of_id_is_refused_and_not_dropped(self):
        for model in (
            "ca.anthropic.claude-opus-9",
            "anthropic.claude-opus-9@2026",
            "bedrock/new/claude-opus-9",
            "ca.amazon.nova-9",
            "newvendor.model-9",
            "anthropic.cloud-9",
            "bedrock/amazon.nova-9",
        ):
            with self.subTest(model):
                self.refused("neither a known kind", model)

    def test_a_second_band_is_refused(self):
        bands = {"input_cost_per_token_above_200k_tokens": "6e-06", "input_cost_per_token_above_500k_tokens": "7e-06"}
        self.refused("more than one", **bands)

    def test_a_bare_id_without_a_regional_rate_is_refused(self):
        both = table("anthropic.claude-opus-9") | table("global.anthropic.claude-opus-9")
        with self.assertRaisesRegex(prices.PriceError, "none for the US"):
            prices.prices(both)

    def test_a_repeated_name_is_refused(self):
        with self.assertRaisesRegex(prices.PriceError, "repeated name"):
            prices.load('{"a": {"x": 1, "x": 2}}')

    def test_a_table_without_text_models_is_refused(self):
        self.refused("no text model", "amazon.nova-pro-v1:0", mode='"embedding"')

    def test_an_unknown_kind_of_price_is_refused_and_not_dropped(self):
        for field in ("input_cost_per_token_reserved", "output_cost_per_reasoning_token", "price_per_call"):
            with self.subTest(field):
                self.refused(f"{field} is neither a known kind of price", **{field: "1e-06"})

    def test_tokens_of_another_medium_at_another_price_are_refused(self):
        self.refused("input_cost_per_image_token differs", input_cost_per_image_token="6e-06")

    def test_a_tier_without_input_or_output_is_refused(self):
        self.refused("no price for input or output_flex", input_cost_per_token_flex="1e-06")
        self.refused("no price for input or output_priority", output_cost_per_token_priority="1e-06")
        self.refused("no price for input or output_batches", cache_read_input_token_cost_batches="1e-06")

    def test_a_model_without_limits_is_refused(self):
        for bad in ("", "0", "-1", "1.5", '"9"', "true"):
            with self.subTest(bad):
                self.refused("max_output_tokens is no number", max_output_tokens=bad)

    def test_the_file_in_the_repository_is_of_the_pinned_version(self):
        head, *lines = prices.OUTPUT.read_text(encoding="utf-8").splitlines()
        self.assertIn(f'"source_version":"litellm {prices.VERSION}","source_date":"{prices.DATE}"', head)
        data = json.loads(prices.OUTPUT.read_text(encoding="utf-8"))
        self.assertEqual(prices.render(data["prices"], prices.VERSION, prices.DATE), prices.OUTPUT.read_text(encoding="utf-8"))
        self.assertEqual(len(lines) - 1, len(data["prices"]))


if __name__ == "__main__":
    unittest.main()
