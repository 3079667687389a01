"""Count and convert tokens on a real server, as llama.cpp's server and vLLM do, and in Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from a3s_power_jupyter.client import Client, connect
from a3s_power_jupyter.errors import InvalidParameter
from support.model_files import PNG
from support.servers import Server

MESSAGES = [{"role": "user", "content": "Grüße 🦙"}]


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as client:
        yield client


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with connect(server.url, server.token) as client:
        yield client


def weather(city: str) -> str:
    """Return the weather in a city."""
    return city


def post(api: httpx2.Client, path: str, body: dict[str, Any]) -> Any:
    reply = api.post(path, json=body)
    assert reply.status_code == 200, reply.text
    assert "X-Power-Ignored" not in reply.headers
    return reply.json()


def test_a_text_and_back(api: httpx2.Client, smollm2: str) -> None:
    vllm = post(api, "v1/tokenize", {"model": smollm2, "prompt": "Hello world"})
    assert vllm["count"] == len(vllm["tokens"]) == 2
    assert vllm["max_model_len"] >= 2048
    assert post(api, "tokenize", {"model": smollm2, "content": "Hello world"}) == vllm
    pieces = post(api, "tokenize", {"model": smollm2, "content": "é🦙", "with_pieces": True})
    assert pieces["tokens"][0]["piece"] == "é"
    assert [byte for row in pieces["tokens"][1:] for byte in row["piece"]] == [*"🦙".encode()]
    for path in ("v1/detokenize", "detokenize"):
        text = post(api, path, {"model": smollm2, "tokens": vllm["tokens"]})
        assert text == {"content": "Hello world", "prompt": "Hello world"}


def test_the_prompt_of_a_chat(api: httpx2.Client, smollm2: str) -> None:
    body = {"model": smollm2, "messages": MESSAGES}
    answer = post(api, "v1/chat/completions", {**body, "max_tokens": 1})
    rendered = post(api, "v1/chat/template", body)
    assert rendered["prompt"].endswith("Grüße 🦙<|im_end|>\n<|im_start|>assistant\n")
    assert rendered["prompt_tokens"] == answer["usage"]["prompt_tokens"]
    assert post(api, "apply-template", {**body, "max_tokens": 1}) == rendered
    tokens = post(api, "v1/tokenize", body)
    text = post(api, "v1/detokenize", {"model": smollm2, "tokens": tokens["tokens"]})
    assert text["prompt"] == rendered["prompt"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("v1/detokenize", {"tokens": [1, 49_152]}, "tokens"),
        ("v1/detokenize", {"tokens": [-1]}, "tokens"),
        ("v1/detokenize", {"tokens": ["a"]}, "tokens[0]"),
        ("v1/tokenize", {}, "prompt"),
        ("v1/tokenize", {"content": "a" * 20_000_000}, "content"),
        ("v1/chat/template", {"messages": []}, "messages"),
        ("v1/chat/template", {"messages": MESSAGES, "images": [PNG]}, "messages"),
    ],
)
def test_mistakes_name_the_field(
    api: httpx2.Client, smollm2: str, path: str, body: dict[str, Any], param: str
) -> None:
    reply = api.post(path, json={"model": smollm2, **body})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param


def test_the_python_client(client: Client, smollm2: str) -> None:
    tokens = client.tokenize(smollm2, "Hello <|im_end|>")
    assert client.detokenize(smollm2, tokens) == "Hello <|im_end|>"
    assert client.count_tokens(smollm2, "Hello <|im_end|>") == len(tokens)
    assert len(client.tokenize(smollm2, "Hello <|im_end|>", parse_special=False)) > len(tokens)
    answer = client.chat(smollm2, MESSAGES, tools=[weather], max_tokens=1)
    assert answer.usage is not None
    count = client.count_tokens(smollm2, MESSAGES, tools=[weather])
    assert count == answer.usage.prompt_tokens
    assert count > client.count_tokens(smollm2, MESSAGES)
    with pytest.raises(InvalidParameter, match="counted by itself"):
        client.count_tokens(smollm2, "Hello", tools=[weather])
    with pytest.raises(InvalidParameter, match="vocabulary"):
        client.detokenize(smollm2, [-1])
