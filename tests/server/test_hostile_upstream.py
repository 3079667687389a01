"""Whatever an upstream replies, the client gets the reply or an error of the contract."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, get_args

import httpx2
import pytest

from a3s_power_jupyter.contract.errors import BY_CODE
from support.hostile_http import REDIRECTS, WRONG, as_json, mutations, reply, running
from support.hostile_upstream import (
    DONE,
    MODEL,
    HostileUpstream,
    Kind,
    chat,
    chunk,
    embeddings,
    event,
    events,
    models,
)
from support.servers import Server, run_server

#: Fewer values than for the hub, since most of them are passed on without being read.
VALUES = [
    None, True, -1, 1.5, 2**64, "@digits@", "@nested@", "x", "\0", "x" * 100_000, [], [None], {},
    {"a": 1},
]  # fmt: skip

STREAMS = [
    events(),
    events(DONE),
    events(b"data: {\n\n", DONE),
    events(b"data: \xff\xfe\n\n", DONE),
    events(b'data: {"choices": "\\ud800"}\n\n', DONE),
    events(b"data: " + b"[" * 100_000 + b"\n\n", DONE),
    events(b"data: null\n\ndata: []\n\ndata: 5\n\n", DONE),
    events(b"\0\0\0\n\n", event(chunk()), DONE),
    events(b"data: \0\n\n", DONE),
    events(b"event: error\nid: \xff\nretry: " + b"9" * 5000 + b"\n\n", event(chunk()), DONE),
    events(event({"error": {"message": ["no", "text"]}})),
    events(event({"error": "x" * 1_000_000})),
    events(event({"error": {"message": "\x1b[31mred\0", "code": 10**30}})),
    events(event(chunk()), b"data: {}"),
    events(b"data: " + b"x" * 20_000_000),
    events(b":" + b" " * 20_000_000),
    events(b"\n" * 1_000_000, event(chunk()), DONE),
    events(b"data:\n" * 4_000_000),
    events(event(chunk())).replace(b"text/event-stream", b"text/event-stream; charset=\xff"),
    events(event(chunk())).replace(b"text/event-stream", b"application/json"),
    events(event(chunk())).replace(b"text/event-stream", b""),
    reply(as_json(chat())),
]

ERRORS = [
    reply(as_json(value), f"{status} No")
    for status in (400, 401, 429, 500)
    for value in (
        *VALUES,
        {
            "error": {
                "message": "\x1b[31mred\0\u202e",
                "code": "context_length_exceeded",
                "param": 5,
            }
        },
        {"error": {"message": ["a"], "code": ["a"], "param": {}}},
        {"error": {"code": "context_length_exceeded"}},
        {"detail": [{"msg": "x" * 1000}] * 1000},
    )
]

TABLE: list[tuple[Kind, bytes]] = [
    *(("models", reply(as_json(value))) for value in mutations(models(), VALUES)),
    *(("chat", reply(as_json(value))) for value in mutations(chat(), VALUES)),
    *(("embeddings", reply(as_json(value))) for value in mutations(embeddings(), VALUES)),
    *(("stream", events(event(value), DONE)) for value in mutations(chunk(), VALUES)),
    *(("stream", raw) for raw in STREAMS),
    *((kind, raw) for kind in ("models", "chat") for raw in ERRORS),
    *((kind, raw) for kind in get_args(Kind) for raw in (*WRONG, *REDIRECTS[:6])),
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[HostileUpstream]:
    with running(HostileUpstream()) as hostile:
        yield hostile


@pytest.fixture(scope="module")
def front(upstream: HostileUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("front")
    with run_server(folder, "--PowerApp.remote_timeout=5", headless=True) as server:
        target = {"base_url": f"{upstream.url}/v1", "model": MODEL}
        body = {"name": "far", "format": "remote", "upstream": target}
        with server.api() as api:
            assert api.post("v1/models", json=body).status_code == 201
        yield server


def send(api: httpx2.Client, kind: Kind) -> httpx2.Response:
    if kind == "models":
        return api.post("v1/models/far/load", json={})
    if kind == "embeddings":
        return api.post("v1/embeddings", json={"model": "far", "input": "hi"})
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": "far", "messages": messages, "stream": kind == "stream"}
    return api.post("v1/chat/completions", json=body)


def problem_of(response: httpx2.Response) -> str:
    """Return what is wrong with a reply to a client; empty if nothing is."""
    body: Any = {}
    if response.headers["Content-Type"].startswith("text/event-stream"):
        last = response.content.rstrip(b"\n").rpartition(b"\n\n")[2]
        if last != b"data: [DONE]":
            body = httpx2.Response(200, content=last.removeprefix(b"data: ")).json()
    elif response.status_code != 200:
        body = response.json()
    if response.status_code == 200 and "error" not in body:
        return ""
    error = body["error"]
    known = BY_CODE[error["code"]]
    if known.status == 500 or response.status_code not in (200, known.status):
        return f"{response.status_code} {error}"
    return f"long: {error}"[:300] if len(error["message"]) > 1000 else ""


def test_any_reply_leads_to_a_reply_or_to_an_error_of_the_contract(
    front: Server, upstream: HostileUpstream
) -> None:
    wrong = []
    with front.api() as api:
        for kind, raw in TABLE:
            upstream.replies = {kind: raw}
            started = time.monotonic()
            try:
                problem = problem_of(send(api, kind))
            except Exception as error:
                problem = repr(error)[:300]
            if time.monotonic() - started > 30:
                problem += " too slow"
            if problem:
                wrong.append((kind, raw[:200], problem))
        assert not wrong, "\n".join(map(str, wrong))
        upstream.replies = {}
        for kind in get_args(Kind):
            assert send(api, kind).status_code == 200
        assert api.get("v1/models/far").json()["state"] == "loaded"
        assert "power_inference_tokens_total" in api.get("metrics").text
    assert "Traceback" not in front.log.read_text()
