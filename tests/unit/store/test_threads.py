"""Test that work on a disk that hangs holds up neither other work nor the exit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from a3s_power_jupyter.contract.errors import ModelNotFound, ServerBusy, StoreUnavailable
from a3s_power_jupyter.store import manifest, threads
from a3s_power_jupyter.store.threads import Threads
from support.waiting import wait_until


@pytest.fixture
def disk() -> Iterator[threading.Event]:
    """Set to let the operations return that wait for it."""
    event = threading.Event()
    yield event
    event.set()


def new_threads() -> Threads:
    return Threads("the model store /m", StoreUnavailable)


async def ended(running: Threads) -> None:
    while running._running:  # noqa: ASYNC110 - the threads are not awaited
        await asyncio.sleep(0.01)


def test_a_reader_that_waits_for_another_one_says_why_before_its_caller_gives_up() -> None:
    assert manifest.READ_TIMEOUT < threads.PATIENCE


async def test_results_and_errors() -> None:
    running = new_threads()
    assert await running.run(divmod, 7, 2) == (3, 1)

    def fail() -> None:
        raise ModelNotFound("no model")

    def time_out() -> None:
        raise TimeoutError("of the function")

    with pytest.raises(ModelNotFound):
        await running.run(fail)
    with pytest.raises(TimeoutError, match="of the function"):
        await running.run(time_out, seconds=60)


async def test_an_operation_that_hangs_holds_up_no_other(disk: threading.Event) -> None:
    running = new_threads()
    hung = [asyncio.create_task(running.run(disk.wait)) for _ in range(40)]
    await asyncio.sleep(0)
    assert await running.run(len, "abc") == 3
    assert not any(task.done() for task in hung)
    assert all(t.daemon for t in threading.enumerate() if t.name == "power-store")
    disk.set()
    assert await asyncio.gather(*hung) == [True] * 40


async def test_a_late_operation_is_an_error(disk: threading.Event) -> None:
    with pytest.raises(StoreUnavailable, match=r"^The model store /m did not respond for 0.01"):
        await new_threads().run(disk.wait, seconds=0.01)


async def test_operations_beyond_the_threads_wait(
    disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "MAX_THREADS", 2)
    running = new_threads()
    order: list[int] = []
    tasks = [asyncio.create_task(running.run(disk.wait)) for _ in range(2)]
    tasks += [asyncio.create_task(running.run(order.append, i)) for i in range(100)]
    await asyncio.sleep(0)
    tasks[50].cancel()  # while it waits
    disk.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(order) == [i for i in range(100) if i != 48]
    assert running._running == 0


async def test_an_operation_that_waited_too_long_is_not_begun(
    disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "MAX_THREADS", 1)
    running = new_threads()
    hung = asyncio.create_task(running.run(disk.wait))
    await asyncio.sleep(0)
    begun: list[str] = []
    with pytest.raises(StoreUnavailable):
        await running.run(begun.append, "late", seconds=0.01)
    disk.set()
    await hung
    assert await running.run(len, "abc") == 3
    assert begun == []


async def test_operations_beyond_the_threads_are_refused_if_the_disk_hangs(
    disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "MAX_THREADS", 2)
    monkeypatch.setattr(threads, "HANGING", 0.0)
    running = new_threads()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await running.run(disk.wait, seconds=0.01)
    with pytest.raises(ServerBusy, match="2 operations on the model store /m"):
        await running.run(len, "abc")
    disk.set()
    await ended(running)
    assert await running.run(len, "abc") == 3


async def test_a_cancelled_caller(disk: threading.Event) -> None:
    running = new_threads()
    task = asyncio.create_task(running.run(disk.wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    disk.set()
    await ended(running)


async def test_closing_ends_the_wait(
    disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "CLOSING_PATIENCE", 0.01)
    running = new_threads()
    task = asyncio.create_task(running.run(disk.wait, seconds=None))
    await asyncio.sleep(0)
    running.close()
    for waiting in (task, running.run(disk.wait, seconds=None)):
        with pytest.raises(StoreUnavailable):
            await waiting


async def test_threads_are_used_again(disk: threading.Event) -> None:
    running = new_threads()
    used = {await running.run(threading.get_ident) for _ in range(20)}
    assert len(used) == 1
    hung = [asyncio.create_task(running.run(disk.wait)) for _ in range(10)]
    await asyncio.sleep(0)
    disk.set()
    await asyncio.gather(*hung)
    assert len(running._idle) == threads.MAX_IDLE
    running.close()
    assert running._idle == []


def test_the_event_loop_may_end_first(disk: threading.Event) -> None:
    async def leave() -> None:
        with pytest.raises(StoreUnavailable):
            await new_threads().run(disk.wait, seconds=0.01)

    before = set(threading.enumerate())
    asyncio.run(leave())
    disk.set()
    wait_until(lambda: set(threading.enumerate()) <= before)
