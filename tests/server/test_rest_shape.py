"""Requests and replies of the REST API, on a real server with `FakeService`."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from support.model_files import PNG
from support.servers import Server, events_of

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def api(fake_server: Server) -> Any:
    with fake_server.api() as client:
        yield client


def error(response: httpx2.Response) -> tuple[int, str, str | None]:
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) <= {"message", "type", "code", "param", "retry_after"}
    assert "Traceback" not in body["error"]["message"]
    return response.status_code, body["error"]["code"], body["error"].get("param")


# ---------------------------------------------------------------- models


def test_list(api: httpx2.Client) -> None:
    body = api.get("v1/models").json()
    assert body["object"] == "list"
    ids = [model["id"] for model in body["data"]]
    assert ids == sorted(ids)
    assert len(ids) == 10


def test_register(api: httpx2.Client) -> None:
    response = api.post("v1/models", json={"name": "new", "path": "/m.gguf"})
    assert response.status_code == 201
    assert response.json()["id"] == "new"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("org/repo:Q4_K_M", "org/repo:Q4_K_M"),
        ("org%2Frepo:Q4_K_M", "org/repo:Q4_K_M"),
        ("org%2Frepo%3AQ4_K_M", "org/repo:Q4_K_M"),
        ("gc", "gc"),
        ("%70ull", "pull"),
        ("a%2Fload", "a/load"),
    ],
)
def test_names_in_paths(api: httpx2.Client, path: str, name: str) -> None:
    assert api.get(f"v1/models/{path}").json()["id"] == name
    assert api.delete(f"v1/models/{path}").json() == {
        "deleted": True,
        "id": name,
        "object": "model",
        "freed_bytes": 1,
    }
    assert api.post(f"v1/models/{path}/pin").json()["id"] == name


def test_an_action_takes_precedence_over_a_name(api: httpx2.Client) -> None:
    assert error(api.get("v1/models/a/load")) == (405, "method_not_allowed", None)
    assert error(api.post("v1/models/a/load")) == (404, "model_not_found", "model")


def test_force(api: httpx2.Client) -> None:
    assert api.delete("v1/models/gc?force=true").json()["freed_bytes"] == 1000
    assert api.delete("v1/models/gc?force=0").json()["freed_bytes"] == 1
    assert error(api.delete("v1/models/gc?force=yes")) == (400, "invalid_parameter", "force")


def test_garbage(api: httpx2.Client) -> None:
    body = api.post("v1/models/gc", json={"dry_run": True}).json()
    assert (body["dry_run"], body["freed_bytes"], len(body["removed"])) == (True, 12, 2)
    assert api.post("v1/models/gc").json()["dry_run"] is False


def test_load_waits_or_streams(api: httpx2.Client) -> None:
    body = {"keep_alive": "1h", "num_ctx": 512, "isq": "q4_k"}
    assert api.post("v1/models/gc/load", json=body).json()["id"] == "gc"
    called = api.get("v1/health").json()["calls"]
    assert ["gc", {"num_ctx": 512, "isq": "Q4K"}, 3600.0] in called
    streamed = api.post("v1/models/gc/load", headers={"Accept": "text/event-stream"})
    assert streamed.headers["Content-Type"] == "text/event-stream"
    first, last = events_of(streamed)
    assert first == {"status": "loading", "progress": 0.5}
    assert last["status"] == "success"
    assert last["model"]["id"] == "gc"  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"isq": "Q9"}, (400, "invalid_isq", "isq")),
        ({"num_ctx": 1}, (400, "invalid_parameter", "num_ctx")),
        ({"temperature": 1}, (400, "invalid_parameter", "temperature")),
        ({"keep_alive": "soon"}, (400, "invalid_keep_alive", "keep_alive")),
        ({"keep_alive": [1]}, (400, "invalid_keep_alive", "keep_alive")),
    ],
)
def test_invalid_loads(api: httpx2.Client, body: dict[str, Any], expected: Any) -> None:
    assert error(api.post("v1/models/gc/load", json=body)) == expected


def test_a_load_that_fails_late(api: httpx2.Client) -> None:
    assert error(api.post("v1/models/dies/load")) == (503, "worker_died", None)
    streamed = api.post("v1/models/dies/load", headers={"Accept": "text/event-stream"})
    assert streamed.status_code == 200
    *_, last = events_of(streamed)
    assert last["status"] == "error"
    assert last["error"]["code"] == "worker_died"  # type: ignore[index]


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "body", [b"{", b'{"name": "a",}', b"\xff", b'{"name": "\xff"}', b"[" * 100_000, b"[1]", b"3"]
)
def test_bodies_that_are_not_json_objects(api: httpx2.Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = api.post("v1/models", content=body, headers=headers)
    assert error(response) == (400, "invalid_json", None)


def test_the_position_of_a_syntax_error_is_reported(api: httpx2.Client) -> None:
    headers = {"Content-Type": "application/json"}
    response = api.post("v1/models", content=b'{"name": "a",}', headers=headers)
    assert "byte 13" in response.json()["error"]["message"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_content_types_of_json(api: httpx2.Client, kind: str) -> None:
    body = b'{"name": "a", "path": "/x"}'
    headers = {"Content-Type": kind}
    assert api.post("v1/models", content=body, headers=headers).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "text/plain"}],
)
def test_other_content_types(api: httpx2.Client, headers: dict[str, str]) -> None:
    response = api.post("v1/models", content=b'{"name": "a"}', headers=headers)
    assert error(response) == (415, "unsupported_media_type", None)


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(fake_server: Server) -> None:
    address = urlsplit(fake_server.url)
    head = (
        "POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {fake_server.token}\r\nContent-Length: {33 * 2**20}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert '"body_too_large"' in answer


def test_a_chunked_body_that_is_too_large(api: httpx2.Client) -> None:
    def chunks() -> Any:
        yield from (b" " * 2**20 for _ in range(33))

    response = api.post("v1/models", content=chunks(), headers={"Content-Type": "application/json"})
    assert error(response) == (413, "body_too_large", None)


# ---------------------------------------------------------------- routes and verbs


def test_unknown_routes(api: httpx2.Client) -> None:
    for path in ("v1", "v1/", "v1/nope", "v1/models/", "v1/chat"):
        assert error(api.get(path)) == (404, "route_not_found", None), path


def test_wrong_verbs(api: httpx2.Client) -> None:
    response = api.put("v1/models", json={})
    assert error(response) == (405, "method_not_allowed", None)
    assert response.headers["Allow"] == "GET, POST, HEAD"
    assert error(api.get("v1/chat/completions")) == (405, "method_not_allowed", None)


def test_an_invalid_path(api: httpx2.Client) -> None:
    assert error(api.get("v1/models/%FF"))[0] == 400


# ---------------------------------------------------------------- inference


def chat(api: httpx2.Client, model: str, **fields: Any) -> httpx2.Response:
    return api.post("v1/chat/completions", json={"model": model, **CHAT, **fields})


def test_errors_of_the_service(api: httpx2.Client) -> None:
    assert error(chat(api, "nope")) == (404, "model_not_found", "model")
    assert error(chat(api, "dies")) == (503, "worker_died", None)
    assert error(chat(api, "nope", stream=True)) == (404, "model_not_found", "model")
    busy = chat(api, "busy", stream=True)
    assert error(busy) == (503, "server_busy", None)
    assert busy.headers["Retry-After"] == "7"


def test_a_request_that_is_refused_is_one_line_of_the_log(
    api: httpx2.Client, fake_server: Server
) -> None:
    before = len(fake_server.log.read_text())
    assert chat(api, "busy").status_code == 503
    (line,) = fake_server.log.read_text()[before:].splitlines()
    assert line.startswith("[W ")
    assert "POST /v1/chat/completions: server_busy: " in line


def test_a_bug_is_logged_and_not_shown_to_the_client(
    api: httpx2.Client, fake_server: Server
) -> None:
    response = chat(api, "bug")
    assert error(response) == (500, "internal_error", None)
    assert "secret" not in response.text
    log = fake_server.log.read_text()
    assert "RuntimeError: secret of the server [redacted]" in log
    assert fake_server.token not in log


def test_a_stream(api: httpx2.Client) -> None:
    response = chat(api, "gc", stream=True, stream_options={"include_usage": True})
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    blocks = response.text.split("\n\n")
    assert blocks.pop() == ""
    assert blocks.pop() == "data: [DONE]"
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    chunks = [json.loads(block.removeprefix("data: ")) for block in blocks]
    assert [len(chunk["choices"]) for chunk in chunks] == [1, 1, 1, 0]


def test_an_error_in_a_stream_is_its_last_event(api: httpx2.Client) -> None:
    response = chat(api, "dies", stream=True)
    assert response.status_code == 200
    *_, last = events_of(response)
    assert last["error"]["code"] == "worker_died"  # type: ignore[index]
    assert "[DONE]" not in response.text


def test_several_choices(api: httpx2.Client) -> None:
    whole = chat(api, "gc", n=3).json()
    assert [choice["message"]["content"] for choice in whole["choices"]] == ["Hello"] * 3
    chunks = list(events_of(chat(api, "gc", n=3, stream=True)))
    assert {chunk["choices"][0]["index"] for chunk in chunks} == {0, 1, 2}  # type: ignore[index]
    assert error(chat(api, "dies", n=2)) == (503, "worker_died", None)


def test_completions_and_embeddings(api: httpx2.Client) -> None:
    completion = api.post("v1/completions", json={"model": "gc", "prompt": ["a", "b"]}).json()
    assert [choice["text"] for choice in completion["choices"]] == ["Hello", "Hello"]
    embedding = api.post("v1/embeddings", json={"model": "gc", "input": "a"}).json()
    assert embedding["data"][0]["embedding"] == [1.0, 0.0]


def test_the_manifest_of_a_request_is_looked_up_once(api: httpx2.Client) -> None:
    def lookups() -> int:
        return int(api.get("v1/health").json()["lookups"])

    before = lookups()
    assert chat(api, "gc", n=3).status_code == 200
    assert lookups() == before + 1


@pytest.mark.parametrize("name", [None, "", 3])
def test_a_request_must_name_a_model(api: httpx2.Client, name: Any) -> None:
    assert error(chat(api, name)) == (400, "invalid_parameter", "model")


def test_an_image_requires_vision(api: httpx2.Client) -> None:
    response = chat(api, "gc", images=[PNG])
    assert error(response) == (400, "invalid_parameter", "messages")
    assert "does not support images" in response.json()["error"]["message"]
