"""One conversation with a tool call in every dialect, with a local and a remote model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.dialects import ANSWERED, DIALECTS, QUESTION, Answer, ChatCompletions, Dialect
from support.paths import TESTS
from support.servers import Server, error_code, run_server

#: The models of the server: a real one, and the same through another server.
LOCAL, REMOTE = "caller", "far/caller"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[Server]:
    """A server that is also the upstream of its remote model."""
    template = (TESTS / "clients" / "weather.jinja").read_text()
    parameters = {"num_ctx": 1024, "chat_template": template, "keep_alive": -1}
    local = {"name": LOCAL, "path": str(smollm2_path), "default_parameters": parameters}
    environ = {"UPSTREAM_KEY": "token-of-the-tests"}
    folder = tmp_path_factory.mktemp("dialects")
    with run_server(folder, headless=True, environ=environ) as running, running.api() as api:
        assert api.post("v1/models", json=local).is_success
        upstream = {"base_url": f"{running.url}v1", "model": LOCAL, "api_key_env": "UPSTREAM_KEY"}
        remote = {"name": REMOTE, "format": "remote", "upstream": upstream}
        assert api.post("v1/models", json=remote).is_success
        yield running


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as client:
        yield client


@pytest.fixture(scope="module")
def expected(api: httpx2.Client) -> list[Answer]:
    """The call that the model makes, and its answer to the result."""
    chat = ChatCompletions()
    call, text = (chat.ask(api, LOCAL, turns, stream=False) for turns in (QUESTION, ANSWERED))
    assert call.calls == [("get_weather", {"city": "Oslo"})]
    assert "5 degrees" in text.text
    assert not text.calls
    return [call, text]


@pytest.mark.parametrize("model", [LOCAL, REMOTE])
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_prompt_that_is_too_long(api: httpx2.Client, dialect: Dialect, model: str) -> None:
    body = dialect.body([("user", "Hello " * 2000)]) | {"model": model, "stream": True}
    reply = api.post(dialect.path, json=body)
    assert (reply.status_code, error_code(reply)) == (400, "context_length_exceeded")


@pytest.mark.parametrize("model", [LOCAL, REMOTE])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_all_dialects_give_the_same_answers_and_counts(
    api: httpx2.Client, expected: list[Answer], dialect: Dialect, stream: bool, model: str
) -> None:
    found = [dialect.ask(api, model, turns, stream=stream) for turns in (QUESTION, ANSWERED)]
    assert found == expected
