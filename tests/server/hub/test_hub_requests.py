"""Requests for metadata are bounded in size, duration and repetitions, whatever a server sends."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError

from a3s_power_jupyter.contract.errors import HubError
from a3s_power_jupyter.hub.http import hub_requests
from a3s_power_jupyter.hub.http.hub_requests import MAX_REPLY, HubRequests
from a3s_power_jupyter.hub.http.retries import Retry, Stopped
from a3s_power_jupyter.hub.resolve import hub_api
from a3s_power_jupyter.hub.resolve.hub_api import HubApi
from a3s_power_jupyter.hub.resolve.repository import Repository
from support.waiting import wait_until

MIB = 1 << 20
TOKEN = "hf_token"
BOMB = gzip.compress(b" " * (200 * MIB))


class Hostile(ThreadingHTTPServer):
    """Replies as its handler's path says, and counts requests and bytes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.sent = 0
        self.seen: list[tuple[str, str | None]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client closes connections


class Handler(BaseHTTPRequestHandler):
    server: Hostile

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.seen.append((path, self.headers["Authorization"]))
        getattr(self, path.strip("/").partition("/")[0].replace("-", "_"))()

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.server.sent += len(data)

    def pour(self) -> None:
        while True:
            self.send(b" " * MIB)

    def endless(self) -> None:
        self.head(200)
        self.pour()

    def endless_error(self) -> None:
        self.head(404)
        self.pour()

    def endless_redirect(self) -> None:
        self.head(307, Location="/fine")
        self.pour()

    def bomb(self) -> None:
        self.head(200, Content_Encoding="gzip", Content_Length=str(len(BOMB)))
        self.send(BOMB)

    def bomb_error(self) -> None:
        self.head(404, Content_Encoding="gzip", Content_Length=str(len(BOMB)))
        self.send(BOMB)

    def drip(self) -> None:
        self.head(200)
        while True:
            self.send(b" ")
            time.sleep(0.05)

    def loop(self) -> None:
        self.head(307, Location=self.path, Content_Length="0")

    def elsewhere(self) -> None:
        port = self.server.server_port
        self.head(307, Location=f"http://localhost:{port}/fine", Content_Length="0")

    def renamed(self) -> None:
        self.head(307, Location="/fine", Content_Length="0")

    def fine(self) -> None:
        self.head(200, Content_Length="2")
        self.send(b"{}")

    def head_drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while True:
            self.send(b"x")
            time.sleep(0.05)

    def busy_twice(self) -> None:
        if len(self.server.seen) > 2:
            self.fine()
        else:
            self.head(503, Retry_After="0", Content_Length="0")

    def busy(self) -> None:
        self.head(429, Retry_After="200", Content_Length="0")

    def patience(self) -> None:
        self.head(429, Retry_After="9" * 30, Content_Length="0")

    def api(self) -> None:
        """A listing in which each page refers to another one."""
        body = b'[{"type":"file","path":"a","oid":"%s","size":1}]' % (b"0" * 40)
        link = f'<{self.server.url}/api/x?cursor={len(self.server.seen)}>; rel="next"'
        self.head(200, Link=link, Content_Length=str(len(body)))
        self.send(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def get(server: Hostile, path: str, **options: Any) -> httpx2.Response:
    return HubRequests(TOKEN).send("GET", f"{server.url}/{path}", **options)


def test_an_endless_reply(hostile: Hostile) -> None:
    with pytest.raises(HubError, match=f"larger than {MAX_REPLY:,} bytes"):
        get(hostile, "endless")
    assert hostile.sent < MAX_REPLY + 32 * MIB  # what the sockets buffer
    with pytest.raises(HubError, match="larger than 1,000 bytes"):
        get(hostile, "endless", limit=1000)
    assert len(hostile.seen) == 2  # not repeated


def test_a_compressed_reply_is_not_decompressed(hostile: Hostile) -> None:
    with pytest.raises(HubError, match="compresses replies"):
        get(hostile, "bomb")
    with pytest.raises(HfHubHTTPError):
        get(hostile, "bomb-error")


@pytest.mark.parametrize("path", ["endless-error", "endless-redirect"])
def test_the_body_of_an_error_or_redirect(hostile: Hostile, path: str) -> None:
    if path == "endless-error":
        with pytest.raises(HfHubHTTPError, match="404"):
            get(hostile, path)
    else:
        assert get(hostile, path).content == b"{}"
    assert hostile.sent < 32 * MIB


@pytest.mark.parametrize("path", ["drip", "head-drip"])
def test_a_reply_that_takes_too_long(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(hub_requests, "DEADLINE", 0.3)
    with pytest.raises(HubError, match=r"more than 0\.3 seconds"):
        get(hostile, path)


def test_the_thread_of_a_reply_that_takes_too_long_ends(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threads() -> set[threading.Thread]:
        return {t for t in threading.enumerate() if t.name == "power-hub-request"}

    monkeypatch.setattr(hub_requests, "DEADLINE", 0.3)
    before = threads()
    with pytest.raises(HubError):
        get(hostile, "drip")
    wait_until(lambda: threads() <= before)


def test_repetitions_are_reported(hostile: Hostile) -> None:
    reported: list[Retry | None] = []
    requests = HubRequests(TOKEN, on_retry=reported.append)
    assert requests.send("GET", f"{hostile.url}/busy-twice").content == b"{}"
    *retries, end = reported
    assert end is None
    assert [(retry.attempt, retry.attempts) for retry in retries if retry] == [(2, 4), (3, 4)]
    assert {retry.reason for retry in retries if retry} == {"The hub answers with status 503"}


@pytest.mark.parametrize("path", ["busy", "drip", "head-drip"])
def test_a_pause_ends_a_request_and_a_wait(hostile: Hostile, path: str) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.5, stop.set)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        HubRequests(TOKEN, stop).send("GET", f"{hostile.url}/{path}")
    assert time.monotonic() - started < 10
    timer.join()


def test_waits_without_end_are_not_made(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_requests, "PATIENCE", 100.0)
    with pytest.raises(HfHubHTTPError, match="429"):
        get(hostile, "busy")


def test_no_proxy_for_this_machine(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(hostile, "fine").content == b"{}"


def test_redirects(hostile: Hostile) -> None:
    with pytest.raises(HubError, match="redirects in a loop"):
        get(hostile, "loop")
    assert len(hostile.seen) == hub_requests.MAX_REDIRECTS + 1
    hostile.seen.clear()
    assert get(hostile, "renamed").content == b"{}"
    assert get(hostile, "elsewhere").content == b"{}"
    bearer = f"Bearer {TOKEN}"
    assert hostile.seen == [
        ("/renamed", bearer), ("/fine", bearer), ("/elsewhere", bearer), ("/fine", None),
    ]  # fmt: skip


def test_a_wait_that_is_too_long_is_an_error(hostile: Hostile) -> None:
    with pytest.raises(HfHubHTTPError, match="429"):
        get(hostile, "patience")
    assert len(hostile.seen) == 1


def test_a_listing_without_end(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository("ada/m", "0" * 40)
    monkeypatch.setattr(hub_api, "MAX_ENTRIES", 20)
    with pytest.raises(HubError, match="has no end: 21 entries"):
        HubApi(hostile.url, TOKEN).files(repository)
    monkeypatch.setattr(hub_api, "MAX_ENTRIES", 10**9)
    monkeypatch.setattr(hub_api, "LISTING_DEADLINE", 0.2)
    with pytest.raises(HubError, match="has no end"):
        HubApi(hostile.url, TOKEN).files(repository)
