"""Errors in the shape of each dialect, with our code inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support import servers
from support.servers import Server, error_code, error_message

HI = [{"role": "user", "content": "Hi"}]

#: A valid request to each route that runs a model, without the model.
OPENAI = {
    "v1/chat/completions": {"messages": HI},
    "v1/completions": {"prompt": "Hi"},
    "v1/embeddings": {"input": "Hi"},
    "v1/responses": {"input": "Hi"},
    "v1/responses/input_tokens": {"input": "Hi"},
    "v1/rerank": {"query": "Hi", "documents": ["Hi"]},
    "v1/tokenize": {"content": "Hi"},
    "v1/detokenize": {"tokens": [1]},
    "v1/chat/template": {"messages": HI},
}
ANTHROPIC = {
    "v1/messages": {"messages": HI, "max_tokens": 5},
    "v1/messages/count_tokens": {"messages": HI},
}
OLLAMA = {
    "api/chat": {"messages": HI},
    "api/generate": {"prompt": "Hi"},
    "api/embed": {"input": "Hi"},
    "api/embeddings": {"prompt": "Hi"},
}
ROUTES: dict[str, dict[str, Any]] = OPENAI | ANTHROPIC | OLLAMA
#: Those with streams.
STREAMS = (
    "v1/chat/completions",
    "v1/completions",
    "v1/responses",
    "v1/messages",
    "api/chat",
    "api/generate",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("errors")
    with servers.run_server(folder, "--PowerApp.max_request_mb=1", fake=True) as running:
        yield running


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as client:
        yield client


def check_shape(path: str, body: Any) -> None:
    """Check that an error has the members that the dialect's clients look for, and ours."""
    if path.startswith("api/"):
        assert isinstance(body["error"], str)
        assert isinstance(body["code"], str)
        return
    error = body["error"]
    assert {"message", "type", "code"} <= set(error)
    assert set(error) <= {"message", "type", "code", "param", "retry_after", "details"}
    if path.startswith("v1/messages"):
        assert body["type"] == "error"
        assert error["type"] in ANTHROPIC_TYPES
    elif path == "v1/rerank":  # Cohere's and Jina's clients show these
        assert body["message"] == body["detail"] == error["message"]
    else:
        assert set(body) == {"error"}


#: https://platform.claude.com/docs/en/api/errors
ANTHROPIC_TYPES = {
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
}


def failed(path: str, reply: httpx2.Response) -> tuple[int, str]:
    """Return the status and the code of an error, after a check of its shape."""
    assert reply.headers["Content-Type"] == "application/json"
    check_shape(path, reply.json())
    assert error_message(reply)
    return reply.status_code, error_code(reply)


@pytest.mark.parametrize("path", ROUTES)
def test_errors_before_the_reply_have_a_status(
    server: Server, api: httpx2.Client, path: str
) -> None:
    valid = ROUTES[path] | {"model": "silent"}
    with server.client() as stranger:
        assert failed(path, stranger.post(path, json=valid)) == (401, "unauthorized")
    json_type = {"Content-Type": "application/json"}
    replies = {
        "invalid_json": api.post(path, content=b'{"model": ', headers=json_type),
        "body_too_large": api.post(path, json=valid | {"x": "x" * 2**21}),
        "model_not_found": api.post(path, json=valid | {"model": "missing"}),
        "invalid_parameter": api.post(path, json=valid | {"model": 5}),
        "method_not_allowed": api.put(path, json=valid),
    }
    if path not in OLLAMA:  # whose bodies are JSON whatever their type is
        replies["unsupported_media_type"] = api.post(
            path, content=json.dumps(valid), headers={"Content-Type": "text/plain"}
        )
    statuses = {"unsupported_media_type": 415, "body_too_large": 413, "model_not_found": 404}
    statuses["method_not_allowed"] = 405
    for code, reply in replies.items():
        assert failed(path, reply) == (statuses.get(code, 400), code)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", STREAMS)
def test_errors_of_the_model(api: httpx2.Client, path: str, stream: bool) -> None:
    body = ROUTES[path] | {"stream": stream}
    busy = api.post(path, json=body | {"model": "busy"})
    assert failed(path, busy) == (503, "server_busy")
    assert busy.headers["Retry-After"] == "7"
    assert failed(path, api.post(path, json=body | {"model": "bug"})) == (500, "internal_error")
    long = api.post(path, json=body | {"model": "long"})
    assert failed(path, long) == (400, "context_length_exceeded")


@pytest.mark.parametrize("path", STREAMS)
def test_a_worker_that_dies_during_a_stream(api: httpx2.Client, path: str) -> None:
    reply = api.post(path, json=ROUTES[path] | {"model": "dies", "stream": True})
    assert reply.status_code == 200
    assert "Hello" in reply.text
    last = reply.text.rstrip().splitlines()[-1].removeprefix("data: ")
    error = json.loads(last)
    if path == "v1/responses":
        assert error["type"] == "response.failed"
        assert error["response"]["status"] == "failed"
        assert error["response"]["error"]["message"]
    else:
        check_shape(path, error)
    assert "worker_died" in last
    if path == "v1/messages":
        assert "event: error\n" in reply.text


@pytest.mark.parametrize("path", ["v1/nope", "v1/responses/a/b/c", "v1/messages/nope", "api/nope"])
def test_unknown_routes(server: Server, api: httpx2.Client, path: str) -> None:
    reply = api.post(path, json={})
    assert reply.status_code == 404
    if not path.startswith("api/"):  # Jupyter's
        assert failed(path, reply) == (404, "route_not_found")
        with server.client() as stranger:
            assert failed(path, stranger.post(path, json={})) == (401, "unauthorized")
