"""Remote models: with a fake upstream that fails on demand, and with a real second server."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import a3s_power_jupyter
from a3s_power_jupyter.client import Reading
from support.remote_requests import MESSAGES, ask, register, stream
from support.servers import Server, events_of, run_server, written_by
from support.upstream_answers import KEY, WEATHER
from support.upstream_server import Upstream, run_upstream

QUESTION = "What is the capital city of France? Answer in one short English sentence."


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with run_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def front(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with every model of the fake upstream, under the prefix ``far/``."""
    environ = {"UPSTREAM_KEY": f" {KEY}\n", "WRONG_KEY": "sk-other", "BROKEN_KEY": "sk-two\nlines"}
    folder = tmp_path_factory.mktemp("front")
    argv = ("--PowerApp.remote_timeout=1.5", "--debug")
    with run_server(folder, *argv, headless=True, environ=environ) as server:
        register(server, upstream.url, "echo", "waits", "endless", "breaks", "ends_early")
        register(server, upstream.url, "error_event", "busy", "html", "no_json", "too_long")
        register(server, upstream.url, "wrong", "silent", "redirects", "missing")
        register(server, upstream.url, "too_long_for_a_stream", "fails_in_streams")
        register(server, upstream.url, "quotes_key", "quotes_key_late", "no_gzip")
        register(server, upstream.url, "busy_for_ages", "huge_usage")
        yield server


@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_that_leads_back_to_itself_ends_with_an_error(
    tmp_path: Path, streamed: bool
) -> None:
    with run_server(tmp_path, headless=True, environ={"OWN_KEY": "own"}, token="own") as server:
        with server.api() as api:
            upstream = {"base_url": f"{server.url}v1", "model": "loop", "api_key_env": "OWN_KEY"}
            body: dict[str, Any] = {"name": "loop", "format": "remote", "upstream": upstream}
            api.post("v1/models", json=body).raise_for_status()
            body = {"model": "loop", "messages": MESSAGES, "stream": streamed}
            reply = api.post("v1/chat/completions", json=body)
        log = server.log.read_text()
    assert reply.status_code == 508
    assert reply.json()["error"]["code"] == "upstream_loop"
    assert "was forwarded 5 times" in reply.json()["error"]["message"]
    assert log.count("POST /v1/chat/completions") < 20


def test_a_request_and_its_reply_are_forwarded(front: Server, upstream: Upstream) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    reply = ask(front, "echo", tools=tools, keep_alive="5m", top_k=3, own_field=1).json()
    assert reply["model"] == "far/echo"
    assert reply["choices"][0]["message"]["tool_calls"] == [WEATHER]
    sent = upstream.bodies[-1]
    assert sent == {
        "model": "echo",
        "messages": MESSAGES,
        "tools": tools,
        "top_k": 3,
        "own_field": 1,
    }
    assert upstream.keys[-1] == f"Bearer {KEY}"


def test_default_parameters_fill_unset_fields(front: Server, upstream: Upstream) -> None:
    defaults = {"temperature": 0.1, "max_tokens": 9, "system": "Be brief."}
    register(front, upstream.url, "echo", default_parameters=defaults, overwrite=True)
    ask(front, "echo", temperature=0.7, max_completion_tokens=5)
    sent = upstream.bodies[-1]
    assert sent["temperature"] == 0.7
    assert "max_tokens" not in sent
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, *MESSAGES]
    register(front, upstream.url, "echo", overwrite=True)


def test_each_event_is_forwarded_as_it_arrives(front: Server, upstream: Upstream) -> None:
    """The upstream sends its second event only after the client has received the first one."""
    upstream.first_seen.clear()
    body = {"model": "far/waits", "messages": MESSAGES, "stream": True}
    with front.api() as api, api.stream("POST", "v1/chat/completions", json=body) as reply:
        events = events_of(reply)
        assert next(events)["choices"][0]["delta"] == {"content": "first"}  # type: ignore[index]
        assert api.get("v1/models/far/waits").json()["requests_running"] == 1
        upstream.first_seen.set()
        assert next(events)["choices"][0]["delta"] == {"content": "second"}  # type: ignore[index]


def test_a_disconnected_client_aborts_the_request_to_the_upstream(
    front: Server, upstream: Upstream
) -> None:
    upstream.gone.clear()
    body = {"model": "far/endless", "messages": MESSAGES, "stream": True}
    with front.api() as api, api.stream("POST", "v1/chat/completions", json=body) as reply:
        next(events_of(reply))
    assert upstream.gone.wait(10)


@pytest.mark.parametrize("model", ["breaks", "ends_early", "error_event"])
def test_a_broken_stream_ends_in_an_error(front: Server, model: str) -> None:
    first, *_, last = stream(front, model)
    assert first["choices"][0]["delta"]["content"].startswith("half")
    assert last["error"]["code"] == "upstream_error"
    if model == "error_event":
        assert "CUDA out of memory" in last["error"]["message"]


