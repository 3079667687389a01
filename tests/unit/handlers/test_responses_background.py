"""Responses in the background: status, events, cancellation and failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import PowerError, WorkerDied
from a3s_power_jupyter.contract.types import Delta, GenerationItem, Started
from a3s_power_jupyter.handlers.responses import background
from a3s_power_jupyter.handlers.responses.background import BackgroundRun
from a3s_power_jupyter.handlers.responses.replies import ResponseReply
from support.items import finished
from support.responses import call_of

TYPES = [
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


class Source:
    """Items of an engine that wait for `go`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = asyncio.Event()
        self.closed = False
        self.ended = 0
        self.run = BackgroundRun(
            ResponseReply(call_of("Hi", stream=True, background=True)),
            self._items(error),
            self._to_error,
            keeps_events=True,
            finished=self._finished,
        )

    async def _items(
        self, error: Exception | None
    ) -> AsyncGenerator[tuple[int, GenerationItem], None]:
        try:
            yield 0, Started(1, 0)
            await self.go.wait()
            if error:
                raise error
            yield 0, Delta("Hello")
            yield 0, finished("stop", 1, 1)
        finally:
            self.closed = True

    def _finished(self) -> None:
        self.ended += 1

    def _to_error(self, error: Exception) -> PowerError:
        return error if isinstance(error, PowerError) else PowerError("Internal error.")


async def types(run: BackgroundRun, start: int = 0) -> list[str]:
    return [event.type async for event in run.events(start)]


def in_loop(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(limited())


def test_a_response_is_complete_when_its_generation_is() -> None:
    async def test() -> None:
        source = Source()
        assert source.run.response()["status"] == "queued"
        reader = asyncio.ensure_future(types(source.run))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert source.run.response()["status"] == "in_progress"
        source.go.set()
        assert await reader == TYPES
        assert source.run.response()["status"] == "completed"
        assert not source.run.is_running
        assert source.ended == 1

    in_loop(test)


def test_events_are_read_again_from_any_number() -> None:
    async def test() -> None:
        source = Source()
        source.go.set()
        assert await types(source.run) == TYPES
        for start in (0, 4, len(TYPES), 100):
            assert await types(source.run, start) == TYPES[start:]
        events = [event async for event in source.run.events(3)]
        assert msgspec.json.decode(events[0].json)["sequence_number"] == 3

    in_loop(test)


def test_a_response_that_is_cancelled_stops_its_generation() -> None:
    async def test() -> None:
        source = Source()
        reader = asyncio.ensure_future(types(source.run))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await source.run.cancel()
        assert source.closed
        assert source.run.response()["status"] == "cancelled"
        assert await reader == TYPES[:3]
        assert source.ended == 1

    in_loop(test)


def test_a_response_can_be_cancelled_before_it_runs() -> None:
    async def test() -> None:
        source = Source()
        await source.run.cancel()
        assert source.run.response()["status"] == "cancelled"
        assert source.ended == 1
        assert not source.run.is_running

    in_loop(test)


def test_a_complete_response_is_not_cancelled() -> None:
    async def test() -> None:
        source = Source()
        source.go.set()
        await types(source.run)
        await source.run.cancel()
        assert source.run.response()["status"] == "completed"

    in_loop(test)


@pytest.mark.parametrize(
    ("error", "code"), [(WorkerDied("It died."), "worker_died"), (ValueError(), "internal_error")]
)
def test_a_failure_is_the_status_of_the_response(error: Exception, code: str) -> None:
    async def test() -> None:
        source = Source(error)
        source.go.set()
        assert (await types(source.run))[-2:] == ["error", "response.failed"]
        response = source.run.response()
        assert response["status"] == "failed"
        assert response["error"]["type"] == code

    in_loop(test)


def test_the_events_of_a_response_are_limited(monkeypatch: Any) -> None:
    monkeypatch.setattr(background, "MAX_EVENTS_BYTES", 10)

    async def test() -> None:
        source = Source()
        source.go.set()
        await types(source.run)
        assert source.run.response()["error"]["type"] == "invalid_parameter"

    in_loop(test)
