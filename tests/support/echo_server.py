"""HTTP servers that reply with the request, and a proxy."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from a3s_power_jupyter.hub.http.http_client import Client

BODY = b"x" * 100_000


class Echo(BaseHTTPRequestHandler):
    """Replies with the request as JSON, and to ``/large`` with `BODY`."""

    protocol_version = "HTTP/1.1"
    peers: list[int]

    def do_GET(self) -> None:
        self.peers.append(self.client_address[1])
        if self.path.endswith("/pieces"):
            self.pieces()
            return
        request = {"line": self.requestline, "headers": dict(self.headers)}
        body = BODY if self.path.endswith("/large") else json.dumps(request).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass

    def pieces(self) -> None:
        """Send a body in two pieces, the second one only in part."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[:10])
        self.wfile.write(BODY[:5000])


class Tunnel(Echo):
    """A proxy that echoes plain requests and forwards bytes for CONNECT."""

    targets: list[tuple[str, dict[str, str]]]

    def do_CONNECT(self) -> None:
        self.targets.append((self.path, dict(self.headers)))
        port = int(self.path.partition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as remote:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=forward, args=(remote, self.connection), daemon=True)
            back.start()
            forward(self.connection, remote)
            back.join(5)
        self.close_connection = True


def forward(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return  # either end closes the tunnel


@contextmanager
def serving(handler: type[Echo], context: ssl.SSLContext | None = None) -> Iterator[Any]:
    """Run the server in a thread for the duration of the block."""
    handler.peers = []
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def address(server: Any, scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{server.server_port}"


def echo(client: Client, url: str) -> dict[str, Any]:
    """Return the request that the server received."""
    request: dict[str, Any] = json.loads(client.request("GET", url, {}).read())
    return request
