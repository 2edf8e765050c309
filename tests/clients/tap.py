"""Passes a client's connections on to the gateway byte for byte, and notes what was asked and answered: one tap for each row of
the table, so that requests without a credential are known to be that row's too."""

import asyncio
import contextlib
import dataclasses
import re
import ssl
import threading
import urllib.parse

KINDS = {
    "application/json": "JSON",
    "text/event-stream": "events",
    "application/vnd.amazon.eventstream": "frames",
}
HEAD_ENDS = b"\r\n\r\n"
LINE_ENDS = b"\r\n"
HTTP2 = "h2"
# A status without a body (RFC 9112, section 6.3).
BODYLESS = {"204", "304"}


@dataclasses.dataclass
class Exchange:
    """One request and what was answered; `status` is empty as long as nothing is."""

    method: str
    path: str
    credential: str
    status: str = ""
    kind: str = ""


class Messages:
    """Finds the heads of the HTTP/1.1 messages in the bytes of one direction of a connection (RFC 9112)."""

    def __init__(self, bodyless=lambda start: False):
        self.bodyless = bodyless
        self.buffer = bytearray()
        self.step = self.head

    def feed(self, data):
        """The heads that are whole with these bytes, one by one: their first line, and their headers by name in lower case."""
        self.buffer += data
        found = []
        while self.step(found):
            yield from found
            found.clear()

    def head(self, found):
        end = self.buffer.find(HEAD_ENDS)
        if end < 0:
            return False
        start, *lines = self.take(end + len(HEAD_ENDS)).decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        found.append((start, headers))
        if start.startswith("HTTP/1.1 1"):
            return True
        if self.bodyless(start):
            return True
        if "chunked" in headers.get("transfer-encoding", ""):
            self.step = self.chunk
        else:
            self.left = int(headers.get("content-length", 0))
            self.after = self.head
            self.step = self.body
        return True

    def body(self, _):
        self.left -= len(self.take(min(self.left, len(self.buffer))))
        if self.left:
            return False
        self.step = self.after
        return True

    def chunk(self, _):
        line = self.line()
        if line is None:
            return False
        size = int(line.split(b";")[0], 16)
        self.left = size + len(LINE_ENDS)
        self.after = self.chunk
        self.step = self.body if size else self.trailer
        return True

    def trailer(self, _):
        line = self.line()
        if line == b"":
            self.step = self.head
        return line is not None

    def line(self):
        end = self.buffer.find(LINE_ENDS)
        return None if end < 0 else self.take(end + len(LINE_ENDS))[: -len(LINE_ENDS)]

    def take(self, size):
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken


class Notes:
    """The exchanges of one connection. Answers come in the order of the requests."""

    def __init__(self, exchanges):
        self.exchanges = exchanges
        self.waiting = []
        self.requests = Messages()
        self.answers = Messages(self.is_bodyless)

    def asked(self, data):
        for start, headers in self.requests.feed(data):
            method, path, _ = start.split(" ", 2)
            exchange = Exchange(method, path, credential(headers))
            self.waiting.append(exchange)
            self.exchanges.append(exchange)

    def answered(self, data):
        for start, headers in self.answers.feed(data):
            status = start.split(" ")[1]
            if not status.startswith("1"):
                exchange = self.waiting.pop(0)
                exchange.status = status
                kind = headers.get("content-type", "").split(";")[0]
                exchange.kind = KINDS.get(kind, kind)

    def is_bodyless(self, start):
        return start.split(" ")[1] in BODYLESS or self.waiting[0].method == "HEAD"


def credential(headers):
    """In which headers it came, and of which form."""
    authorization = headers.get("authorization", "")
    forms = [f"`{authorization.split(' ')[0]}`"] if authorization else []
    forms += ["`x-api-key`"] if "x-api-key" in headers else []
    return " and ".join(forms) or "none"


class Tap:
    """An open port, and what has come by it. It does not look into HTTP/2."""

    def __init__(self):
        self.url = None
        self.exchanges = []
        self.has_passed_http2 = False


class Taps:
    """Serves taps in a thread of its own, for as long as its block lasts. `serves` is the TLS of those who come, `authority` the file
    of the certificates by which the gateway's own is known."""

    def __init__(self, serves=None, authority=None):
        self.serves, self.authority = serves, authority
        if serves:
            serves.set_alpn_protocols([HTTP2, "http/1.1"])
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def open(self, gateway):
        """A tap of the gateway at this URL, of the same scheme."""
        address, tap = urllib.parse.urlsplit(gateway), Tap()

        async def connected(reader, writer):
            chosen = protocol(writer)
            tap.has_passed_http2 |= chosen == HTTP2
            notes = None if chosen == HTTP2 else Notes(tap.exchanges)
            asked, answered = (notes.asked, notes.answered) if notes else (None, None)
            with contextlib.suppress(OSError):
                theirs, ours = await asyncio.open_connection(address.hostname, address.port, ssl=self.towards(chosen))
                await asyncio.gather(pass_on(reader, ours, asked), pass_on(theirs, writer, answered))

        serves = self.serves if address.scheme == "https" else None
        tap.url = f"{address.scheme}://127.0.0.1:{self.serve(connected, serves)}"
        return tap

    def towards(self, chosen):
        """TLS towards the gateway, by the protocol that the client chose; none where it spoke none."""
        if chosen is None:
            return None
        context = ssl.create_default_context(cafile=self.authority)
        context.set_alpn_protocols([chosen])
        return context

    def open_elsewhere(self):
        """A proxy that lets nobody through, and notes who wanted where."""
        tap = Tap()

        async def connected(reader, writer):
            with contextlib.suppress(OSError):
                tap.exchanges.append((await reader.readline()).decode("latin-1").rsplit(" ", 1)[0])
                writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                await writer.drain()
            writer.close()

        tap.url = f"http://127.0.0.1:{self.serve(connected, None)}"
        return tap

    def serve(self, connected, tls):
        async def start():
            server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
            return server.sockets[0].getsockname()[1]

        return asyncio.run_coroutine_threadsafe(start(), self.loop).result()


def protocol(writer):
    """What was agreed on over TLS; None without."""
    tls = writer.get_extra_info("ssl_object")
    return tls and (tls.selected_alpn_protocol() or "http/1.1")


async def pass_on(reader, writer, note):
    """Notes first: who has an answer finds it noted."""
    try:
        while data := await reader.read(65536):
            if note:
                note(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # one side has left, which is told to the other
    finally:
        writer.close()


# What no two runs have alike.
NAMELESS = [(re.compile(r"file_[0-9A-Za-z]+"), "{file}")]


def told(exchanges):
    """The exchanges as the table has them: a line for each, those that are alike together."""
    lines = {}
    for it in exchanges:
        path = it.path
        for pattern, name in NAMELESS:
            path = pattern.sub(name, path)
        answer = f"{it.status} {it.kind}".strip() or "nothing"
        line = f"`{it.method} {path}` → {answer}"
        if it.credential == "none":
            line += " (no credential)"
        lines[line] = lines.get(line, 0) + 1
    return [line if count == 1 else f"{count} × {line}" for line, count in lines.items()]


def credentials(exchanges):
    """Every way in which a credential came."""
    return sorted({it.credential for it in exchanges if it.credential not in ("", "none")})
