"""Tests of prices.py, from a small table written as the real one is. Run: python3 -m unittest discover -s tools"""

import json
import unittest

import prices

TABLE = """{
  "sample_spec": {"litellm_provider": "one of ..."},
  "anthropic.claude-opus-9": {"litellm_provider": "bedrock_converse",
    "input_cost_per_token": 5e-06, "output_cost_per_token": 2.5e-05, "cache_read_input_token_cost": 5e-07,
    "cache_creation_input_token_cost": 6.25e-06, "cache_creation_input_token_cost_above_1hr": 1e-05},
  "global.anthropic.claude-opus-9": {"litellm_provider": "bedrock_converse",
    "input_cost_per_token": 5e-06, "output_cost_per_token": 2.5e-05, "cache_read_input_token_cost": 5e-07,
    "cache_creation_input_token_cost": 6.25e-06, "cache_creation_input_token_cost_above_1hr": 1e-05},
  "us.anthropic.claude-opus-9": {"litellm_provider": "bedrock_converse",
    "input_cost_per_token": 5.5e-06, "output_cost_per_token": 2.75e-05, "cache_read_input_token_cost": 5.5e-07,
    "cache_creation_input_token_cost": 6.875e-06, "cache_creation_input_token_cost_above_1hr": 1.1e-05},
  "anthropic.claude-v2:1": {"litellm_provider": "bedrock",
    "input_cost_per_token": 8e-06, "output_cost_per_token": 0.000024},
  "apac.anthropic.claude-banded-v1:0": {"litellm_provider": "bedrock_converse",
    "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 3e-07,
    "input_cost_per_token_above_200k_tokens": 6e-06, "output_cost_per_token_above_200k_tokens": 2.25e-05},
  "bedrock/us-gov-west-1/anthropic.claude-opus-9": {"litellm_provider": "bedrock", "input_cost_per_token": 6e-06},
  "bedrock_mantle/anthropic.claude-opus-9": {"litellm_provider": "bedrock_mantle", "input_cost_per_token": 6e-06},
  "claude-opus-9": {"litellm_provider": "anthropic", "input_cost_per_token": 5e-06},
  "amazon.nova-pro-v1:0": {"litellm_provider": "bedrock", "input_cost_per_token": 8e-07}
}"""

FILE = """\
{"source":"PyPI litellm, litellm/model_prices_and_context_window_backup.json","source_version":"litellm 9.9",\
"source_date":"2026-01-02","licence":"MIT","unit":"picodollars per token","prices":[
{"model":"anthropic.claude-opus-9","input":5500000,"output":27500000,"cache_read":550000,"cache_write_5m":6875000,\
"cache_write_1h":11000000},
{"model":"anthropic.claude-v2:1","input":8000000,"output":24000000},
{"model":"apac.anthropic.claude-banded-v1:0","input":3000000,"output":15000000,"cache_read":300000,\
"cache_write_5m":3750000,"cache_write_1h":6000000,"long_context":{"above_tokens":200000,"input":6000000,\
"output":22500000,"cache_read":600000,"cache_write_5m":7500000,"cache_write_1h":12000000}},
{"model":"global.anthropic.claude-opus-9","input":5000000,"output":25000000,"cache_read":500000,\
"cache_write_5m":6250000,"cache_write_1h":10000000},
{"model":"us.anthropic.claude-opus-9","input":5500000,"output":27500000,"cache_read":550000,\
"cache_write_5m":6875000,"cache_write_1h":11000000}
]}
"""


def table(model="us.anthropic.claude-opus-9", **fields):
    """A table of one entry, fields given as JSON text."""
    given = {"input_cost_per_token": "5e-06", "output_cost_per_token": "2.5e-05", **fields}
    body = "".join(f', "{name}": {text}' for name, text in given.items() if text)
    return prices.load(f'{{"{model}": {{"litellm_provider": "bedrock"{body}}}}}')


class Prices(unittest.TestCase):
    def refused(self, message, *arguments, **fields):
        with self.assertRaisesRegex(prices.PriceError, message):
            prices.prices(table(*arguments, **fields))

    def test_a_table_becomes_this_file_to_the_byte(self):
        text = prices.render(prices.prices(prices.load(TABLE)), "9.9", "2026-01-02")
        self.assertEqual(text, FILE)
        self.assertEqual(len(json.loads(text)["prices"]), 5)

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
        for model in ("ca.anthropic.claude-opus-9", "anthropic.claude-opus-9@2026", "bedrock/new/claude-opus-9"):
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

    def test_a_table_without_claude_is_refused(self):
        self.refused("no Claude", "amazon.nova-pro-v1:0")

    def test_the_file_in_the_repository_is_of_the_pinned_version(self):
        head, *lines = prices.OUTPUT.read_text(encoding="utf-8").splitlines()
        self.assertIn(f'"source_version":"litellm {prices.VERSION}","source_date":"{prices.DATE}"', head)
        data = json.loads(prices.OUTPUT.read_text(encoding="utf-8"))
        self.assertEqual(prices.render(data["prices"], prices.VERSION, prices.DATE), prices.OUTPUT.read_text(encoding="utf-8"))
        self.assertEqual(len(lines) - 1, len(data["prices"]))


if __name__ == "__main__":
    unittest.main()
