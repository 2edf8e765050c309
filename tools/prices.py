#!/usr/bin/env python3
"""Writes shared/data/prices.json: what every text model's id of Bedrock Runtime costs, in picodollars a token.

The numbers come from the table that the MIT-licensed PyPI package `litellm` carries as a data file. The file is read
out of the wheel; nothing of the package is run or installed. Numbers stay decimal text from the first byte to the
last: a price that is no whole number of picodollars stops the script, and so does an entry it does not understand.

    tools/prices.py                     download the pinned wheel and write the file
    tools/prices.py --wheel FILE        use a wheel that is already here
    tools/prices.py --check             write nothing; fail if the file differs from what would be written

To take a newer table: change the four constants below, run, and read the difference.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from decimal import Decimal
from pathlib import Path

VERSION = "1.109.1"
# The wheel carries no date of its own (its files say 1980): this is the day it was fetched.
DATE = "2026-11-22"
TABLE = "litellm/model_prices_and_context_window_backup.json"
# Of the table, not of the wheel: wheels differ by platform, the table does not.
TABLE_SHA256 = "8f8060d8ce7a40c91b995c74d6a27657543d49e3c1c53430dabd556f244392c6"

OUTPUT = Path(__file__).resolve().parent.parent / "shared" / "data" / "prices.json"
PICODOLLARS = Decimal(10) ** 12
# A dollar a token; the Rust side refuses more, so that no price of any usage can overflow.
MAX_RATE = 10**12

# litellm's names for Bedrock Runtime; `bedrock_mantle` is another endpoint. Its modes for text; the others (embedding, images,
# rerank, realtime, guardrail) are not priced by tokens in and out alone.
PROVIDERS = ("bedrock", "bedrock_converse")
TEXT_MODES = ("chat", "completion")

PROFILES = ("global", "us", "eu", "jp", "au", "apac", "in", "us-gov")
VENDORS = (
    "ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "meta", "minimax", "mistral", "moonshot", "moonshotai",
    "nvidia", "openai", "qwen", "twelvelabs", "writer", "xai", "zai",
)  # fmt: skip
BEDROCK_ID = re.compile(
    rf"(?:(?P<profile>{'|'.join(PROFILES)})\.)?(?P<vendor>{'|'.join(VENDORS)})\.[a-z0-9][a-z0-9.-]*(?::[a-z0-9]+)*"
)
CLAUDE = re.compile(rf"(?:(?:{'|'.join(PROFILES)})\.)?anthropic\.claude-[a-z0-9-]+(?::[0-9]+)?")
# What is left out, and why. An entry of text on Bedrock Runtime whose id is neither of a known kind nor listed here stops the
# script, so that nothing new is dropped in silence.
LEFT_OUT = (
    # Keyed by region: the same bare id, priced for one region. Bedrock's path knows no such id. The commercial regions
    # repeat the bare price; the GovCloud ones are 20 % dearer and would need the gateway's own region in the key.
    # `1-month-commitment` and `6-month-commitment` are provisioned throughput, priced by the second.
    re.compile(r"bedrock/[a-z]{2}(?:-gov)?-[a-z]+-[0-9]/.*"),
    re.compile(r"bedrock/\*/(?:1|6)-month-commitment/.*"),
    # litellm's own routes (`invoke/`, or a redundant `bedrock/`) to ids that are listed themselves.
    re.compile(r"bedrock/(?:invoke/)?(?:us\.)?anthropic\..*"),
    re.compile(r"bedrock/moonshotai\.kimi-k2(?:-thinking|\.5)"),
    # Other endpoints than Bedrock Runtime, with names of their own.
    re.compile(r"bedrock/claude_platform/.*"),
    # Video models: what goes in costs by the second, and has no price a token.
    re.compile(r"(?:[a-z]+\.)?twelvelabs\.pegasus-.*"),
    # Spellings that Bedrock does not know: Vertex's `@date`, a name without its vendor, and a 3.7 Sonnet with the date
    # of 3.5 Sonnet (priced for GovCloud).
    re.compile(r"anthropic\.claude-haiku-4-5@20251001"),
    re.compile(r"claude-sonnet-4-5-20250929-v1:0"),
    re.compile(r"anthropic\.claude-3-7-sonnet-20240620-v1:0"),
)

INPUT = "input_cost_per_token"
OUTPUT_COST = "output_cost_per_token"
CACHE_READ = "cache_read_input_token_cost"
CACHE_WRITE_5M = "cache_creation_input_token_cost"
CACHE_WRITE_1H = "cache_creation_input_token_cost_above_1hr"
RATES = (INPUT, OUTPUT_COST, CACHE_READ, CACHE_WRITE_5M, CACHE_WRITE_1H)
BAND = re.compile(INPUT + r"_above_([0-9]+)k_tokens")
# Our tier, and how the table marks its prices. `default` has no mark.
TIERS = {"batch": "_batches", "default": "", "flex": "_flex", "priority": "_priority"}
PRICE_FIELD = re.compile(rf"(?:{'|'.join(RATES)})(?:_above_[0-9]+k_tokens)?(?:{'|'.join(filter(None, TIERS.values()))})?")
# Any member of an entry with such a name is a price, and one that is not understood stops the script.
ANY_PRICE = re.compile(r".*(?:cost|price).*")
PRICES_LEFT_OUT = (
    # Anthropic's own web search, which Bedrock does not have.
    re.compile(r"search_context_cost_per_query"),
    # A tier that Bedrock's header does not know: its calls are not served.
    re.compile(rf"(?:{'|'.join(RATES)})(?:_above_[0-9]+k_tokens)?_ultrafast"),
)
# Tokens of another medium. They are counted with the others, so they must cost what the others cost.
OTHER_MEDIA = re.compile(r"input_cost_per_(?:image|audio)_token")


class PriceError(Exception):
    """The table holds something this script must not guess about."""


def load(text):
    """The table as a dictionary, every fraction a Decimal, a repeated name refused."""

    def once(pairs):
        table = dict(pairs)
        if len(table) != len(pairs):
            names = [name for name, _ in pairs]
            raise PriceError(f"repeated name: {sorted({n for n in names if names.count(n) > 1})}")
        return table

    return json.loads(text, parse_float=Decimal, object_pairs_hook=once)


def is_bedrock_text(entry):
    """Whether a price list for text on Bedrock Runtime has to know this entry."""
    return entry.get("litellm_provider") in PROVIDERS and entry.get("mode") in TEXT_MODES


def is_runtime_id(model):
    """Whether Bedrock Runtime takes this id in its path; an unknown kind of id stops the script."""
    if any(pattern.fullmatch(model) for pattern in LEFT_OUT):
        return False
    match = BEDROCK_ID.fullmatch(model)
    if match is None or (match["vendor"] == "anthropic" and CLAUDE.fullmatch(model) is None):
        raise PriceError(f"{model}: neither a known kind of Bedrock Runtime id nor one that is left out")
    return True


def check_fields(model, entry):
    """Stops at a member that looks like a price and is not understood."""
    for field in filter(ANY_PRICE.fullmatch, entry):
        if OTHER_MEDIA.fullmatch(field):
            if entry[field] != entry.get(INPUT):
                raise PriceError(f"{model}: {field} differs from {INPUT}")
        elif not any(pattern.fullmatch(field) for pattern in (PRICE_FIELD, *PRICES_LEFT_OUT)):
            raise PriceError(f"{model}: {field} is neither a known kind of price nor one that is left out")


def picodollars(model, field, value):
    """A price in dollars as a whole number of picodollars."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise PriceError(f"{model}: {field} is no number: {value!r}")
    scaled = Decimal(value) * PICODOLLARS
    whole = int(scaled)
    if whole != scaled or not 0 < whole <= MAX_RATE:
        raise PriceError(f"{model}: {field} is no whole number of picodollars from 1 to {MAX_RATE}: {value}")
    return whole


