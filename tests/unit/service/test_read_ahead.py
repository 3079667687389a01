"""Test sources that run without waiting for their reader."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from a3s_power_jupyter.contract.errors import ClientTooSlow, WorkerDied
from a3s_power_jupyter.service.read_ahead import read_ahead
from support.fakes import settle


class Source:
    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.produced = 0
        self.closed = False
        self._count = count
        self._error = error

    async def items(self) -> AsyncGenerator[int, None]:
        try:
            for _ in range(self._count):
                await settle()
                self.produced += 1
                yield self.produced
            if self._error is not None:
                raise self._error
        finally:
            await settle()
            self.closed = True


def size(_item: int) -> int:
    return 1


async def test_all_items_are_yielded_in_order() -> None:
    source = Source(50)
    assert [item async for item in read_ahead(source.items(), size)] == [*range(1, 51)]
    assert source.closed


async def test_a_source_ends_though_nobody_reads() -> None:
    source = Source(5)
    async with aclosing(read_ahead(source.items(), size)) as items:
        assert await anext(items) == 1
        for _ in range(10):
            await settle()
        assert source.closed
        assert [item async for item in items] == [2, 3, 4, 5]


async def test_nothing_runs_before_the_first_item_is_read() -> None:
    source = Source(5)
    async with aclosing(read_ahead(source.items(), size)):
        await settle()
        assert source.produced == 0


async def test_an_error_comes_after_the_items_before_it() -> None:
    source = Source(3, WorkerDied("gone"))
    items = read_ahead(source.items(), size)
    assert await anext(items) == 1
    for _ in range(10):
        await settle()
    assert [await anext(items) for _ in range(2)] == [2, 3]
    with pytest.raises(WorkerDied):
        await anext(items)


@pytest.mark.parametrize("read", [1, 3])
async def test_closing_it_closes_the_source_before_it_returns(read: int) -> None:
    source = Source(1000)
    items = read_ahead(source.items(), size)
    for _ in range(read):
        await anext(items)
    await items.aclose()
    assert source.closed
    produced = source.produced
    await settle()
    assert source.produced == produced


async def test_a_source_is_stopped_when_too_much_waits() -> None:
    source = Source(1000)
    async with aclosing(read_ahead(source.items(), size, limit=10)) as items:
        assert await anext(items) == 1
        for _ in range(30):
            await settle()
        assert source.closed
        assert [await anext(items) for _ in range(10)] == [*range(2, 12)]
        with pytest.raises(ClientTooSlow):
            await anext(items)


async def test_a_reader_that_keeps_up_is_not_limited() -> None:
    source = Source(100)
    assert len([item async for item in read_ahead(source.items(), size, limit=2)]) == 100
