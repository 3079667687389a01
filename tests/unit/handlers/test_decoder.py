"""Test calling functions in the thread for large bodies."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from contextlib import suppress

import pytest

from a3s_power_jupyter.handlers.decoder import Decoder


async def test_results_and_exceptions() -> None:
    decoder = Decoder()
    assert await decoder.run(lambda: 1) == 1
    with pytest.raises(ZeroDivisionError):
        await decoder.run(lambda: 1 // 0)
    assert await decoder.run(threading.current_thread) is not threading.current_thread()


async def test_functions_run_one_at_a_time_and_in_order() -> None:
    decoder, calls = Decoder(), list[int]()
    await asyncio.gather(*(decoder.run(lambda n=n: calls.append(n)) for n in range(50)))
    assert calls == list(range(50))


async def test_a_function_of_a_cancelled_caller_is_not_called() -> None:
    decoder, release, calls = Decoder(), threading.Event(), list[int]()
    first = asyncio.create_task(decoder.run(release.wait))
    second = asyncio.create_task(decoder.run(lambda: calls.append(2)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second})
    release.set()
    assert await first
    await decoder.run(lambda: calls.append(3))
    assert calls == [3]


async def test_an_exception_keeps_nothing_for_the_garbage_collector() -> None:
    class Body: ...

    bodies: list[weakref.ref[Body]] = []

    async def request() -> None:
        body = Body()
        bodies.append(weakref.ref(body))

        def decode() -> None:
            raise ValueError(str(body))

        with suppress(ValueError):
            await decoder.run(decode)

    decoder = Decoder()
    gc.collect()
    gc.disable()
    try:
        await request()
        await decoder.run(lambda: None)  # the thread has left the first function
        assert bodies[0]() is None
    finally:
        gc.enable()
