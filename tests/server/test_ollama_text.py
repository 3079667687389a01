"""Chats, completions and embeddings of Ollama's API on a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.servers import Server

USER = {"role": "user", "content": "Say hello."}
CHAT = {"model": "smollm2", "messages": [USER], "options": {"num_predict": 4, "seed": 1}}
FAKE = {"model": "gc", "messages": [USER]}


@pytest.fixture
def fake(fake_server: Server) -> Iterator[httpx2.Client]:
    with fake_server.api() as client:
        yield client


@pytest.fixture
def api(server: Server, smollm2: str) -> Iterator[httpx2.Client]:
    with server.api() as client:
        yield client


def lines(reply: httpx2.Response) -> list[dict[str, Any]]:
    assert reply.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in reply.iter_lines()]


# ---------------------------------------------------------------- bodies and errors


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_bodies_are_json_whatever_their_type(fake: httpx2.Client, kind: str | None) -> None:
    """As ``curl -d`` sends them in the examples of Ollama's documentation."""
    headers = {"Content-Type": kind} if kind else {}
    reply = fake.post("api/chat", content=json.dumps(FAKE), headers=headers)
    assert "".join(line["message"]["content"] for line in lines(reply)) == "Hello"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_forms_of_other_pages_are_refused(fake_server: Server, kind: str) -> None:
    with fake_server.client() as browser:
        browser.get("login")
        form = {"password": fake_server.token, "_xsrf": browser.cookies["_xsrf"]}
        browser.post("login", data=form)
        for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            reply = browser.post(
                "api/chat", content=json.dumps(FAKE), headers={"Content-Type": kind, **headers}
            )
            assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")


def test_errors_have_the_shape_of_ollama(fake: httpx2.Client) -> None:
    reply = fake.post("api/chat", json=FAKE | {"model": "nope"})
    error = reply.json()
    assert (reply.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert error["error"].startswith("model 'nope' not found")
    reply = fake.post("api/generate", json={"model": "busy", "prompt": "Hi"})
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "7")
    assert reply.json()["error"] == "Come back later."
    reply = fake.post("api/embed", content="{")
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_json")


def test_an_error_is_the_last_line_of_a_stream(fake: httpx2.Client) -> None:
    first, last = lines(fake.post("api/generate", json={"model": "dies", "prompt": "Hi"}))
    assert first["response"] == "Hello"
    assert last == {
        "error": "The worker died of signal 9.",
        "type": "server_error",
        "code": "worker_died",
    }
    reply = fake.post("api/generate", json={"model": "dies", "prompt": "Hi", "stream": False})
    assert (reply.status_code, reply.json()["code"]) == (503, "worker_died")


def test_embeddings_of_both_routes(fake: httpx2.Client) -> None:
    reply = fake.post("api/embed", json={"model": "gc", "input": "a", "options": {"num_ctx": 9}})
    assert reply.json()["embeddings"] == [[1, 0]]
    assert reply.headers["X-Power-Ignored"] == "options"
    assert fake.post("api/embeddings", json={"model": "gc", "prompt": "a"}).json() == {
        "embedding": [1, 0]
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("v1/chat/completions", {"messages": [USER]}),
        ("v1/completions", {"prompt": "a"}),
        ("v1/embeddings", {"input": "a"}),
        ("v1/responses", {"input": "a"}),
        ("v1/messages", {"messages": [USER], "max_tokens": 9}),
    ],
)
def test_names_of_lists_are_found_in_all_dialects(
    fake: httpx2.Client, path: str, body: dict[str, Any]
) -> None:
    assert fake.post(path, json=body | {"model": "gc:latest"}).is_success
    assert fake.get("v1/models/gc:latest").json()["id"] == "gc"
    assert fake.post(path, json=body | {"model": "gc:8b"}).status_code == 404


# ---------------------------------------------------------------- a real model


def test_a_chat_streams_and_is_the_same_as_a_whole(api: httpx2.Client) -> None:
    streamed = lines(api.post("api/chat", json=CHAT))
    whole = api.post("api/chat", json=CHAT | {"stream": False, "model": "smollm2:latest"})
    assert [line["done"] for line in streamed] == [False] * (len(streamed) - 1) + [True]
    text = "".join(line["message"]["content"] for line in streamed)
    assert whole.json()["message"] == {"role": "assistant", "content": text}
    for last in (streamed[-1], whole.json()):
        assert (last["done_reason"], last["eval_count"]) == ("length", 4)
        parts = ("load_duration", "prompt_eval_duration", "eval_duration")
        assert 0 < sum(last[part] for part in parts) <= last["total_duration"]


def test_a_prompt_is_the_chat_of_one_message(api: httpx2.Client) -> None:
    body = {"model": "smollm2", "prompt": "Say hello.", "options": {"temperature": 0}}
    body["options"] |= {"num_predict": 4}  # type: ignore[operator]
    chat = api.post("api/chat", json=CHAT | {"stream": False, "options": body["options"]}).json()
    reply = api.post("api/generate", json=body | {"stream": False}).json()
    assert reply["response"] == chat["message"]["content"]
    assert reply["prompt_eval_count"] == chat["prompt_eval_count"]
    raw = api.post("api/generate", json=body | {"stream": False, "raw": True}).json()
    assert raw["prompt_eval_count"] < reply["prompt_eval_count"]


def test_a_model_is_loaded_and_unloaded_without_a_prompt(api: httpx2.Client) -> None:
    for path in ("api/chat", "api/generate", "api/embed"):
        reply = api.post(path, json={"model": "smollm2"})
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.json().get("done_reason", "load") == "load"
        assert state(api) == "loaded"
        reply = api.post(path, json={"model": "smollm2", "keep_alive": 0})
        assert reply.json().get("done_reason", "unload") == "unload"
        assert state(api) == "unloaded"


def test_a_model_in_use_is_unloaded_when_it_is_idle(api: httpx2.Client) -> None:
    body = CHAT | {"options": {"num_predict": 200, "seed": 1}}
    with api.stream("POST", "api/chat", json=body) as stream:
        received = stream.iter_lines()
        next(received)
        reply = api.post("api/generate", json={"model": "smollm2", "keep_alive": 0})
        assert reply.json()["done_reason"] == "unload"
        *_, last = received
    assert json.loads(last)["done"]
    for _ in range(600):
        if state(api) == "unloaded":
            break
        time.sleep(0.1)
    assert state(api) == "unloaded"


def test_a_model_without_thoughts_is_not_asked_to_think(api: httpx2.Client) -> None:
    reply = api.post("api/chat", json=CHAT | {"think": True})
    assert (reply.status_code, reply.json()["param"]) == (400, "think")
    assert api.post("api/chat", json=CHAT | {"think": False}).is_success


def state(api: httpx2.Client) -> str:
    return str(api.get("v1/models/smollm2").json()["state"])