@pytest.mark.parametrize(
    ("model", "status", "code", "message"),
    [
        ("busy", 503, "server_busy", "Rate limit"),
        ("html", 502, "upstream_error", "502"),
        ("no_json", 502, "upstream_error", "base_url"),
        ("too_long", 400, "context_length_exceeded", "too long"),
        ("too_long_for_a_stream", 400, "context_length_exceeded", "maximum context length"),
        ("wrong", 400, "upstream_refused", "temperature must be positive"),
        ("silent", 504, "upstream_timeout", "remote_timeout"),
        (
            "redirects",
            502,
            "upstream_error",
            "/chat/completions (HTTP status 307), and",
        ),
        ("no_gzip", 502, "upstream_error", ""),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_errors_of_the_upstream(
    front: Server, model: str, status: int, code: str, message: str, streaming: bool
) -> None:
    reply = ask(front, model, stream=streaming)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert message in reply.json()["error"]["message"]
    if model == "busy":
        assert reply.headers["Retry-After"] == "7"


def test_an_empty_stream_is_explained_by_a_request_for_one_token(
    front: Server, upstream: Upstream
) -> None:
    limits = {"max_tokens": 100}
    ask(front, "too_long_for_a_stream", stream=True, stream_options={}, temperature=0, **limits)
    assert upstream.bodies[-1] == {
        "model": "too_long_for_a_stream",
        "messages": MESSAGES,
        "temperature": 0,
        "max_tokens": 1,
    }
    reply = ask(front, "fails_in_streams", stream=True, max_completion_tokens=100)
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_error")
    assert "empty" in reply.json()["error"]["message"]
    assert upstream.bodies[-1]["max_completion_tokens"] == 1
    assert "max_tokens" not in upstream.bodies[-1]


def test_numbers_of_an_upstream_are_bounded_or_ignored(front: Server) -> None:
    reply = ask(front, "busy_for_ages")
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "3600")
    for streamed in (False, True):
        reply = ask(front, "huge_usage", stream=streamed)
        assert reply.status_code == 200
        assert "One" in reply.text
        assert "error" not in reply.text
    with front.api() as api:
        assert 'tokens_total{model="far/huge_usage"}' not in api.get("metrics").text
        assert api.post("v1/models/far/huge_usage/load", json={}).status_code == 200


def test_missing_and_wrong_keys(front: Server, upstream: Upstream) -> None:
    for variable, message in (
        ("WRONG_KEY", "Incorrect API key"),
        ("NO_KEY", "NO_KEY is not set"),
        ("BROKEN_KEY", "BROKEN_KEY contains spaces, line breaks"),
    ):
        target = {"base_url": upstream.url, "model": "echo", "api_key_env": variable}
        register(front, upstream.url, "keyless", upstream=target, overwrite=True)
        error = ask(front, "keyless").json()["error"]
        assert error["code"] == "upstream_unauthorized"
        assert message in error["message"]
        assert "sk-" not in error["message"]
    assert "sk-" not in written_by(front)


def test_other_variables_of_the_server_are_not_sent(
    front: Server, upstream: Upstream, start_server: Callable[..., Server]
) -> None:
    def body(variable: str) -> dict[str, Any]:
        target = {"base_url": upstream.url, "model": "echo", "api_key_env": variable}
        return {"name": "far/thief", "format": "remote", "upstream": target}

    sent = len(upstream.keys)
    with front.api() as api:
        for variable in ("JUPYTER_TOKEN", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "HOME", "sk-key"):
            refused = api.post("v1/models", json=body(variable))
            error = refused.json()["error"]
            assert (refused.status_code, error["code"]) == (400, "invalid_parameter")
            assert error["param"] == "upstream.api_key_env"
            assert "PowerApp.upstream_key_pattern" in error["message"]
            assert variable not in error["message"]
        assert api.post("v1/models", json=body("UPSTREAM_KEY")).status_code == 201
    # A server with another setting on the same home checks the name again.
    strict = start_server("--PowerApp.upstream_key_pattern=OTHER", headless=True, home=front.home)
    error = ask(strict, "thief").json()["error"]
    assert error["code"] == "upstream_unauthorized"
    assert "PowerApp.upstream_key_pattern" in error["message"]
    assert len(upstream.keys) == sent


def test_a_key_in_an_error_of_the_upstream_is_removed(front: Server) -> None:
    with front.api() as api, api.stream("GET", "v1/events") as watched:
        events = events_of(watched)
        next(events)
        error = ask(front, "quotes_key").json()["error"]
        assert "'Authorization': 'Bearer [redacted]'" in error["message"]
        models: Iterator[Any] = (event.get("model") for event in events)
        assert any(
            model and model["id"] == "far/quotes_key" and model.get("error") == error
            for model in models
        )
        shown = api.get("v1/models/far/quotes_key").json()
        assert shown["error"] == error
    last = stream(front, "quotes_key")[-1]["error"]
    assert last["message"].endswith("[redacted] is over its limit")
    late = ask(front, "quotes_key_late").json()["error"]["message"]
    assert late.endswith("word ...")
    seen = written_by(front)
    assert "is over its limit" in seen
    assert "sk-" not in seen


def test_an_unreachable_upstream(front: Server) -> None:
    register(front, "http://127.0.0.1:9/v1", "nowhere")
    reply = ask(front, "nowhere")
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_unreachable")


def test_a_remote_model_is_loaded_if_its_upstream_answers(front: Server) -> None:
    with front.api() as api:
        loaded = api.post("v1/models/far/echo/load", json={}).json()
        assert (loaded["state"], loaded["loaded"], loaded["engine"]) == ("loaded", True, "remote")
        assert loaded["context_length"] == 4096
        missing = api.post("v1/models/far/missing/load", json={})
        assert missing.status_code == 502
        assert "It has: agent, breaks, busy" in missing.json()["error"]["message"]
        shown = api.get("v1/models/far/missing").json()
        assert (shown["state"], shown["error"]["code"]) == ("failed", "upstream_error")
        assert api.post("v1/models/far/echo/unload").json()["state"] == "unloaded"


def test_load_parameters_of_a_remote_model_are_refused(front: Server) -> None:
    with front.api() as api:
        reply = api.post("v1/models/far/echo/load", json={"num_ctx": 512})
        assert reply.status_code == 400
        assert reply.json()["error"]["code"] == "invalid_parameter"


def test_events_report_whether_upstreams_answer(front: Server) -> None:
    with front.api() as api, api.stream("GET", "v1/events") as reply:
        events = events_of(reply)
        snapshot: Any = next(events)
        by_name = {model["id"]: model for model in snapshot["models"]}
        assert by_name["far/html"]["state"] in ("unloaded", "loaded", "failed")
        if by_name["far/echo"]["state"] != "loaded":
            changed = (e["model"] for e in events if e["type"] == "model")  # type: ignore[index]
            assert any(m["id"] == "far/echo" and m["loaded"] for m in changed)  # type: ignore[index]


def test_openai_streams_reasoning(front: Server) -> None:
    with openai.OpenAI(base_url=f"{front.url}v1", api_key=front.token) as client:
        chunks = [
            *client.chat.completions.create(model="far/echo", messages=MESSAGES, stream=True)  # type: ignore[call-overload]
        ]
    assert chunks[0].choices[0].delta.reasoning_content == "Hm."
    assert chunks[1].choices[0].delta.content == "One"


@pytest.fixture
def chain(
    start_server: Callable[..., Server], smollm2_path: Path
) -> Callable[[], tuple[Server, Server]]:
    """Two real servers, the second one with SmolLM2, the first one forwarding to it."""

    def start() -> tuple[Server, Server]:
        back = start_server(headless=True, token="token-behind")
        with back.api() as api:
            body = {"name": "smollm2", "path": str(smollm2_path)}
            assert api.post("v1/models", json=body).status_code == 201
        front = start_server(headless=True, environ={"UPSTREAM_KEY": "token-behind"})
        register(front, f"{back.url}v1", "smollm2")
        return front, back

    return start


def test_a_second_server_as_the_upstream(chain: Callable[[], tuple[Server, Server]]) -> None:
    front, back = chain()
    with a3s_power_jupyter.connect(front.url, token=front.token) as client:
        reply = client.chat("far/smollm2", QUESTION, temperature=0)
        readings: list[Reading] = []
        with client.stream(
            "far/smollm2", QUESTION, temperature=0, progress=readings.append
        ) as answer:
            text = "".join(answer)
    assert "Paris" in str(reply)
    assert text
    for timed in (reply, answer.reply):
        assert timed.timings is not None
        assert timed.timings.predicted_n > 0
    assert readings[-1].processed == readings[-1].total
    with openai.OpenAI(base_url=f"{front.url}v1", api_key=front.token) as sdk:
        vectors = sdk.embeddings.create(model="far/smollm2", input=["a", "b"])
    assert len(vectors.data) == 2
    body = {"model": "far/smollm2", "messages": MESSAGES, "stream": True, "max_tokens": 2000}
    with front.api() as api, api.stream("POST", "v1/chat/completions", json=body) as stream:
        events = events_of(stream)
        next(events)
        os.kill(back.pid, signal.SIGKILL)
        back.process.wait()
        last = [*events][-1]
    assert last["error"]["code"] == "upstream_error"  # type: ignore[index]
    assert ask(front, "smollm2").json()["error"]["code"] == "upstream_unreachable"
    with front.api() as api:
        assert json.loads(api.get("v1/models/far/smollm2").text)["state"] == "failed"
