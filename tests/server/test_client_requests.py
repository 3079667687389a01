"""What clients send beside OpenAI's fields, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.servers import Server

MESSAGES = [{"role": "user", "content": "Hello"}]
BODIES: dict[str, dict[str, Any]] = {
    "v1/chat/completions": {"model": "gc", "messages": MESSAGES},
    "v1/completions": {"model": "gc", "prompt": "Hello"},
    "v1/embeddings": {"model": "gc", "input": "Hello"},
}
GENERATIONS = sorted(set(BODIES) - {"v1/embeddings"})


@pytest.fixture
def api(fake_server: Server) -> Iterator[httpx2.Client]:
    with fake_server.api() as client:
        yield client


@pytest.mark.parametrize("path", sorted(BODIES))
def test_ignored_fields_are_named(api: httpx2.Client, path: str) -> None:
    body = BODIES[path]
    assert "X-Power-Ignored" not in api.post(path, json=body).headers
    reply = api.post(
        path, json=body | {"options": {"num_ctx": 5}, "cache_prompt": None, "user": "ada"}
    )
    assert reply.status_code == 200
    assert reply.headers["X-Power-Ignored"] == "options, user"


@pytest.mark.parametrize("path", GENERATIONS)
def test_ignored_fields_of_a_stream_are_named(api: httpx2.Client, path: str) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    body = BODIES[path] | {"stream": True, "stream_options": options}
    reply = api.post(path, json=body)
    assert reply.headers["X-Power-Ignored"] == "stream_options.continuous_usage_stats"
    assert reply.text.endswith("data: [DONE]\n\n")


def test_a_name_cannot_add_headers(api: httpx2.Client) -> None:
    body = BODIES["v1/completions"] | {"a\r\nSet-Cookie: b=c": 1, "é, \0": 2}
    reply = api.post("v1/completions", json=body)
    assert reply.status_code == 200
    assert reply.headers["X-Power-Ignored"] == "a%0D%0ASet-Cookie%3A%20b%3Dc, %C3%A9%2C%20%00"
    assert not any(cookie.startswith("b=") for cookie in reply.headers.get_list("Set-Cookie"))


def test_many_ignored_fields(api: httpx2.Client) -> None:
    body = BODIES["v1/completions"] | {f"field-{i}-" + "x" * i: i for i in range(2000)}
    reply = api.post("v1/completions", json=body)
    assert reply.status_code == 200
    assert reply.headers["X-Power-Ignored"].endswith(", ...")


@pytest.mark.parametrize("path", ["v1/models", "v1/models/pull", "v1/models/gc/load"])
def test_other_routes_refuse_unknown_fields(api: httpx2.Client, path: str) -> None:
    reply = api.post(path, json={"name": "gc", "num_ctxx": 1})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_parameter")


@pytest.mark.parametrize("path", sorted(BODIES))
def test_a_byte_order_mark(api: httpx2.Client, path: str) -> None:
    content = b"\xef\xbb\xbf" + httpx2.Request("POST", "http://x", json=BODIES[path]).content
    reply = api.post(path, content=content, headers={"Content-Type": "application/json"})
    assert reply.status_code == 200
