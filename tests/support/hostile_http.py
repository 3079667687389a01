"""An HTTP server on loopback that sends any bytes, and replies that may be invalid."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

#: A string that is a number of 5,000 digits in the reply.
DIGITS = "@digits@"
#: The same for 5,000 nested lists.
NESTED = "@nested@"

#: Values that replace each field of a good reply.
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 1e308, 2**63, 2**64, DIGITS, NESTED, "", "x", "0", "\0", "a\n", "../x",
    "/x", "\\x", "\u202e", "x" * 100_000, [], [None], [[]], {}, {"a": 1},
]  # fmt: skip


def as_json(value: object) -> bytes:
    text = json.dumps(value).encode()
    text = text.replace(f'"{DIGITS}"'.encode(), b"9" * 5000)
    return text.replace(f'"{NESTED}"'.encode(), b"[" * 5000 + b"]" * 5000)


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def mutations(good: Any, values: list[Any] = VALUES) -> Iterator[Any]:
    """Yield copies of JSON in which one value, at any depth, is missing or another one."""
    yield from values
    if not isinstance(good, dict | list):
        return
    children: Any = good.items() if isinstance(good, dict) else enumerate(good)
    for key, child in children:
        yield without(good, key) if isinstance(good, dict) else good[:key] + good[key + 1 :]
        for changed in mutations(child, values):
            copy: Any = good.copy()
            copy[key] = changed
            yield copy


def reply(
    body: bytes = b"", status: str = "200 OK", headers: bytes = b"", length: bytes | None = None
) -> bytes:
    """Return a reply in the syntax of HTTP; its parts need not be valid."""
    length = str(len(body)).encode() if length is None else length
    head = f"HTTP/1.1 {status}\r\n".encode() + headers + b"Content-Length: " + length + b"\r\n\r\n"
    return head + body


#: Replies that are wrong for every request.
WRONG = [
    b"",
    b"\xff\xfe\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n{}",
    b"HTTP/1.1 99999 OK\r\n\r\n",
    b"HTTP/1.1 -5 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"F" * 5000 + b"\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000_000 + b"\r\n\r\n",
    reply(b"{", headers=b"X-\xff: \xff\xfe\r\n"),
    reply(b'{"id": "\xff"}'),
    reply(b'{"id": "\\ud800"}'),
    reply(b"[" * 1_000_000),
    reply(b"{}", length=b"-5"),
    reply(b"{}", length=b"9" * 5000),
    reply(b"{}", length=b"x"),
    reply(b"<html>Welcome</html>", headers=b"Content-Type: text/html\r\n"),
    reply(gzip.compress(b" " * 10_000_000), headers=b"Content-Encoding: gzip\r\n"),
    reply(b"{}", headers=b"Content-Encoding: br\r\n"),
    reply(b"{}", headers=b"Content-Encoding: \xff\r\n"),
    reply(b"", "204 No Content"),
    reply(b"{}", "206 Partial Content"),
    reply(b"", "304 Not Modified"),
    reply(b"", "302 Found"),
    reply(b"", "400 Bad Request", b"X-Error-Code: \xff\r\nX-Error-Message: \xff\xfe\r\n"),
    reply(b"\xff\xfe", "404 Not Found", b"X-Error-Code: RepoNotFound\r\n"),
    reply(b"[" * 60_000, "403 Forbidden"),
    reply(b"{}", "429 Too Many", b'RateLimit: "api";r=0;t=' + b"9" * 5000 + b"\r\n"),
    reply(b"{}", "429 Too Many", b"Retry-After: " + b"9" * 5000 + b"\r\n"),
    reply(b"{}", "429 Too Many", b"Retry-After: \xff\r\n"),
    reply(b"{}", "503 Busy", b"Retry-After: -5\r\n"),
    reply(b"{}", "503 Busy", b"Retry-After: Wed, 21 Oct 99999999999 07:28:00 GMT\r\n"),
]

LOCATIONS = [
    b"", b"file:///etc/passwd", b"ftp://localhost/x", b"javascript:alert(1)", b"x", b"\xff\xfe",
    b"//", b"http://", b"http:///x", b"http://[", b"http://a b/", b"http://\xff\xfe/",
    b"http://localhost:99999999/", b"http://localhost:port/", b"http://" + b"a" * 300 + b"/",
    b"http://" + b"a." * 2000 + b"/", b"http://xn--" + b"a" * 70 + b"/", b"http://[fe80::1]/",
    b"http://169.254.169.254/latest/meta-data", b"http://2852039166/latest/meta-data",
    b"/" + b"9" * 50_000,
]  # fmt: skip
REDIRECTS = [reply(b"", "302 Found", b"Location: " + place + b"\r\n") for place in LOCATIONS]


class HostileServer(ThreadingHTTPServer):
    """Replies to each kind of request with `replies` or, if there is none, as it should.

    Attributes
    ----------
    replies : dict of str to bytes
        By the kind of the request.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HostileRequest)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.replies: dict[Any, bytes] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client closes connections

    def kind(self, request: HostileRequest) -> Any:
        raise NotImplementedError

    def good(self, kind: Any, request: HostileRequest) -> bytes:
        raise NotImplementedError


class HostileRequest(BaseHTTPRequestHandler):
    server: HostileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        kind = self.server.kind(self)
        sent = self.server.replies.get(kind)
        self.wfile.write(self.server.good(kind, self) if sent is None else sent)
        self.close_connection = sent is not None

    do_HEAD = do_POST = do_GET  # noqa: N815  # http.server's names

    def log_message(self, *arguments: object) -> None:
        pass


Hostile = TypeVar("Hostile", bound=HostileServer)


@contextmanager
def running(server: Hostile) -> Iterator[Hostile]:
    with server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()
