"""Large values and numbers in requests are refused with status 400 and short messages."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from support.servers import Server

LONG = "x" * 1_000_000
DIGITS = "9" * 5000
MODEL = "org/repo:Q4_K_M"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
COMPLETION = {"model": MODEL, "prompt": "Hi"}
EMBEDDING = {"model": MODEL, "input": "Hi"}
REGISTRATION = {"name": "new", "path": "/m.gguf"}
SCHEMA = {"type": "json_schema", "json_schema": {"schema": {"minimum": 2**64}}}


@pytest.fixture
def api(fake_server: Server) -> Iterator[httpx2.Client]:
    with fake_server.api() as client:
        yield client


BODIES: list[tuple[str, dict[str, Any]]] = [
    *(
        (route, body | change)
        for route, body in [
            ("chat/completions", CHAT),
            ("completions", COMPLETION),
            ("embeddings", EMBEDDING),
            (f"models/{MODEL}/load", {}),
        ]
        for change in (
            {"keep_alive": "9" * 40_000 + "x"},
            {"keep_alive": 10**400},
            {"keep_alive": LONG},
        )
    ),
    ("chat/completions", CHAT | {"logit_bias": {DIGITS: 1}}),
    ("chat/completions", CHAT | {"logit_bias": {"1": 10**400}}),
    ("chat/completions", CHAT | {"response_format": SCHEMA}),
    ("chat/completions", CHAT | {"stop": [LONG]}),
    ("chat/completions", CHAT | {"messages": [{"role": LONG, "content": ""}]}),
    ("completions", COMPLETION | {"prompt": [10**400]}),
    ("embeddings", EMBEDDING | {"prompt_name": LONG}),
    ("completions", COMPLETION | {"prompt": ["a"] * 2_000_000}),
    ("completions", COMPLETION | {"prompt": [[1]] * 2_000_000}),
    ("completions", COMPLETION | {"prompt": ["a"] * 100, "n": 100}),
    ("embeddings", EMBEDDING | {"input": ["a"] * 2_000_000}),
    ("chat/completions", CHAT | {"messages": CHAT["messages"] * 20_000}),
    ("chat/completions", CHAT | {"images": ["AA=="] * 1_000_000}),
    ("chat/completions", CHAT | {"stop": ["a"] * 1_000_000}),
    ("models", REGISTRATION | {"path": LONG}),
    ("models", REGISTRATION | {"upstream": {"base_url": LONG, "model": "m"}}),
    ("models", REGISTRATION | {LONG: 1}),
    ("models/gc", {LONG: 1}),
    (f"models/{MODEL}/load", {LONG: 1}),
    ("models/pull", {"name": MODEL, "token": LONG}),
    (f"models/{MODEL}/load", {"isq": LONG}),
    (f"models/{MODEL}/load", {"num_ctx": 10**400}),
    (f"models/{MODEL}/load", {"kv_cache_type": LONG}),
    (f"models/{MODEL}/load", {"tensor_split": [1e308, 1e308]}),
]


@pytest.mark.parametrize(("route", "body"), BODIES, ids=[f"{i}" for i in range(len(BODIES))])
def test_large_values(api: httpx2.Client, route: str, body: dict[str, Any]) -> None:
    response = api.post(f"v1/{route}", json=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert len(error["message"]) < 800
    assert len(error.get("param", "")) <= 200


@pytest.mark.parametrize("number", [DIGITS, "1e400", "-1e400", "NaN", "Infinity"])
@pytest.mark.parametrize("field", ["keep_alive", "seed", "temperature", "user"])
def test_numbers_that_json_cannot_carry(api: httpx2.Client, field: str, number: str) -> None:
    body = json.dumps(CHAT)[:-1] + f', "{field}": {number}}}'
    headers = {"Content-Type": "application/json"}
    response = api.post("v1/chat/completions", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("path", [f"models/gc?force={'x' * 20_000}", "x" * 20_000])
def test_long_urls_are_not_quoted(api: httpx2.Client, path: str) -> None:
    response = api.delete(f"v1/{path}")
    assert response.status_code in (400, 404)
    assert len(response.json()["error"]["message"]) < 500


def raw_request(server: Server, head: str) -> bytes:
    """Send the head of a request and return what the server replies."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        text = f"{head}\r\nHost: {address.netloc}\r\nConnection: close\r\n"
        connection.sendall(f"{text}Authorization: Bearer {server.token}\r\n\r\n".encode())
        reply = b""
        while chunk := connection.recv(65536):
            reply += chunk
        return reply


@pytest.mark.parametrize("digits", [18, 19, 4300, 5000, 20_000])
def test_a_content_length_of_many_digits(fake_server: Server, digits: int) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {'9' * digits}"
    logged = fake_server.log.stat().st_size
    reply = raw_request(fake_server, head)
    assert reply.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))
    assert b"Traceback" not in fake_server.log.read_bytes()[logged:]
