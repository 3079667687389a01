"""What is read from an upstream is bounded in size and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from a3s_power_jupyter.contract.errors import PowerError, UpstreamError, UpstreamTimeout
from a3s_power_jupyter.contract.types import Manifest
from a3s_power_jupyter.contract.types import Upstream as UpstreamOf
from a3s_power_jupyter.remote import Upstreams, responses, transport
from a3s_power_jupyter.service.settings import UPSTREAM_KEY_PATTERN
from a3s_power_jupyter.store import ModelStore
from support.registering import register
from support.upstream_answers import KEY
from support.upstream_server import Upstream, run_upstream
from support.waiting import wait_until

MIB = 1 << 20


def ignore(*_of_a_model: str) -> None:
    pass


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.setenv("SOME_KEY", KEY)
    with run_upstream() as running:
        yield running


@pytest.fixture
async def upstreams() -> AsyncIterator[Upstreams]:
    opened = Upstreams(2.0, UPSTREAM_KEY_PATTERN, changed=ignore, used=ignore, failed=ignore)
    yield opened
    await opened.close()


def manifest_of(upstream: Upstream, model: str, home: Path) -> Manifest:
    target = UpstreamOf(upstream.url, model, api_key_env="SOME_KEY")
    return register(ModelStore(home), model, None, format="remote", upstream=target)[0]


@pytest.mark.parametrize("length", [{}, {"length": "300000000"}])
async def test_a_reply_that_is_too_large(
    upstream: Upstream, upstreams: Upstreams, tmp_path: Path, length: dict[str, str]
) -> None:
    manifest = manifest_of(upstream, "unbounded", tmp_path)
    before = psutil.Process().memory_info().rss
    with pytest.raises(UpstreamError, match="larger than 67,108,864 bytes"):
        await upstreams.reply(manifest, "chat/completions", {"piece": " " * MIB} | length)
    # The fake upstream runs in this process, too.
    assert psutil.Process().memory_info().rss - before < 200 * MIB


async def test_small_json_that_is_large_in_memory(
    upstream: Upstream, upstreams: Upstreams, tmp_path: Path
) -> None:
    manifest = manifest_of(upstream, "json_bomb", tmp_path)
    reply = await upstreams.reply(manifest, "chat/completions", {})
    assert (reply["model"], reply["usage"]) == ("json_bomb", {"prompt_tokens": 3})
    assert isinstance(reply["choices"], msgspec.Raw)
    assert len(bytes(reply["choices"])) > 40 * MIB


@pytest.mark.parametrize(
    "text", [b'{"a": "\xff"}', b'{"a": [1,]}', b'{"a": 1} 2', b"[1]", b'{"a": "\\ud800"}', b""]
)
async def test_replies_are_checked_without_being_decoded(text: bytes) -> None:
    class Response:
        headers: dict[str, str] = {}

        async def aiter_raw(self) -> AsyncIterator[bytes]:
            for start in range(0, len(text), 3):
                yield text[start : start + 3]

    async def read() -> dict[str, Any]:
        return await responses.split_reply(await responses.read_limited(Response(), 1000))  # type: ignore[arg-type]

    with pytest.raises(UpstreamError, match="other than a JSON object"):
        await read()


@pytest.mark.parametrize("piece", ["data: 1\n" * 10_000, "data:\n" * 10_000, "data: " + "x" * MIB])
async def test_an_event_without_end(
    upstream: Upstream,
    upstreams: Upstreams,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    piece: str,
) -> None:
    monkeypatch.setattr(responses, "MAX_EVENT_BYTES", 2 * MIB)
    manifest = manifest_of(upstream, "unbounded", tmp_path)
    body = {"piece": piece, "type": "text/event-stream"}
    with pytest.raises(UpstreamError, match="event from the upstream is larger"):
        async for _ in upstreams.stream(manifest, "chat/completions", body):
            pass


@pytest.mark.parametrize("more", [{"piece": " " * MIB}, {"piece": " ", "pause": 0.05}])
async def test_the_body_of_an_error(
    upstream: Upstream,
    upstreams: Upstreams,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: dict[str, Any],
) -> None:
    monkeypatch.setattr(transport, "ERROR_TIMEOUT", 0.5)
    manifest = manifest_of(upstream, "unbounded", tmp_path)
    started = time.monotonic()
    with pytest.raises(PowerError, match="HTTP status 500: it gives no reason"):
        await upstreams.reply(manifest, "chat/completions", {"status": 500} | more)
    assert time.monotonic() - started < 5


async def test_the_head_of_a_reply_has_a_deadline(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT", 0.5)
    opened = Upstreams(0.5, UPSTREAM_KEY_PATTERN, changed=ignore, used=ignore, failed=ignore)
    started = time.monotonic()
    with pytest.raises(UpstreamTimeout, match="did not answer in time"):
        await opened.reply(manifest_of(upstream, "drips", tmp_path), "chat/completions", {})
    assert time.monotonic() - started < 15
    await asyncio.to_thread(upstream.gone.wait, 15)
    await opened.close()


@pytest.mark.parametrize("model", ["drips", "silent", "endless"])
async def test_a_request_that_is_cancelled_closes_its_connection(
    upstream: Upstream, upstreams: Upstreams, tmp_path: Path, model: str
) -> None:
    manifest = manifest_of(upstream, model, tmp_path)

    async def consume() -> None:
        async for _ in upstreams.stream(manifest, "chat/completions", {"stream": True}):
            pass

    task = asyncio.create_task(consume())
    await asyncio.to_thread(wait_until, lambda: upstream.bodies, 30)
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(upstream.gone.wait, 15)
    assert upstreams.health(manifest).active == 0


async def test_a_compressed_reply(upstream: Upstream, upstreams: Upstreams, tmp_path: Path) -> None:
    with pytest.raises(UpstreamError, match="compresses its reply"):
        await upstreams.reply(manifest_of(upstream, "no_gzip", tmp_path), "chat/completions", {})
