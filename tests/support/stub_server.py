"""A small HTTP server that fails on demand."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from a3s_power_jupyter.client import Client
from a3s_power_jupyter.client.address import Server
from a3s_power_jupyter.client.connection import Connection

HEALTH = (
    b'{"status":"ok","version":"0","uptime_seconds":1,"loaded_models":[],"devices":[],"engines":{}}'
)


class Request(BaseHTTPRequestHandler):
    """One request. A function of the test answers it with `send` or by writing to `wfile`."""

    protocol_version = "HTTP/1.1"
    answer: Callable[[Request], None]

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        type(self).answer(self)

    do_POST = do_GET  # noqa: N815  # http.server's name

    @property
    def bearer(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def send(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_chunks(self, chunks: Iterable[bytes], *, whole: bool = True) -> None:
        """Send a chunked reply, and break the connection before its end unless `whole`."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def address_string(self) -> str:
        return "test"

    def log_message(self, *arguments: object) -> None:
        pass


class _UnixServer(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


class _Ipv6Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class StubServer:
    """Serves at `url` in a thread, for the duration of a ``with`` block."""

    def __init__(
        self,
        answer: Callable[[Request], None],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        sock: Path | None = None,
    ) -> None:
        handler = type("Handler", (Request,), {"answer": staticmethod(answer)})
        self._server: HTTPServer | _UnixServer
        if sock:
            self._server = _UnixServer(str(sock), handler)
            self.url = "http://localhost/"
        else:
            kind = _Ipv6Server if ":" in host else ThreadingHTTPServer
            self._server = kind((host, port), handler)
            self.port = self._server.server_address[1]
            netloc = f"[{host}]" if ":" in host else host
            self.url = f"{'https' if tls else 'http'}://{netloc}:{self.port}/"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> StubServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def health(key: str) -> Callable[[Request], None]:
    """Reply to ``GET /v1/health`` if the request has the key."""

    def answer(request: Request) -> None:
        if request.bearer != key:
            request.send(b'{"error":{"message":"No.","code":"unauthorized"}}', 403)
        else:
            request.send(HEALTH)

    return answer


def client_of(url: str, key: str | None = None, **server: Any) -> Client:
    """Return a client of the server at `url`."""
    return Client(Connection(Server(url=url, key=key, **server)))
