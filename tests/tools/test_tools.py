"""The programs in tools/, as a developer meets them: started, against a gateway that is made up here."""

import ast
import contextlib
import http.server
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import shlex
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
sys.path.insert(0, str(TOOLS))
import local_stack  # noqa: E402


def load(name):
    """A tool as a module, without running it."""
    loader = importlib.machinery.SourceFileLoader(name, str(TOOLS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


class Gateway(http.server.BaseHTTPRequestHandler):
    """Answers one streamed call and one look at the usage rows."""

    protocol_version = "HTTP/1.1"
    events = ()
    status = 200
    record = {
        "model": "global.anthropic.claude",
        "usage": {"input_tokens": 12, "output_tokens": 34},
        "cost_picodollars": 546_000_000,
    }

    def do_POST(self):
        self.server.seen.append((self.path, self.headers["authorization"], self.body()))
        text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in self.events)
        self.answer(text.encode())

    def do_GET(self):
        self.server.seen.append((self.path, self.headers["authorization"], None))
        self.answer(json.dumps({"records": [self.record], "next_cursor": None}).encode())

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def answer(self, body):
        self.send_response(self.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def delta(text):
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


class FirstCall(unittest.TestCase):
    def call(self, events, status=200):
        handler = type("Handler", (Gateway,), {"events": events, "status": status})
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, tempfile.TemporaryDirectory() as directory:
            server.seen = []
            threading.Thread(target=server.serve_forever, daemon=True).start()
            ready = pathlib.Path(directory) / "ready.json"
            ready.write_text(json.dumps({"gateway": f"http://127.0.0.1:{server.server_port}", "api_key": "key"}))
            done = subprocess.run([TOOLS / "first_call", ready, "Hello"], capture_output=True, text=True, timeout=30)
            server.shutdown()
            return done, server.seen

    def test_it_prints_the_answer_and_what_it_cost(self):
        done, seen = self.call([{"type": "message_start"}, delta("Good "), delta("day."), {"type": "message_stop"}])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Good day.\n", done.stdout)
        self.assertIn("global.anthropic.claude: 12 tokens in, 34 out, $0.000546,", done.stdout)
        self.assertEqual([(path, key) for path, key, _ in seen], [
            ("/anthropic/v1/messages", "Bearer key"),
            ("/api/usage/records", "Bearer key"),
        ])
        self.assertIs(seen[0][2]["stream"], True)

    def test_an_answer_that_breaks_off_is_a_failure(self):
        done, _ = self.call([{"type": "message_start"}, delta("Good ")])
        self.assertEqual((done.returncode, done.stderr), (1, "first_call: the stream ended before the answer did\n"))

    def test_an_error_in_the_stream_is_a_failure(self):
        done, _ = self.call([delta("Good "), {"type": "error", "error": {"type": "api_error", "message": "broken"}}])
        self.assertEqual(done.returncode, 1)
        self.assertIn("broken", done.stderr)

    def test_a_refusal_is_shown(self):
        done, _ = self.call([], status=401)
        self.assertEqual(done.returncode, 1)
        self.assertIn("POST /anthropic/v1/messages answered 401", done.stderr)

    def test_dollars_are_exact(self):
        dollars = load("first_call").dollars
        expected = {0: "$0.00", 1: "$0.000000000001", 546_000_000: "$0.000546", 10**12: "$1.00", 15 * 10**11: "$1.50"}
        self.assertEqual({picodollars: dollars(picodollars) for picodollars in expected}, expected)


class Run(unittest.TestCase):
    def test_the_lines_to_paste_are_whole_commands_and_whole_programs(self):
        run = load("run")
        names = ("gateway", "gateway_tls", "ca", "api_key", "admin_key")
        text = run.CLIENTS.format(**{name: f"<{name}>" for name in names}, body=run.BODY)
        blocks = [block for block in text.split("\n\n") if block.startswith("  #")]
        self.assertEqual(len(blocks), 7)
        programs = 0
        for block in blocks:
            words = shlex.split(block, comments=True)  # raises on a quote that does not end
            if "-c" in words:
                ast.parse(words[words.index("-c") + 1])
                programs += 1
        self.assertEqual(programs, 3)
        json.loads(run.BODY)


class WithLocal(unittest.TestCase):
    """With a stand-in for `local`, so that the tool itself is tested."""

    def stand_in(self, script):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = pathlib.Path(directory.name) / "local"
        path.write_text(f"#!{sys.executable}\nimport json, os, pathlib, signal, sys, time\n{script}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        self.addCleanup(setattr, local_stack, "binary", local_stack.binary)
        local_stack.binary = lambda: path

    READY = """
path = pathlib.Path(sys.argv[sys.argv.index("--ready-file") + 1])
path.with_suffix(".new").write_text(json.dumps({"pid": os.getpid(), "arguments": sys.argv[1:]}))
path.with_suffix(".new").rename(path)
"""

    def test_the_stack_is_ready_within_and_gone_after(self):
        self.stand_in(self.READY + "signal.pause()")
        with local_stack.running("--tls") as (process, ready_file, ready):
            self.assertIn("--tls", ready["arguments"])
            self.assertEqual(json.loads(ready_file.read_text()), ready)
            self.assertIsNone(process.poll())
        self.assertIsNotNone(process.poll())
        self.assertFalse(ready_file.exists())

    def test_the_stack_is_gone_after_a_failure_within(self):
        self.stand_in(self.READY + "signal.pause()")
        with self.assertRaises(ZeroDivisionError):
            with local_stack.running() as (process, _, _):
                raise ZeroDivisionError
        self.assertIsNotNone(process.poll())

    def test_a_stack_that_ends_before_it_is_ready_is_a_failure_at_once(self):
        self.stand_in("sys.exit(3)")
        with self.assertRaisesRegex(RuntimeError, "ended with 3"):
            with local_stack.running():
                self.fail("it was never ready")

    def test_the_status_of_the_command_is_that_of_the_tool(self):
        self.stand_in(self.READY + "signal.pause()")
        main = load("with_local").main
        check = "import json, os, sys; sys.exit(7 if json.load(open(os.environ['TOLLGATE_READY_FILE'])) else 1)"
        with open(os.devnull, "w") as null:
            stderr, sys.stderr = sys.stderr, null
            self.addCleanup(setattr, sys, "stderr", stderr)
            self.assertEqual(main(["--tls", sys.executable, "-c", check]), 7)


class Check(unittest.TestCase):
    def run_checks(self, checks, *names):
        code = (
            "import importlib.machinery, importlib.util, sys\n"
            f"loader = importlib.machinery.SourceFileLoader('check', {str(TOOLS / 'check')!r})\n"
            "check = importlib.util.module_from_spec(importlib.util.spec_from_loader('check', loader))\n"
            "loader.exec_module(check)\n"
            f"check.CHECKS = {checks!r}\n"
            f"check.main({list(names)!r})"
        )
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)

    def test_it_stops_at_the_first_failure_and_names_it(self):
        done = self.run_checks({"good": ["true"], "bad": ["false"], "never": ["echo", "reached"]})
        self.assertEqual(done.returncode, 1)
        self.assertIn("=== bad FAILED after", done.stderr)
        self.assertNotIn("reached", done.stdout)

    def test_it_runs_what_is_named_and_refuses_what_is_not_known(self):
        checks = {"one": ["echo", "first"], "two": ["echo", "second"]}
        done = self.run_checks(checks, "two")
        self.assertEqual((done.returncode, "first" in done.stdout, "second" in done.stdout), (0, False, True))
        self.assertIn("no such check: three", self.run_checks(checks, "three").stderr)


class Rows(unittest.TestCase):
    """The two rows of `tools/check`, of checks that are made up here."""

    def run_checks(self, **checks):
        check = load("check")
        check.CHECKS = {name: ["sh", "-c", script] if script != "none" else ["no-such-program"] for name, script in checks.items()}
        said = io.StringIO()
        said.buffer = io.BytesIO()
        with contextlib.redirect_stdout(said), tempfile.TemporaryDirectory() as folder, unittest.mock.patch.object(check, "ROOT", pathlib.Path(folder)):
            try:
                check.main([])
                end = None
            except SystemExit as stopped:
                end = str(stopped)
            return end, sorted(path.name for path in pathlib.Path(folder).iterdir())

    def test_each_check_is_run_and_those_that_compile_run_beside_those_that_wait(self):
        wait = "until [ -e {0} ]; do sleep 0.01; done; touch {1}".format
        end, done = self.run_checks(test="touch test", coverage=wait("guides", "coverage"), guides=f"touch guides; {wait('release', 'end')}", release="touch release")
        self.assertEqual((end, done), (None, ["coverage", "end", "guides", "release", "test"]))

    def test_a_failure_in_one_row_ends_the_other_and_is_told(self):
        for broken, other in [("coverage", "guides"), ("guides", "coverage")]:
            checks = {"test": "touch test", "coverage": "", "guides": "", "openapi": "touch openapi", "release": "touch release"}
            checks |= {broken: "until [ -e other ]; do sleep 0.01; done; exit 3", other: "touch other; exec sleep 600"}
            end, done = self.run_checks(**checks)
            self.assertIn(f"{broken} FAILED", end)
            self.assertEqual(done, ["other", "test"])

    def test_a_check_that_cannot_be_started_has_not_passed(self):
        for name in ("coverage", "guides"):
            end, _ = self.run_checks(**{"test": "", "coverage": "", "guides": "", name: "none"})
            self.assertIn(f"{name} FAILED", str(end))

    def test_nothing_follows_a_failure_before_the_rows(self):
        end, done = self.run_checks(build="exit 1", test="touch test", coverage="touch coverage")
        self.assertIn("build FAILED", end)
        self.assertEqual(done, [])


class Setup(unittest.TestCase):
    def test_a_tool_that_is_complete_is_not_installed_again_and_one_that_is_not_is(self):
        setup = load("setup")
        installed = []
        with tempfile.TemporaryDirectory() as directory:
            setup.LINKS = pathlib.Path(directory)
            home = setup.LINKS / "tool-1"
            home.mkdir()
            (home / "left-over").touch()  # of an installation that broke off
            for _ in range(2):
                setup.ensure("tool", home, installed.append)
            self.assertEqual(installed, [home])
            self.assertFalse((home / "left-over").exists())
            self.assertEqual((setup.LINKS / "tool").resolve(), home.resolve())

    def test_other_requirements_are_another_directory(self):
        setup = load("setup")
        self.assertNotEqual(setup.key("anthropic==1"), setup.key("anthropic==2"))
        self.assertEqual(setup.key("anthropic==1"), setup.key("anthropic==1"))

    def test_without_a_program_and_without_root_it_says_which_package_is_missing(self):
        setup = load("setup")
        setup.program = lambda package: None
        for package in ("chromium", "redis-server"):
            with unittest.mock.patch("os.geteuid", return_value=1000), self.assertRaises(SystemExit) as ended:
                setup.ensure_program(package)
            self.assertIn(f"install the package {package}", ended.exception.code)

    def test_a_package_that_cannot_be_installed_is_not_passed_over(self):
        setup = load("setup")
        setup.MACHINE = {"chromium": ("no-such-program",)}
        commands = []
        setup.apt = lambda *arguments: commands.append(arguments[0])
        setup.shutil = unittest.mock.Mock(which=lambda name: name if name == "apt-get" else None)
        with unittest.mock.patch("os.geteuid", return_value=0), self.assertRaises(SystemExit) as ended:
            setup.ensure_program("chromium")
        self.assertEqual(commands, ["update", "install"])
        self.assertIn("the package chromium brought no program", ended.exception.code)

    def test_it_waits_for_apts_lock_and_for_nothing_else(self):
        setup = load("setup")
        answers = ["E: Could not get lock /var/lib/apt/lists/lock.", None]

        def run(command, **_):
            text = answers.pop(0)
            return subprocess.CompletedProcess(command, 0 if text is None else 100, stdout=text)

        setup.subprocess = unittest.mock.Mock(run=run)
        setup.time = unittest.mock.Mock(monotonic=lambda: 0)
        setup.apt("update")
        self.assertEqual((answers, setup.time.sleep.call_count), ([], 1))
        answers.append("E: Unable to locate package chromium")
        with self.assertRaises(SystemExit) as ended:
            setup.apt("install")
        self.assertIn("Unable to locate package", ended.exception.code)


class Coverage(unittest.TestCase):
    def test_what_is_below_its_mark_or_has_no_lines_is_told_and_tests_do_not_count(self):
        """B-22: the check `coverage` prints this of the token client and of TLS, and fails below their marks."""
        coverage = load("coverage")
        files = [
            ("a/one.rs", 100, 100),
            ("a/two.rs", 100, 79),
            ("a/tests.rs", 1000, 0),
            ("a/tests/three.rs", 1000, 0),
            ("ab/four.rs", 1000, 0),
        ]
        self.assertEqual(coverage.report(files, {"a": 89.5})[1], [])
        self.assertEqual(coverage.report(files, {"a": 90})[1], ["a"])
        self.assertEqual(coverage.report(files, {"none": 1})[1], ["none"])
        lines = "\n".join(coverage.report(files, {"a": 90})[0])
        self.assertIn("89.5 %   179 of  200  a (at least 90 %)", lines)
        self.assertNotIn("tests", lines)


class Cost(unittest.TestCase):
    def printed(self, *arguments):
        command = [sys.executable, str(TOOLS / "cost"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def test_the_page_on_deploying_holds_what_the_tool_prints(self):
        self.assertIn(self.printed(), (ROOT / "docs" / "deploy.md").read_text())

    def test_a_month_without_calls_costs_its_secrets_and_a_sweep_that_finds_nothing(self):
        cost = load("cost")
        bill = cost.bill(0, seconds=10, budgets=3)
        rest = {name: dollars for name, dollars in bill.items() if name != "Secrets Manager"}
        self.assertLess(sum(rest.values()), 0.15)
        self.assertEqual(bill["Secrets Manager"], 0.40 * cost.SECRETS)

    def test_what_is_billed_by_the_call_grows_with_the_calls_and_with_nothing_else(self):
        cost = load("cost")
        one, ten = (cost.bill(calls, seconds=10, budgets=3) for calls in (10**7, 10**8))
        by_the_call = "API Gateway, REST"
        self.assertEqual(one[by_the_call], 35)
        self.assertEqual(ten[by_the_call], 350)
        self.assertLess(cost.bill(10**7, seconds=1, budgets=3)["Lambda, time"], one["Lambda, time"] / 9)

    def test_every_price_names_its_page(self):
        for name, price in load("cost").every_price().items():
            self.assertRegex(price.source(), r"^\[2026-\d\d-\d\d\]\(https://.*\bhttps://aws\.amazon\.com/|^\[2026-\d\d-\d\d\]\(https://aws\.amazon\.com/", name)

    def test_the_largest_three_of_each_volume_are_named(self):
        cost = load("cost")
        line = next(line for line in self.printed().splitlines() if line.startswith("| the largest three"))
        for calls, named in zip((0, 10_000, 1_000_000, 100_000_000), line.split(" | ")[1:]):
            bill = cost.bill(calls, seconds=10, budgets=3)
            largest = [name.strip() for name in named.rstrip(" |").split(";")]
            self.assertEqual(len(largest), 3)
            self.assertGreaterEqual(min(bill[name] for name in largest), max(sum_ for name, sum_ in bill.items() if name not in largest))

    def test_what_a_parameter_switches_on_is_in_the_bill_with_its_option_alone(self):
        cost = load("cost")
        plain = cost.bill(10**6, seconds=10, budgets=3)
        for option, (_, prices) in cost.OPTIONS.items():
            bill = cost.bill(10**6, seconds=10, budgets=3, options=[option])
            self.assertEqual(set(bill) - set(plain), set(prices), option)
            self.assertEqual({name: bill[name] for name in plain}, plain)
            self.assertIn(f"(`--{option}`)", self.printed())
            self.assertNotIn(f"(`--{option}`)", self.printed(f"--{option}"))
        everything = cost.bill(10**6, seconds=10, budgets=3, options=cost.OPTIONS)
        self.assertEqual(everything["WAF, the web ACL"] + everything["WAF, rules"] + everything["WAF, requests"], 5 + 2 + 0.6)


class Migrate(unittest.TestCase):
    """tools/migrate, against a function that is made up here."""

    def migrate(self, answers, *arguments):
        asked = []

        class Function(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                asked.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
                body = json.dumps(answers[min(len(asked), len(answers)) - 1]).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Function) as server, tempfile.TemporaryDirectory() as directory:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            ready = pathlib.Path(directory) / "ready.json"
            ready.write_text(json.dumps({"lambda": f"http://127.0.0.1:{server.server_port}"}))
            environment = {**os.environ, "TOLLGATE_READY_FILE": str(ready)}
            command = [TOOLS / "migrate", *arguments, "--by", "me"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment)
            server.shutdown()
        return done, asked

    def status(self, **fields):
        return {"id": "0001-a", "phase": "rising", "pass": None, "segments": None, "faults": [], **fields}

    def test_up_is_asked_for_once_and_gone_on_with_until_it_is_done(self):
        """A-55"""
        under_way = {"number": 1, "kind": "convert"}
        counts = {"items": 7, "wrong": 0}
        going = {"outcome": "continues", "migrations": [self.status(**{"pass": under_way}, segments=[1, 8], counts=counts)]}
        busy = {"outcome": "busy", "holder": "migration_1", "until": "2026-11-26T00:00:00Z"}
        done, asked = self.migrate([going, busy, going, {"outcome": "done", "migrations": [self.status()]}], "up", "--rate", "50")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([event["action"] for _, event in asked], ["up", "continue", "continue", "continue"])
        self.assertEqual({(event["by"], event["rate"], event["command"]) for _, event in asked}, {("me", 50, "migrate")})
        self.assertEqual({path for path, _ in asked}, {"/2015-03-31/functions/sweep/invocations"})
        self.assertIn("1 of 8 segments, 7 items", done.stderr)
        self.assertIn("migration_1 is at work", done.stderr)

    def test_it_fails_where_anything_is_not_as_it_should_be(self):
        """A-58"""
        looked = {"complete": True, "counts": {"wrong": 0, "missed": 3}}
        for answer, arguments, code in [
            ({"outcome": "done", "schema": []}, ["schema"], 0),
            ({"outcome": "done", "schema": ["the index by_day is missing; it must be there"]}, ["schema"], 1),
            ({"outcome": "refused", "reason": "x", "migrations": []}, ["up"], 1),
            ({"outcome": "done", "migrations": [self.status(faults=["x"])]}, ["up"], 1),
            ({"outcome": "done", "clean": False, "looked": {}}, ["verify"], 1),
            ({"outcome": "continues", "clean": False, "looked": {}}, ["verify"], 1),
            ({"outcome": "done", "clean": False, "looked": looked}, ["up", "--dry-run"], 0),
            ({"errorMessage": "x"}, ["status"], 1),
            ({"outcome": "done", "migrations": [self.status()]}, [], 0),
        ]:
            with self.subTest(answer=answer):
                done, asked = self.migrate([answer], *arguments)
                self.assertEqual((done.returncode, len(asked)), (code, 1), done.stderr)
                self.assertEqual(json.loads(done.stdout), answer)


if __name__ == "__main__":
    unittest.main()
