"""Remote models with proxies, and with upstreams that do not answer."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx2
import pytest

from support.remote_requests import ask, register
from support.servers import Server, written_by
from support.upstream_answers import KEY
from support.upstream_server import Upstream, run_upstream
from support.waiting import wait_until


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with run_upstream() as running:
        yield running


def test_proxies(upstream: Upstream, start_server: Callable[..., Server]) -> None:
    """The fake upstream is also the proxy, which replies with 404."""
    proxy = upstream.url.removesuffix("/v1")
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), proxy)
    environ = proxies | {"NO_PROXY": "", "no_proxy": "", "UPSTREAM_KEY": KEY}
    front = start_server(headless=True, environ=environ)
    register(front, upstream.url, "echo")
    assert ask(front, "echo").status_code == 200
    register(front, upstream.url.replace("127.0.0.1", "localhost"), "echo", overwrite=True)
    assert ask(front, "echo").status_code == 200
    register(front, "http://gpu-box.invalid/v1", "echo", overwrite=True)
    assert ask(front, "echo").json()["error"]["code"] == "upstream_refused"


@pytest.mark.parametrize("proxy", ["gopher://ada:open-sesame@host", "http://ada:open-sesame@a b:x"])
def test_a_proxy_that_cannot_be_used(start_server: Callable[..., Server], proxy: str) -> None:
    environ = {"HTTP_PROXY": proxy, "http_proxy": proxy, "UPSTREAM_KEY": KEY}
    front = start_server("--debug", headless=True, environ=environ)
    register(front, "http://gpu-box.invalid/v1", "echo")
    error = ask(front, "echo").json()["error"]
    assert error["code"] == "upstream_unreachable"
    assert "proxy" in error["message"]
    assert "open-sesame" not in error["message"] + written_by(front)


def test_a_server_stops_while_its_upstreams_do_not_answer(
    upstream: Upstream, start_server: Callable[..., Server]
) -> None:
    front = start_server(headless=True, environ={"UPSTREAM_KEY": KEY})
    models = ("drips", "waits", "endless")
    register(front, upstream.url, *models)
    upstream.gone.clear()
    upstream.first_seen.clear()
    upstream.bodies.clear()

    replies: list[str] = []

    def request(model: str) -> None:
        with suppress(httpx2.HTTPError):  # the server has stopped
            replies.append(ask(front, model, stream=True).text)

    clients = [threading.Thread(target=request, args=(model,)) for model in models]
    for client in clients:
        client.start()
    wait_until(lambda: len(upstream.bodies) == len(models), 30)
    os.kill(front.pid, signal.SIGTERM)
    assert front.process.wait(30) == 0
    for client in clients:
        client.join(30)
        assert not client.is_alive()
    assert replies
    assert all("the server is shutting down" in reply for reply in replies), replies
