"""Starting the worker of one model and waiting until it is ready."""

from __future__ import annotations

import asyncio
from typing import Any

from ..contract.errors import ModelLoadFailed
from ..engine.protocol import Load, Loaded
from .admission import wake
from .clock import Clock
from .interfaces import Progress, WorkerHandle


async def load_into(
    worker: WorkerHandle,
    name: str,
    load: Load,
    *,
    progress: Progress,
    clock: Clock,
    stall_timeout: float,
) -> Loaded:
    """Load a model into a fresh worker, which is stopped if that fails or is cancelled.

    Raises
    ------
    ModelLoadFailed
        Also when nothing moved for `stall_timeout` seconds; a load that moves may take hours.
    PowerError
        What the engine said, or `WorkerDied`.
    """
    stalled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_later(stall_timeout, lambda: wake(stalled))

    def on_progress(value: float) -> None:
        nonlocal timer
        timer.cancel()
        timer = clock.call_later(stall_timeout, lambda: wake(stalled))
        progress(value)

    loading = asyncio.ensure_future(worker.load(load, on_progress))
    try:
        either: set[asyncio.Future[Any]] = {loading, stalled}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not loading.done():
            raise ModelLoadFailed(
                f"The load of {name!r} made no progress for {stall_timeout:g} seconds and was "
                "stopped."
            )
        return loading.result()
    except BaseException:
        loading.cancel()
        await worker.stop()
        raise
    finally:
        timer.cancel()
