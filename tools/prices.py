#!/usr/bin/env python3
"""Writes shared/data/prices.json: what every Claude id of Bedrock Runtime costs, in picodollars a token.

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

PROFILES = ("global", "us", "eu", "jp", "au", "apac", "us-gov")
BEDROCK_ID = re.compile(r"(?:(?P<profile>[a-z-]+)\.)?anthropic\.claude-[a-z0-9-]+(?::[0-9]+)?")
# What is left out, and why. An entry of a Bedrock provider that names a Claude and is neither a Bedrock Runtime id nor
# listed here stops the script, so that nothing new is dropped in silence.
LEFT_OUT = (
    # Keyed by region: the same bare id, priced for one region. Bedrock's path knows no such id. The commercial regions
    # repeat the bare price; the GovCloud ones are 20 % dearer and would need the gateway's own region in the key.
    # `1-month-commitment` and `6-month-commitment` are provisioned throughput, priced by the second.
    re.compile(r"bedrock/[a-z]{2}(?:-gov)?-[a-z]+-[0-9]/.*"),
    # litellm's own routes (`invoke/`, or a redundant `bedrock/`) to ids that are listed themselves.
    re.compile(r"bedrock/(?:invoke/)?(?:us\.)?anthropic\..*"),
    # Other endpoints than Bedrock Runtime, with names of their own.
    re.compile(r"bedrock/claude_platform/.*"),
    re.compile(r"bedrock_mantle/.*"),
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
BAND = re.compile(INPUT + r"_above_([0-9]+)k_tokens")


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


def is_bedrock_claude(model, entry):
    """Whether a price list for Claude on Bedrock has to know this entry."""
    return "claude" in model and str(entry.get("litellm_provider", "")).startswith("bedrock")


def is_runtime_id(model):
    """Whether Bedrock Runtime takes this id in its path; an unknown kind of id stops the script."""
    if any(pattern.fullmatch(model) for pattern in LEFT_OUT):
        return False
    match = BEDROCK_ID.fullmatch(model)
    if match is None or match["profile"] not in (None, *PROFILES):
        raise PriceError(f"{model}: neither a known kind of Bedrock Runtime id nor one that is left out")
    return True


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


def rates(model, entry, band=""):
    """The five rates of one band. Cache rates are there only for a model that has prompt caching; those that the table
    leaves out follow from Anthropic's rule: read 0.1, write for 5 minutes 1.25, write for an hour 2 times input."""

    def rate(field):
        value = entry.get(field + band)
        return None if value is None else picodollars(model, field + band, value)

    result = {"input": rate(INPUT), "output": rate(OUTPUT_COST)}
    if None in result.values():
        raise PriceError(f"{model}: no price for input or output{band}")
    caching = any(field in entry for field in (CACHE_READ, CACHE_WRITE_5M, CACHE_WRITE_1H))
    if caching:
        result["cache_read"] = rate(CACHE_READ) or share(model, result["input"], 1, 10)
        result["cache_write_5m"] = rate(CACHE_WRITE_5M) or share(model, result["input"], 5, 4)
        result["cache_write_1h"] = rate(CACHE_WRITE_1H) or share(model, result["input"], 2, 1)
    return result


def price(model, entry):
    """One line of the file: the id, its rates, and those past a prompt length where there is such a band."""
    bands = sorted({int(match[1]) for match in map(BAND.fullmatch, entry) if match})
    if len(bands) > 1:
        raise PriceError(f"{model}: more than one prompt-length band: {bands}")
    result = {"model": model, **rates(model, entry)}
    for thousands in bands:
        result["long_context"] = {"above_tokens": thousands * 1000, **rates(model, entry, f"_above_{thousands}k_tokens")}
    return result


def billed_as(model, models):
    """The id whose entry tells what this id costs: itself, but for a bare id of a model that also has a `global.` profile.

    A bare id runs in one region, and AWS bills that at the regional rate, as it bills `us.`; the table has the global
    rate there, 10 % too little (BerriAI/litellm issue 42679, open; genai-prices has the regional rate)."""
    if not model.startswith("anthropic.") or f"global.{model}" not in models:
        return model
    if f"us.{model}" not in models:
        raise PriceError(f"{model}: a global profile and none for the US to take the regional rate from")
    return f"us.{model}"


def prices(table):
    """The lines of the file, sorted by id."""
    models = sorted(model for model, entry in table.items() if is_bedrock_claude(model, entry) and is_runtime_id(model))
    if not models:
        raise PriceError("the table holds no Claude on Bedrock")
    return [price(model, table[billed_as(model, models)]) for model in models]


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