def share(model, rate, numerator, denominator):
    """A fraction of a rate, exact."""
    whole, rest = divmod(rate * numerator, denominator)
    if rest:
        raise PriceError(f"{model}: {rate} x {numerator}/{denominator} is no whole number of picodollars")
    return whole


def rates(model, entry, mark=""):
    """The five rates of one band or tier. Cache rates are there only for a model that has prompt caching; those that the
    table leaves out follow from Anthropic's rule for a Claude: read 0.1, write for 5 minutes 1.25, write for an hour 2 times
    input. Other vendors have no such rule: there a read and a write that are not stated cost what input costs, and a write
    for an hour what one for 5 minutes does."""

    def rate(field):
        value = entry.get(field + mark)
        return None if value is None else picodollars(model, field + mark, value)

    result = {"input": rate(INPUT), "output": rate(OUTPUT_COST)}
    if None in result.values():
        raise PriceError(f"{model}: no price for input or output{mark}")
    cached = {field: rate(field) for field in (CACHE_READ, CACHE_WRITE_5M, CACHE_WRITE_1H)}
    if any(field in entry for field in cached):
        base = result["input"]
        claude = CLAUDE.fullmatch(model)
        result["cache_read"] = cached[CACHE_READ] or (share(model, base, 1, 10) if claude else base)
        result["cache_write_5m"] = cached[CACHE_WRITE_5M] or (share(model, base, 5, 4) if claude else base)
        written = share(model, base, 2, 1) if claude else result["cache_write_5m"]
        result["cache_write_1h"] = cached[CACHE_WRITE_1H] or written
    return result


def tokens(model, entry, field):
    """A number of tokens, which every model must have."""
    value = entry.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PriceError(f"{model}: {field} is no number of tokens: {value!r}")
    return value


def default_price(model, entry):
    """The rates of the tier `default`, and those past a prompt length where there is such a band."""
    bands = sorted({int(match[1]) for match in map(BAND.fullmatch, entry) if match})
    if len(bands) > 1:
        raise PriceError(f"{model}: more than one prompt-length band: {bands}")
    result = rates(model, entry)
    for thousands in bands:
        result["long_context"] = {"above_tokens": thousands * 1000, **rates(model, entry, f"_above_{thousands}k_tokens")}
    return result


