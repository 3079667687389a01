"""A hub on loopback that sends a good reply to each request, or any other bytes instead."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from support.hub_repository import git_blob_id
from support.model_files import gguf

COMMIT = "c" * 40
REPO = "ada/model"
CONTENT = gguf()

#: A string that is a number of 5,000 digits in the reply.
DIGITS = "@digits@"
#: The same for 5,000 nested lists.
NESTED = "@nested@"

#: Requests for a commit, a listing, the link to a file, its bytes, and a small JSON file.
Step = Literal["revision", "tree", "head", "bytes", "json"]


def revision() -> dict[str, Any]:
    return {"id": REPO, "sha": COMMIT, "gated": False, "siblings": [{"rfilename": "m-Q4_0.gguf"}]}


def tree() -> list[dict[str, Any]]:
    """Return the listing of a GGUF file and of a directory."""
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    size = len(CONTENT)
    lfs = {"oid": sha256, "size": size, "pointerSize": 130}
    return [
        {"type": "file", "path": "m-Q4_0.gguf", "oid": "a" * 40, "size": size, "lfs": lfs},
        {"type": "file", "path": "README.md", "oid": git_blob_id(b"Hi"), "size": 2},
        {"type": "directory", "path": "folder", "oid": "b" * 40, "size": 0},
    ]


def as_json(value: object) -> bytes:
    text = json.dumps(value).encode()
    text = text.replace(f'"{DIGITS}"'.encode(), b"9" * 5000)
    return text.replace(f'"{NESTED}"'.encode(), b"[" * 5000 + b"]" * 5000)


def reply(
    body: bytes = b"", status: str = "200 OK", headers: bytes = b"", length: bytes | None = None
) -> bytes:
    """Return a reply in the syntax of HTTP; its parts need not be valid."""
    length = str(len(body)).encode() if length is None else length
    head = f"HTTP/1.1 {status}\r\n".encode() + headers + b"Content-Length: " + length + b"\r\n\r\n"
    return head + body


class HostileHub(ThreadingHTTPServer):
    """The hub.

    Attributes
    ----------
    replies : dict of Step to bytes or callable
        Sent in place of the good replies. A callable returns the bytes for a request's path.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.replies: dict[Step, bytes | Callable[[str], bytes]] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client closes connections

    def good(self, step: Step, requested: str | None) -> bytes:
        match step:
            case "revision":
                return reply(as_json(revision()))
            case "tree":
                return reply(as_json(tree()))
            case "head":
                return reply(length=str(len(CONTENT)).encode())
            case "json":
                return reply(b"{}")
        first, last = (int(part) for part in (requested or "").removeprefix("bytes=").split("-"))
        content_range = f"Content-Range: bytes {first}-{last}/{len(CONTENT)}\r\n".encode()
        return reply(CONTENT[first : last + 1], "206 Partial Content", content_range)


class _Handler(BaseHTTPRequestHandler):
    server: HostileHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        step = self.step()
        sent = self.server.replies.get(step)
        if sent is None:
            self.wfile.write(self.server.good(step, self.headers["Range"]))
            return
        self.wfile.write(sent(self.path) if callable(sent) else sent)
        self.close_connection = True

    do_HEAD = do_GET  # noqa: N815  # http.server's name

    def step(self) -> Step:
        if self.command == "HEAD":
            return "head"
        if "/revision/" in self.path:
            return "revision"
        if "/tree/" in self.path:
            return "tree"
        return "json" if self.path.endswith(".json") else "bytes"

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def run_hostile_hub() -> Iterator[HostileHub]:
    with HostileHub() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()
