"""Completions that fill in the middle, and what a client that leaves costs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support import tiny_fim
from support.servers import Server, run_server
from support.waiting import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a model that fills in a known text, and one that never ends."""
    folder = tmp_path_factory.mktemp("fill_in")
    with run_server(folder, headless=True) as running:
        with running.api() as api:
            tiny_fim.write_model(folder / "fim.gguf")
            tiny_fim.write_model(folder / "endless.gguf", endless=True, fillers=50_000)
            for name in ("fim", "endless"):
                body = {
                    "name": name,
                    "path": str(folder / f"{name}.gguf"),
                    "default_parameters": {"num_parallel": 1},
                }
                api.post("v1/models", json=body).raise_for_status()
        yield running


def complete(api: httpx2.Client, **body: Any) -> dict[str, Any]:
    reply = api.post("v1/completions", json={"model": "fim", "temperature": 0, **body})
    reply.raise_for_status()
    return dict(reply.json())


def test_the_text_between_two_others(server: Server) -> None:
    with server.api() as api:
        assert "fill_in" in api.get("v1/models/fim").json()["capabilities"]
        reply = complete(api, prompt="x = ", suffix="\ny")
        assert reply["choices"][0]["text"] == tiny_fim.TEXT
        assert complete(api, prompt="x = ")["choices"][0]["text"] == tiny_fim.PLAIN
        shown = api.post("api/show", json={"model": "fim"}).json()
        assert "insert" in shown["capabilities"]


def test_a_further_key_reads_only_the_suffix_again(server: Server) -> None:
    before = "value = compute(1, 2)\n" * 20
    with server.api() as api:
        complete(api, prompt=before, suffix="\ny")
        usage = complete(api, prompt=before + "v", suffix="\ny")["usage"]
        assert usage["prompt_tokens"] == len(before) + 1 + 2 + 3
        # All but the new letter, the suffix and its two special tokens.
        assert usage["prompt_tokens_details"]["cached_tokens"] == 1 + len(before)


def test_a_client_that_leaves_frees_the_only_slot(server: Server) -> None:
    body = {"model": "endless", "max_tokens": 4000, "temperature": 0, "stream": True}
    with server.api() as api:
        for number in range(10):
            request = {**body, "prompt": f"x{number} = ", "suffix": "\n"}
            with api.stream("POST", "v1/completions", json=request) as reply:
                lines = reply.iter_lines()  # closes the connection when it is collected
                line = next(lines)
                assert json.loads(line.removeprefix("data: "))["choices"][0]["text"] == "one"
                assert api.get("v1/models/endless").json()["requests_running"] == 1
        # It would wait here for 40,000 tokens.
        last = {**body, "prompt": "x = ", "suffix": "\n", "max_tokens": 2, "stream": False}
        api.post("v1/completions", json=last, timeout=15).raise_for_status()
        wait_until(lambda: api.get("v1/models/endless").json()["requests_running"] == 0)
