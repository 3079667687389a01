"""Finished requests leave nothing large behind for the garbage collector."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from support.servers import Server, run_server
from support.waiting import wait_until

LARGE = "x" * 1_000_000
MODEL = "org/repo:Q4_K_M"
MESSAGES = [{"role": "user", "content": LARGE}]
REQUESTS: dict[str, tuple[str, dict[str, Any], int]] = {
    "a chat": ("chat/completions", {"model": MODEL, "messages": MESSAGES}, 200),
    "a stream": ("chat/completions", {"model": MODEL, "messages": MESSAGES, "stream": True}, 200),
    "a completion": ("completions", {"model": MODEL, "prompt": LARGE}, 200),
    "embeddings": ("embeddings", {"model": MODEL, "input": LARGE}, 200),
    "an unknown model": ("chat/completions", {"model": "none", "messages": MESSAGES}, 404),
    "a busy model": ("chat/completions", {"model": "busy", "messages": MESSAGES}, 503),
    "a dying model": ("chat/completions", {"model": "dies", "messages": MESSAGES}, 503),
    "a bug": ("chat/completions", {"model": "bug", "messages": MESSAGES}, 500),
    "an invalid field": ("completions", {"model": MODEL, "prompt": LARGE, "n": 0}, 400),
    "an unknown field": ("completions", {"model": MODEL, "prompt": LARGE, LARGE: 0}, 200),
    "a registration": ("models", {"name": "new", "default_parameters": {"system": LARGE}}, 201),
    "an invalid registration": ("models", {"name": "new", "path": LARGE}, 400),
    "a load": ("models/none/load", {"chat_template": LARGE}, 404),
    "an invalid load": (f"models/{MODEL}/load", {"isq": LARGE}, 400),
    "a pull": ("models/pull", {"name": MODEL, "token": LARGE}, 400),
    "an unknown route": ("nowhere", {"x": LARGE}, 404),
    "an action without a body": (f"models/{MODEL}/pin", {"x": LARGE}, 400),
}


@pytest.fixture(scope="module")
def uncollected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("memory"), fake="UncollectedService") as server:
        yield server


@pytest.fixture
def api(uncollected: Server) -> Iterator[httpx2.Client]:
    with uncollected.api() as client:
        yield client


def large_blocks(api: httpx2.Client) -> list[int]:
    """Return the sizes of the large blocks of memory that the server uses."""
    sizes: list[int] = api.get("v1/health").json()["large_blocks"]
    return sizes


@pytest.mark.parametrize(("route", "body", "status"), REQUESTS.values(), ids=REQUESTS)
def test_a_finished_request_keeps_no_body(
    api: httpx2.Client, route: str, body: dict[str, Any], status: int
) -> None:
    before = large_blocks(api)
    for _ in range(3):
        assert api.post(f"v1/{route}", json=body).status_code == status
    # A thread may still be leaving the function that decoded the body.
    wait_until(lambda: large_blocks(api) == before)


def test_a_request_that_is_cut_off_keeps_no_body(uncollected: Server, api: httpx2.Client) -> None:
    before = large_blocks(api)
    address = urlsplit(uncollected.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Authorization: Bearer {uncollected.token}\r\nContent-Length: 3000000\r\n\r\n"
        )
        connection.sendall(head.encode() + b"x" * 2_000_000)
        wait_until(lambda: large_blocks(api) != before)
    wait_until(lambda: large_blocks(api) == before)
