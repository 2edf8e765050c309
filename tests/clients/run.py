#!/usr/bin/env python3
"""Makes the table of docs/clients.md: every client in every mode against a gateway of its own, and compares it with what is there.

    tests/clients/run.py            fails if a row, or what it shows, is another one than in the table
    tests/clients/run.py --update   writes the table
    tests/clients/run.py NAME...    only the programs whose script's name begins so, and only prints their rows

Each row is a person of its own, with a key of its own, and comes by a tap of its own, so what it asked, what was billed for it and
what it was told are known apart. Needs `cargo build` and `tools/setup`.
"""

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import ledger
import rows
import table
from tap import Exchange, Taps

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import local_stack  # noqa: E402

SCRIPTS = pathlib.Path(__file__).resolve().parent / "scripts"
TIMEOUT_SECONDS = 180
AT_ONCE = os.cpu_count() or 2


class Failed(Exception):
    """A program that did not do what it was asked for, in words."""


def request(method, url, key=None, body=None):
    headers = {"Content-Type": "application/json", **({"X-Api-Key": key} if key else {})}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as answer:
        return json.loads(answer.read() or b"null")


class Stack:
    """The running stack, with a tap for each row."""

    def __init__(self, ready, taps, authority):
        self.ready, self.taps, self.authority = ready, taps, authority

    def new_key(self, owner):
        body = {"name": "a row's", "owner": f"user:{owner}"}
        return request("POST", f"{self.ready['gateway']}/api/keys", self.ready["admin_key"], body)["key"]

    def records(self, key):
        """All usage rows of a key's owner, in the order of their calls."""
        records, query = [], {"limit": 500}
        while True:
            page = request("GET", f"{self.ready['gateway']}/api/usage/records?{urllib.parse.urlencode(query)}", key)
            records = page["records"][::-1] + records
            if page["next_cursor"] is None:
                return records
            query["cursor"] = page["next_cursor"]

    def logged(self, records):
        """What the gateway's own log says of these calls, for what the tap does not look into."""
        lines = [line.split(" ") for line in (pathlib.Path(self.ready["logs"]) / "gateway.log").read_text().splitlines()]
        by_id = {line[1]: line[2:5] for line in lines if len(line) > 4}
        for record in records:
            method, path, status = by_id[record["request_id"]]
            yield Exchange(method, path, "", status, "by HTTP/2")

    def calls(self):
        """The mock's ledger, by request id."""
        return {call["request_id"]: call for call in request("GET", f"{self.ready['bedrock']}/_mock/ledger")["calls"]}


@dataclasses.dataclass
class Row:
    """A mode that is being tried."""

    mode: rows.Mode
    key: str
    tap: object
    environment: dict


def begin(stack, name, mode):
    kind = "gateway_tls" if mode.over_tls() else "gateway"
    tap, key = stack.taps.open(stack.ready[kind]), stack.new_key(name)
    values = {"key": key, "ca": stack.authority, kind: tap.url}
    return Row(mode, key, tap, {name: value.format(**values) for name, value in mode.settings.items()})


def command(program):
    tool = ROOT / ".tools" / program.tool
    interpreter = {"python": tool / "bin" / "python", "python3": sys.executable, "node": "node"}[program.runs]
    return [interpreter, SCRIPTS / program.script, tool]


