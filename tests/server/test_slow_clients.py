"""Clients that do not read the stream they have asked for."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from support.servers import Server, run_server, unread_post
from support.waiting import wait_until

CHAT = {"model": "endless", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}

#: A request for more log probabilities than the connection takes. The end-of-text tokens are
#: suppressed.
LARGE = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "Count."}],
    "max_tokens": 250,
    "logit_bias": {"0": -100, "2": -100, "4": -100},
    "logprobs": True,
    "top_logprobs": 20,
    "stream": True,
}
SHORT = {"model": "smollm2", "prompt": "Once upon a", "max_tokens": 3}


def is_closed(connection: socket.socket) -> bool:
    """Return whether the server has closed a connection, after reading all that it sent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def test_the_connection_of_a_client_that_reads_nothing_is_closed(
    start_server: Callable[..., Server],
) -> None:
    server = start_server("--PowerApp.client_timeout=2", fake=True)
    with server.api() as api, unread_post(server, "v1/chat/completions", CHAT) as connection:
        wait_until(lambda: api.get("v1/health").json()["active"] == 1)
        wait_until(lambda: api.get("v1/health").json()["active"] == 0)
        assert is_closed(connection)
    assert "read nothing for 2 seconds (PowerApp.client_timeout)" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_a_client_that_reads_slowly_gets_the_whole_reply(
    start_server: Callable[..., Server],
) -> None:
    server = start_server("--PowerApp.client_timeout=2", fake=True)
    with unread_post(server, "v1/chat/completions", CHAT) as connection, server.api() as api:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        for _ in range(60):
            assert connection.recv(16 * 1024)
            time.sleep(0.1)
        assert api.get("v1/health").json()["active"] == 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("slow"), headless=True) as server:
        parameters = {"num_parallel": 1, "num_ctx": 2048}
        body = {"name": "smollm2", "path": str(smollm2_path), "default_parameters": parameters}
        with server.api() as api:
            assert api.post("v1/models", json=body).status_code == 201
        yield server


def state(api: httpx2.Client) -> str:
    return str(api.get("v1/models/smollm2").json()["state"])


def test_an_unread_reply_does_not_hold_the_only_slot(server: Server) -> None:
    with server.api() as api, unread_post(server, "v1/chat/completions", LARGE) as connection:
        wait_until(lambda: state(api) == "busy")
        assert api.post("v1/completions", json=SHORT).status_code == 200
        assert state(api) == "loaded"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        connection.settimeout(60)
        received = b""
        while b"[DONE]" not in received[-100:]:
            received += connection.recv(65536)
        assert received.count(b"data: {") >= 250
        assert len(received) > 300_000
