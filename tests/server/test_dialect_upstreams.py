"""Remote models of a fake upstream that fails and attacks, in each dialect."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from support.dialects import DIALECTS, QUESTION, Answer, Dialect
from support.remote_requests import register
from support.servers import Server, error_code, run_server
from support.upstream_answers import KEY
from support.upstream_server import Upstream, run_upstream

#: Models of the upstream that fail before or during the answer, with the error's code.
FAILING = {
    "breaks": "upstream_error",
    "ends_early": "upstream_error",
    "error_event": "upstream_error",
    "busy": "server_busy",
    "html": "upstream_error",
    "no_json": "upstream_error",
    "too_long": "context_length_exceeded",
    "too_long_for_a_stream": "context_length_exceeded",
    "fails_in_streams": "upstream_error",
    "wrong": "upstream_refused",
    "odd_chunks": "upstream_error",
}
DIALECTS_OF_ITEMS = [dialect for dialect in DIALECTS if dialect.name != "chat completions"]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with run_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def front(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("front")
    with run_server(folder, headless=True, environ={"UPSTREAM_KEY": KEY}) as server:
        register(server, upstream.url, *FAILING, "odd_arguments", "calls", "huge_usage", "prose")
        yield server


@pytest.fixture
def api(front: Server) -> Iterator[httpx2.Client]:
    with front.api() as client:
        yield client


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS_OF_ITEMS, ids=lambda dialect: dialect.name)
def test_failures_of_the_upstream(api: httpx2.Client, dialect: Dialect, stream: bool) -> None:
    for model, code in FAILING.items():
        body = dialect.body(QUESTION) | {"model": f"far/{model}", "stream": stream}
        reply = api.post(dialect.path, json=body)
        if reply.is_success:
            assert stream, model
            assert code in reply.text, model
        else:
            assert error_code(reply) == code, model
            assert reply.status_code != 500


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS_OF_ITEMS, ids=lambda dialect: dialect.name)
def test_calls_with_odd_arguments(api: httpx2.Client, dialect: Dialect, stream: bool) -> None:
    """Only Responses has the arguments as text, and can return any."""
    if dialect.name == "responses":
        answer = dialect.ask(api, "far/odd_arguments", QUESTION, stream=stream)
        assert answer.calls == [("weather", [1, "Paris"])]
        return
    body = dialect.body(QUESTION) | {"model": "far/odd_arguments", "stream": stream}
    reply = api.post(dialect.path, json=body)
    assert "invalid_tool_call" in reply.text
    assert reply.status_code in ((200, 502) if stream else (502,))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS_OF_ITEMS, ids=lambda dialect: dialect.name)
def test_thoughts_and_calls_of_an_upstream_without_counts(
    api: httpx2.Client, dialect: Dialect, stream: bool
) -> None:
    answer = dialect.ask(api, "far/calls", QUESTION, stream=stream)
    assert answer == Answer("", "Hm.", [("weather", {"city": "Paris"})], 0, 0)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS_OF_ITEMS, ids=lambda dialect: dialect.name)
def test_a_schema_that_the_upstream_ignores(
    api: httpx2.Client, dialect: Dialect, stream: bool
) -> None:
    body = dialect.body(QUESTION) | dialect.schema({"type": "object", "properties": {}})
    reply = api.post(dialect.path, json=body | {"model": "far/prose", "stream": stream})
    assert "has ignored the schema of the request" in reply.text
    assert "upstream_error" in reply.text
    assert reply.status_code == (200 if stream else 502)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "dialect", [d for d in DIALECTS_OF_ITEMS if d.choice("x")], ids=lambda dialect: dialect.name
)
def test_a_choice_of_a_tool_that_the_upstream_ignores(
    api: httpx2.Client, dialect: Dialect, stream: bool
) -> None:
    body = dialect.body(QUESTION) | dialect.choice("get_weather")
    reply = api.post(dialect.path, json=body | {"model": "far/prose", "stream": stream})
    assert "has ignored tool_choice" in reply.text
    assert "upstream_error" in reply.text
    assert reply.status_code == (200 if stream else 502)


@pytest.mark.parametrize("dialect", DIALECTS_OF_ITEMS, ids=lambda dialect: dialect.name)
def test_impossible_counts_are_left_out(api: httpx2.Client, dialect: Dialect) -> None:
    answer = dialect.ask(api, "far/huge_usage", QUESTION, stream=True)
    assert answer == Answer("One", "", [], 0, 0)
