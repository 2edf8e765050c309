"""What the table of docs/clients.md is made with: that it sees what passes, and that nothing wrong passes as right."""

import http.client
import http.server
import pathlib
import sys
import threading
import unittest
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import ledger  # noqa: E402
import rows  # noqa: E402
import table  # noqa: E402
import tap  # noqa: E402

REQUESTS = (
    b"POST /a HTTP/1.1\r\nContent-Length: 23\r\nAuthorization: Bearer x\r\n\r\nGET /none HTTP/1.1\r\n\r\n."
    b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Api-Key: x\r\n\r\n5;n=1\r\n\r\n\r\n.\r\n0\r\nt: 1\r\n\r\n"
    b"HEAD /c HTTP/1.1\r\n\r\nGET /d HTTP/1.1\r\n\r\n"
)
ANSWERS = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\ncontent-length: 2\r\n\r\n{}"
    b"HTTP/1.1 201 Created\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n"
    b"HTTP/1.1 404 Not Found\r\ncontent-length: 99\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
)
EXPECTED = [
    "`POST /a` → 200 JSON",
    "`POST /b` → 201 events",
    "`HEAD /c` → 404 (no credential)",
    "`GET /d` → 204 (no credential)",
]


class Gateway(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Tap(unittest.TestCase):
    def test_exchanges_are_told_however_their_bytes_are_split(self):
        for size in (1, 2, 7, 1000):
            with self.subTest(size):
                exchanges = []
                notes = tap.Notes(exchanges)
                for at in range(0, len(REQUESTS), size):
                    notes.asked(REQUESTS[at : at + size])
                for at in range(0, len(ANSWERS), size):
                    notes.answered(ANSWERS[at : at + size])
                self.assertEqual(tap.told(exchanges), EXPECTED)
                self.assertEqual(tap.credentials(exchanges), ["`Bearer`", "`x-api-key`"])

    def test_those_that_are_alike_are_counted_and_ids_have_no_part_in_it(self):
        exchanges = [tap.Exchange("GET", f"/files/file_{number}?a=1", "`Bearer`", "200", "JSON") for number in range(3)]
        self.assertEqual(tap.told(exchanges), ["3 × `GET /files/{file}?a=1` → 200 JSON"])
        self.assertEqual(tap.told([tap.Exchange("GET", "/", "`Bearer`")]), ["`GET /` → nothing"])

    def test_bytes_pass_as_they_are_and_who_wants_elsewhere_is_seen(self):
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server, tap.Taps() as taps:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            opened, elsewhere = taps.open(f"http://127.0.0.1:{server.server_port}"), taps.open_elsewhere()
            body = bytes(range(256)) * 1000
            connection = http.client.HTTPConnection(opened.url.removeprefix("http://"), timeout=10)
            for _ in range(2):
                connection.request("POST", "/x", body)
                self.assertEqual(connection.getresponse().read(), body)
            connection.close()
            other = http.client.HTTPConnection(elsewhere.url.removeprefix("http://"), timeout=10)
            other.set_tunnel("example.com", 443)
            with self.assertRaises(OSError):
                other.connect()
            other.close()
            server.shutdown()
        self.assertEqual(tap.told(opened.exchanges), ["2 × `POST /x` → 200 (no credential)"])
        self.assertEqual(elsewhere.exchanges, ["CONNECT example.com:443"])


def usage(tokens):
    lifetimes = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}
    return {"input_tokens": tokens, "output_tokens": 1, "cache_read_input_tokens": 2, "cache_creation": lifetimes}


def record(**other):
    common = {"request_id": "r", "upstream_request_id": "u", "model": "m", "usage": usage(5), "cost_picodollars": 9}
    return {**common, "outcome": "success", "estimated": False, "streamed": True, **other}


CALL = {"usage": usage(5), "cost_picodollars": 9, "operation": "InvokeModel", "model": "m"}


class Ledger(unittest.TestCase):
    def differences(self, row, told=(5, 1, 2, 7)):
        return ledger.differences([row], [row], {"u": CALL}, told)

    def test_books_that_agree_have_no_differences(self):
        self.assertEqual(self.differences(record()), [])
        self.assertEqual(self.differences(record(), told=None), [])
        self.assertEqual(ledger.unclaimed([record()], {"u": CALL}), [])

    def test_every_difference_is_told(self):
        wrong = {
            "usage is": (record(usage=usage(6)), (6, 1, 2, 7)),
            "cost_picodollars is 8": (record(cost_picodollars=8), (5, 1, 2, 7)),
            "billed no such call": (record(upstream_request_id="v"), (5, 1, 2, 7)),
            "outcome lost": (record(outcome="lost"), (5, 1, 2, 7)),
            "estimated True": (record(estimated=True), (5, 1, 2, 7)),
            "the client counted (5, 1, 2, 8)": (record(), (5, 1, 2, 8)),
        }
        for words, (row, told) in wrong.items():
            with self.subTest(words):
                (difference,) = self.differences(row, told)
                self.assertIn(words, difference)

    def test_a_call_in_no_row_or_in_two_is_told(self):
        self.assertIn("which no usage row has", *ledger.unclaimed([], {"u": CALL}))
        self.assertIn("two usage rows", *ledger.unclaimed([record(), record()], {"u": CALL}))

    def test_numbers_are_told_where_they_are_alike_everywhere(self):
        self.assertEqual(
            ledger.words([record()], (5, 1, 2, 7), True),
            "1 call: 5 in, 1 out, 2 cache read, 7 cache written; client, row and ledger equal",
        )
        self.assertEqual(ledger.words([record()], None, False), "1 call: in, out, cache read, cache written; row and ledger equal")
        self.assertIn("1 call of 1 session: in,", ledger.words([record(session_id="s")], None, False))
        self.assertEqual(ledger.words([], [0, 0, 0, 0], True), "no model call, nothing billed")


class Table(unittest.TestCase):
    def line(self, came="Good | day"):
        mode = rows.Mode("sync", {"URL": "{gateway}/anthropic"}, in_order=False)
        exchanges = [tap.Exchange("POST", path, "`Bearer`", "200", "JSON") for path in ("/b", "/a")]
        return table.Line("client", "1.0", mode, exchanges, came, "1 call")

    def test_what_is_written_is_what_is_compared_and_a_change_is_shown(self):
        document = unittest.mock.Mock()
        document.read_text.return_value = f"before\n{table.BEGINS}{table.ENDS}after\n"
        with unittest.mock.patch.object(table, "DOCUMENT", document):
            table.write([self.line()])
            (written,) = document.write_text.call_args.args
            document.read_text.return_value = written
            self.assertEqual(table.difference([self.line()]), "")
            self.assertIn("+| client | 1.0 | sync |", table.difference([self.line(), self.line()]))
            self.assertIn("Good night", table.difference([self.line(came="Good night")]))
        self.assertTrue(written.startswith("before\n") and written.endswith("after\n"))
        self.assertIn("| client | `URL=<gateway>/anthropic` |", written)
        self.assertIn("`POST /a` → 200 JSON<br>`POST /b` → 200 JSON | `Bearer` | Good \\| day |", written)


class Rows(unittest.TestCase):
    def test_no_two_rows_are_one(self):
        names = [(program.script, program.tool, mode.name) for program in rows.PROGRAMS for mode in program.modes]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