def environment(home, elsewhere, authority):
    """Nothing of whoever runs this: no credentials, no settings. What a client wants of others than the gateway it does not get."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HTTP_PROXY": elsewhere,
        "HTTPS_PROXY": elsewhere,
        "NO_PROXY": "127.0.0.1,localhost",
        # Node reads it when it starts, before a mode has set anything.
        "NODE_EXTRA_CA_CERTS": authority,
    }


def run(program, started, elsewhere, authority):
    """What the program told: its name and version, and a line for each mode."""
    given = json.dumps({row.mode.name: row.environment for row in started})
    with tempfile.TemporaryDirectory(prefix="tollgate-") as home:
        status, told, complaint = ended(command(program), given, environment(home, elsewhere.url, authority), home)
    if status != 0:
        raise Failed(f"ended with {status}\n{told}{complaint}")
    client, *lines = [json.loads(line) for line in told.splitlines()]
    return client, {line["mode"]: line for line in lines}


def ended(command, given, environment, home):
    """(status, output, errors) of a program, of which nothing is left then."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, env=environment, cwd=home, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    try:
        told, complaint = process.communicate(given, timeout=TIMEOUT_SECONDS)
        return process.returncode, told, complaint
    except subprocess.TimeoutExpired:
        raise Failed(f"did not end within {TIMEOUT_SECONDS} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclasses.dataclass
class Outcome:
    """What a program's rows came to."""

    lines: list
    records: list
    problems: list


def attempt(stack, number, program):
    began, elsewhere = time.monotonic(), stack.taps.open_elsewhere()
    started = [begin(stack, f"row-{number}-{at}", mode) for at, mode in enumerate(program.modes)]
    try:
        client, told = run(program, started, elsewhere, stack.authority)
    except Failed as error:
        return Outcome([], [], [f"{program.script}: {error}"])
    outcome = Outcome([], [], [f"{program.script}: asked elsewhere: {asked}" for asked in elsewhere.exchanges])
    for row in started:
        settle(stack, client, row, told[row.mode.name], outcome)
    print(f"{client['client']} {client['version']}: {len(started)} rows in {time.monotonic() - began:.1f} s", flush=True)
    return outcome


def settle(stack, client, row, told, outcome):
    """Holds the books of a row against each other, and writes its line."""
    records = stack.records(row.key)
    counted = [record for record in records if record["streamed"] or not row.mode.counts_streams_only]
    found = ledger.differences(records, counted, stack.calls(), told["counted"])
    usage = ledger.words(records, told["counted"], row.mode.portable)
    exchanges = row.tap.exchanges + (list(stack.logged(records)) if row.tap.has_passed_http2 else [])
    line = table.Line(client["client"], client["version"], row.mode, exchanges, told["came"], usage)
    outcome.lines.append(line)
    outcome.records += records
    outcome.problems += [f"{client['client']} {client['version']}, {row.mode.name}: {problem}" for problem in found]


def certificate(folder):
    """(its file, its key's file): one for the taps, that is its own authority."""
    files = pathlib.Path(folder) / "tap.pem", pathlib.Path(folder) / "tap.key"
    names = ["subjectAltName=IP:127.0.0.1,DNS:localhost", "keyUsage=digitalSignature,keyCertSign"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", files[1]]
    command = ["openssl", "req", "-x509", *key, "-days", "2", "-subj", "/CN=localhost", "-out", files[0]]
    extensions = [word for name in names for word in ("-addext", name)]
    subprocess.run([*command, *extensions], check=True, capture_output=True)
    return files


def template(folder):
    """The deployment's template, with an application inference profile that may be called."""
    text, path = (ROOT / "template.yaml").read_text(), pathlib.Path(folder) / "template.yaml"
    before = "  ApplicationProfiles:\n"
    head, rest = text.split(before)
    profile = f"Default: '{'='.join(rows.APPLICATION_PROFILE)}'"
    path.write_text(head + before + rest.replace("Default: ''", profile, 1))
    return path


def options(folder):
    return "--tls", "--schedule-seconds", "0", "--template", str(template(folder))


@contextlib.contextmanager
def running(log):
    """The stack, and the taps before it."""
    with tempfile.TemporaryDirectory() as folder, local_stack.running(*options(folder), log=log) as (_, _, ready):
        request("PUT", f"{ready['bedrock']}/_mock/profiles", body=dict([rows.APPLICATION_PROFILE]))
        serves, authority = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate(folder)
        serves.load_cert_chain(*authority)
        with Taps(serves, ready["ca"]) as taps:
            yield Stack(ready, taps, str(authority[0]))


def make(programs):
    """All lines, and all that is wrong. What the stack printed is shown where it is to blame."""
    with tempfile.TemporaryFile("w+") as log:
        try:
            with running(log) as stack, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                outcomes = list(pool.map(lambda it: attempt(stack, *it), enumerate(programs)))
                calls = stack.calls()
        except RuntimeError as error:
            log.seek(0)
            sys.exit(f"clients: {error}\n{''.join(log.readlines()[-200:])}")
    lines = [line for outcome in outcomes for line in outcome.lines]
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    if all(outcome.lines for outcome in outcomes):
        problems += ledger.unclaimed([record for outcome in outcomes for record in outcome.records], calls)
    return lines, problems


def main(arguments):
    update, names = "--update" in arguments, [it for it in arguments if it != "--update"]
    programs = [it for it in rows.PROGRAMS if not names or it.script.startswith(tuple(names))]
    began = time.monotonic()
    lines, problems = make(programs)
    print(f"{len(lines)} rows in {time.monotonic() - began:.0f} s")
    if problems:
        sys.exit("\n".join(["", *problems]))
    if names:
        print(table.text(lines))
    elif update:
        table.write(lines)
    elif difference := table.difference(lines):
        sys.exit(f"docs/clients.md does not say what is; if that is right now: tests/clients/run.py --update\n{difference}")


if __name__ == "__main__":
    main(sys.argv[1:])
