"""Two turns of conversations with a model on transformers, in real server and worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.servers import Server, run_server
from support.tiny_models import byte_level, make

MODEL = "tiny"
TEXT = "Numbers such as 12 and 345 and spaces are words too; don't forget them! " * 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("warm")
    directory = make(
        folder / "model", "LlamaConfig", byte_level("gpt-2"), max_position_embeddings=2048
    )
    with run_server(folder, headless=True) as server, server.api() as api:
        body = {"name": MODEL, "path": str(directory), "default_parameters": {"isq": "none"}}
        reply = api.post("v1/models", json=body)
        assert reply.status_code == 201, reply.text
        yield server


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as api:
        yield api


def ask(api: httpx2.Client, messages: list[dict[str, str]], **fields: Any) -> tuple[str, int, int]:
    """Return the answer, the number of prompt tokens, and how many of them were cached."""
    body = {"model": MODEL, "messages": messages, "max_tokens": 12, "temperature": 0, **fields}
    reply = api.post("v1/chat/completions", json=body)
    assert reply.status_code == 200, reply.text
    usage = reply.json()["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return reply.json()["choices"][0]["message"]["content"], usage["prompt_tokens"], cached


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def test_the_second_turn_of_each_conversation_is_cached(api: httpx2.Client) -> None:
    chats = [[user(f"{name}. {TEXT}")] for name in ("First", "Second")]
    lengths = []
    for messages in chats:
        answer, prompt_tokens, cached = ask(api, messages)
        assert cached < 20
        lengths.append(prompt_tokens)
        messages += [{"role": "assistant", "content": answer}, user("And then?")]
    for messages, first in zip(chats, lengths, strict=True):
        _, prompt_tokens, cached = ask(api, messages)
        assert first - 20 < cached < prompt_tokens


def test_a_seed_gives_the_same_text_with_a_warm_cache(api: httpx2.Client) -> None:
    messages = [user(f"Third. {TEXT}")]
    answer, prompt_tokens, cached = ask(api, messages, temperature=1, seed=7)
    assert cached == 0
    ask(api, [user(f"Fourth. {TEXT}")])
    again, _, cached = ask(api, messages, temperature=1, seed=7)
    assert again == answer
    assert prompt_tokens - 128 <= cached < prompt_tokens
    api.post(f"v1/models/{MODEL}/unload").raise_for_status()
    assert ask(api, messages, temperature=1, seed=7) == (answer, prompt_tokens, cached)
