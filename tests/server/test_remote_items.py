"""Answers of a fake upstream as the items of an engine, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from a3s_power_jupyter.contract.errors import ContextLengthExceeded, UpstreamError
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import (
    ChatRequest,
    Delta,
    Finished,
    GenerationItem,
    Manifest,
    Sampling,
    Started,
)
from a3s_power_jupyter.contract.types import Upstream as UpstreamInfo
from a3s_power_jupyter.remote import Upstreams
from support.remote_requests import MESSAGES
from support.upstream_answers import KEY
from support.upstream_server import Upstream, run_upstream

REQUEST = ChatRequest(messages=MESSAGES, sampling=Sampling(temperature=0.5))


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with run_upstream() as running:
        yield running


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", KEY)


def manifest(upstream: Upstream, model: str) -> Manifest:
    info = UpstreamInfo(upstream.url, model, "UPSTREAM_KEY")
    defaults = DefaultParameters(temperature=0.1, max_tokens=9)
    return Manifest(f"far/{model}", "remote", 0, upstream=info, default_parameters=defaults)


def ignore(*_of_a_model: str) -> None:
    pass


async def collect(upstream: Upstream, model: str, count: int | None = None) -> list[GenerationItem]:
    upstreams = Upstreams(5.0, ".*", ignore, ignore, ignore)
    items: list[GenerationItem] = []
    try:
        async with aclosing(upstreams.generate(manifest(upstream, model), REQUEST)) as answer:
            async for item in answer:
                items.append(item)
                if len(items) == count:
                    break
    finally:
        await upstreams.close()
    return items


def test_thoughts_and_calls_are_read_from_the_stream(upstream: Upstream) -> None:
    items = asyncio.run(collect(upstream, "calls"))
    deltas = [item for item in items if isinstance(item, Delta)]
    parts = [part for delta in deltas for part in delta.tool_calls]
    assert isinstance(items[0], Started)
    assert "".join(delta.reasoning for delta in deltas) == "Hm."
    assert (parts[0].id, parts[0].name) == ("a", "weather")
    assert "".join(part.arguments for part in parts) == '{"city": "Paris"}'
    assert isinstance(items[-1], Finished)
    assert items[-1].finish_reason == "tool_calls"
    assert upstream.bodies[-1] == {
        "model": "calls",
        "messages": MESSAGES,
        "temperature": 0.5,
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("model", ["breaks", "ends_early", "error_event", "no_json", "html"])
def test_failures_of_the_upstream_are_errors(upstream: Upstream, model: str) -> None:
    with pytest.raises(UpstreamError):
        asyncio.run(collect(upstream, model))


def test_errors_do_not_name_fields_of_the_upstreams_api(upstream: Upstream) -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        asyncio.run(collect(upstream, "too_long"))
    assert caught.value.param is None


def test_impossible_counts_are_left_out(upstream: Upstream) -> None:
    last = asyncio.run(collect(upstream, "huge_usage"))[-1]
    assert isinstance(last, Finished)
    assert (last.prompt_tokens, last.completion_tokens) == (0, 0)


def test_leaving_aborts_the_request(upstream: Upstream) -> None:
    upstream.gone.clear()
    asyncio.run(collect(upstream, "endless", count=3))
    assert upstream.gone.wait(10)
