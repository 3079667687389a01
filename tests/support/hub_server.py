"""A test double of the Hugging Face Hub on loopback.

As on the real hub, requests for LFS files are redirected to another host, with a signed link that
expires, and requests for small files to a path of the same host. `HubServer.fail` simulates
failures.

The protocol is that of huggingface_hub 2.4: its ``constants.py`` defines the X-headers and
``utils/_http.py`` the error codes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, urlencode

from support.hub_failures import Failure, Failures, Record, Stage
from support.hub_handlers import Cdn, Hub, Request
from support.hub_repository import Card, Files, Repository, make_blob

PAGE = 1000  # entries of a listing, as on the hub
LINK_SECONDS = 3600.0


class HubServer:
    """Two servers on loopback: the hub (``127.0.0.1``) and its redirect target (``localhost``).

    Attributes
    ----------
    requests : list of Record
        Every request so far, in order.
    page : int
        Entries per page of a listing.
    link_seconds : float
        Lifetime of a signed link.
    tokens : set of str
        All valid tokens.
    """

    def __init__(self, *, send_buffer: int | None = None) -> None:
        self.page = PAGE
        self.link_seconds = LINK_SECONDS
        self.tokens: set[str] = set()
        self.requests: list[Record] = []
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        self.stopping = threading.Event()
        self.errors: list[BaseException] = []
        self._failures = Failures()
        self._key = secrets.token_bytes(16)
        self._servers = [HostServer(self, Hub, send_buffer), HostServer(self, Cdn, send_buffer)]
        self.url = f"http://127.0.0.1:{self._servers[0].server_port}"
        self.cdn_url = f"http://localhost:{self._servers[1].server_port}"

    def add(
        self,
        name: str,
        files: Files,
        *,
        gated: bool = False,
        private: bool = False,
        readers: tuple[str, ...] = (),
        card: Card | None = None,
    ) -> Repository:
        """Create a repository with one commit on ``main``; `readers` are tokens."""
        self.tokens.update(readers)
        repository = Repository(name, gated, private, frozenset(readers), card=card or Card())
        repository.commit(files)
        self.repositories[name] = repository
        return repository

    def add_many(self, number: int) -> None:
        """Create repositories ``many/model-00000`` and so on, with a GGUF file of a few bytes.

        The later ones have fewer downloads. Their files cannot be loaded.
        """
        content = make_blob("model-Q4_K_M.gguf", b"GGUF")
        for i in range(number):
            commit = f"{i:040x}"
            self.repositories[f"many/model-{i:05}"] = Repository(
                f"many/model-{i:05}",
                gated=i % 10 == 0,
                commits={commit: {"model-Q4_K_M.gguf": content}},
                refs={"main": commit},
                card=Card(downloads=number - i, likes=i % 100, parameters=10**9),
            )

    def rename(self, old: str, new: str) -> None:
        """Rename a repository; the hub redirects from its old name."""
        self.repositories[new] = self.repositories.pop(old)
        self.repositories[new].name = new
        self.renamed[old] = new

    def fail(self, path: str = "", **failure: Any) -> None:
        """Simulate a `Failure`."""
        self._failures.add(Failure(path, **failure))

    def clear_failures(self) -> None:
        """Stop simulating failures."""
        self._failures.clear()

    def failure(self, stage: Stage, path: str) -> Failure:
        return self._failures.find(stage, path)

    def served(self, path: str = "") -> int:
        """Return the bytes sent of files with a path that ends with `path`."""
        gets = [r for r in self.requests if r.method == "GET" and r.path.endswith(path)]
        return sum(r.sent for r in gets if r.status in (200, 206) and "/api/models/" not in r.path)

    def link(self, repository: Repository, path: str, commit: str) -> str:
        """Return a signed link to a file on the other host."""
        expires = repr(time.time() + self.link_seconds)
        url_path = f"/{repository.name}/{commit}/{quote(path)}"
        signature = self._sign(url_path, expires)
        return f"{self.cdn_url}{url_path}?{urlencode({'Expires': expires, 'Signature': signature})}"

    def expire_links(self) -> None:
        """Invalidate all links."""
        self._key = secrets.token_bytes(16)

    def is_valid_link(self, url_path: str, query: dict[str, str]) -> bool:
        expires = query.get("Expires", "0")
        signed = hmac.compare_digest(self._sign(url_path, expires), query.get("Signature", ""))
        return signed and time.time() < float(expires)

    def _sign(self, url_path: str, expires: str) -> str:
        return hmac.new(self._key, f"{url_path} {expires}".encode(), hashlib.sha256).hexdigest()

    def start(self) -> None:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.stopping.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()


@contextmanager
def run_hub(*, send_buffer: int | None = None) -> Iterator[HubServer]:
    """Run a hub until the block ends; an unexpected error in it fails the test.

    Parameters
    ----------
    send_buffer : int or None
        Size of ``SO_SNDBUF``. If it is small, `HubServer.served` is close to the bytes received.
    """
    hub = HubServer(send_buffer=send_buffer)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()
    if hub.errors:
        raise hub.errors[0]


class HostServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, hub: HubServer, handler: type[Request], send_buffer: int | None) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), handler)
        if send_buffer is not None:  # connections inherit it
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exc_info()[1]
        assert error is not None
        if not isinstance(error, ConnectionError):  # clients may disconnect
            self.hub.errors.append(error)
