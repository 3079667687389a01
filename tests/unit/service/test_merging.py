"""Test running several generators concurrently."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from a3s_power_jupyter.service.merging import merge


class Sources:
    """Generators of three items each, some of which fail at the second.

    Attributes
    ----------
    running, most : int
        Number of generators that run, and the largest number so far.
    begun : int
        Number of generators that have begun.
    """

    def __init__(self, *failing: int) -> None:
        self.failing = failing
        self.running = self.most = self.begun = 0

    async def source(self, number: int) -> AsyncGenerator[str, None]:
        self.begun += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for item in "abc":
                await asyncio.sleep(0)
                if item == "b" and number in self.failing:
                    raise ValueError(number)
                yield item
        finally:
            self.running -= 1

    def merged(self, count: int, limit: int) -> AsyncGenerator[tuple[int, str], None]:
        return merge((self.source(number) for number in range(count)), limit)


@pytest.mark.parametrize("limit", [1, 3])
async def test_all_items_are_yielded(limit: int) -> None:
    sources = Sources()
    items = [item async for item in sources.merged(10, limit)]
    assert sorted(items) == [(number, item) for number in range(10) for item in "abc"]
    assert [item for number, item in items if number == 5] == ["a", "b", "c"]
    assert sources.most == limit
    assert sources.running == 0


@pytest.mark.parametrize("limit", [1, 3])
async def test_one_that_fails_stops_the_others(limit: int) -> None:
    sources = Sources(2, 3)
    with pytest.raises(ValueError, match=r"2|3"):
        _ = [item async for item in sources.merged(100, limit)]
    assert sources.running == 0
    assert sources.begun < 10


@pytest.mark.parametrize("limit", [1, 3])
async def test_closing_stops_all(limit: int) -> None:
    sources = Sources()
    async with aclosing(sources.merged(100, limit)) as items:
        assert await anext(items) == (0, "a")
    assert sources.running == 0
    assert sources.begun <= limit


class Body:
    """Stands for the body of a request."""


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("leaves", [True, False])
async def test_nothing_is_left_for_the_garbage_collector(limit: int, leaves: bool) -> None:
    bodies: list[weakref.ref[Body]] = []

    async def read() -> None:
        body = Body()
        bodies.append(weakref.ref(body))
        try:
            async with aclosing(Sources(9).merged(10, limit)) as items:
                async for _item in items:
                    pass
        except ValueError:
            pass

    gc.collect()
    gc.disable()
    try:
        task = asyncio.ensure_future(read())
        for _ in range(6 if leaves else 200):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        del task
        for _ in range(3):
            await asyncio.sleep(0)
        assert bodies[0]() is None
    finally:
        gc.enable()
