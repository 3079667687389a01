"""Load a model into a worker, and stop the worker if the load fails or stalls."""

from __future__ import annotations

import asyncio
from typing import Any

from ..contract.errors import ModelLoadFailed
from ..engine.base import ProgressCallback
from ..engine.protocol import Load, Loaded
from .clock import Clock, wake
from .interfaces import WorkerHandle
from .steps import finish
from .watchdog import Watchdog


async def load_into(
    worker: WorkerHandle,
    name: str,
    load: Load,
    *,
    progress: ProgressCallback,
    clock: Clock,
    stall_timeout: float,
) -> Loaded:
    """Load a model into a new worker. On failure and on cancellation, the worker has exited.

    There is no limit on the duration of a load that makes progress.

    Parameters
    ----------
    worker : WorkerHandle
        A worker without a model.
    name : str
        Name of the model, for the error message.
    load : Load
        The command for the worker.
    progress : callable
        Receives values from 0 to 1.
    clock : Clock
        Measures `stall_timeout`.
    stall_timeout : float
        Seconds without progress after which the load fails.

    Raises
    ------
    ModelLoadFailed
        If the load makes no progress for `stall_timeout` seconds.
    PowerError
        If the engine cannot load the model, or if the worker dies (`WorkerDied`).
    """
    stalled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    watchdog = Watchdog(clock, stall_timeout, lambda: wake(stalled))
    watchdog.start()

    def on_progress(value: float) -> None:
        watchdog.sign_of_life()
        progress(value)

    loading = asyncio.ensure_future(worker.load(load, on_progress))
    try:
        either: set[asyncio.Future[Any]] = {loading, stalled}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not loading.done():
            raise ModelLoadFailed(
                f"Loading {name!r} was stopped because it made no progress for "
                f"{stall_timeout:g} seconds. Try again, or raise load_timeout."
            )
        return loading.result()
    except BaseException:
        loading.cancel()
        await finish(worker.stop())
        raise
    finally:
        watchdog.stop()