def tier_price(model, entry, tier, default):
    """The rates of another tier; nothing where the table has none. A rate or a band that it leaves out costs what it costs
    by default, or as much more as this tier's input does, rounded up: never too little."""
    mark = TIERS[tier]
    if not any(field.endswith(mark) for field in filter(PRICE_FIELD.fullmatch, entry)):
        return None
    if INPUT + mark not in entry or OUTPUT_COST + mark not in entry:
        raise PriceError(f"{model}: no price for input or output{mark}")
    stated = picodollars(model, INPUT + mark, entry[INPUT + mark])

    def tier_rates(rates_by_default, band):
        result = {}
        for name, field in zip(("input", "output", "cache_read", "cache_write_5m", "cache_write_1h"), RATES, strict=True):
            if name not in rates_by_default:
                continue
            full, otherwise = field + band + mark, rates_by_default[name]
            if full in entry:
                result[name] = picodollars(model, full, entry[full])
            elif stated > default["input"]:
                result[name] = -(-otherwise * stated // default["input"])
            else:
                result[name] = otherwise
        return result

    result = tier_rates(default, "")
    if "long_context" in default:
        above = default["long_context"]["above_tokens"]
        result["long_context"] = {
            "above_tokens": above,
            **tier_rates(default["long_context"], f"_above_{above // 1000}k_tokens"),
        }
    return result


def lines_of(model, own, billed):
    """The lines of one id, one a tier: its own limits, and the rates of the entry that tells what it costs."""
    check_fields(model, own)
    default = default_price(model, billed)
    limits = {
        "context_tokens": tokens(model, own, "max_input_tokens" if "max_input_tokens" in own else "max_tokens"),
        "max_output_tokens": tokens(model, own, "max_output_tokens"),
    }
    for tier in TIERS:
        price = default if tier == "default" else tier_price(model, billed, tier, default)
        if price is not None:
            yield {"model": model, "tier": tier, **price, **(limits if tier == "default" else {})}


def billed_as(model, models):
    """The id whose entry tells what this id costs: itself, but for a bare id of a model that also has a `global.` profile.

    A bare id runs in one region, and AWS bills that at the regional rate, as it bills `us.`; of a Claude the table has the
    global rate there, 10 % too little (BerriAI/litellm issue 42679, open; genai-prices has the regional rate). Of other
    vendors it has one or the other; the dearer is taken for all."""
    if f"global.{model}" not in models:
        return model
    if f"us.{model}" not in models:
        raise PriceError(f"{model}: a global profile and none for the US to take the regional rate from")
    return f"us.{model}"


def prices(table):
    """The lines of the file, sorted by id and tier."""
    models = sorted(model for model, entry in table.items() if is_bedrock_text(entry) and is_runtime_id(model))
    if not models:
        raise PriceError("the table holds no text model on Bedrock")
    known = set(models)
    return [line for model in models for line in lines_of(model, table[model], table[billed_as(model, known)])]


def render(lines, version, date):
    """The file's text: one line a price, so that a difference is readable and a reader can take one line alone."""
    head = {
        "source": f"PyPI litellm, {TABLE}",
        "source_version": f"litellm {version}",
        "source_date": date,
        "licence": "MIT",
        "unit": "picodollars per token",
    }
    compact = {"separators": (",", ":"), "ensure_ascii": True}
    first = json.dumps(head, **compact)[:-1]
    body = ",\n".join(json.dumps(line, **compact) for line in lines)
    return f'{first},"prices":[\n{body}\n]}}\n'


def table_text(wheel):
    """The table out of a wheel, checked to be the pinned one."""
    with zipfile.ZipFile(wheel) as archive:
        if f"litellm-{VERSION}.dist-info/METADATA" not in archive.namelist():
            raise PriceError(f"{wheel} is not litellm {VERSION}")
        data = archive.read(TABLE)
    digest = hashlib.sha256(data).hexdigest()
    if digest != TABLE_SHA256:
        raise PriceError(f"the table's SHA-256 is {digest}, not the pinned {TABLE_SHA256}")
    return data.decode("utf-8")


def download(folder):
    """The pinned wheel from the package index that pip is set up for."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--dest", folder, f"litellm=={VERSION}"], check=True)
    return next(Path(folder).glob("litellm-*.whl"))


def generate(wheel):
    """The file's text from a wheel, downloaded if none is given."""
    if wheel is not None:
        return render(prices(load(table_text(wheel))), VERSION, DATE)
    with tempfile.TemporaryDirectory() as folder:
        return generate(download(folder))


def main():
    """Reads the command line; the answer is the process's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    try:
        text = generate(arguments.wheel)
    except PriceError as error:
        return f"prices: {error}"
    if not arguments.check:
        arguments.output.write_text(text, encoding="utf-8")
        return 0
    same = arguments.output.is_file() and arguments.output.read_text(encoding="utf-8") == text
    return 0 if same else f"prices: {arguments.output} is not what this script writes"


if __name__ == "__main__":
    sys.exit(main())
