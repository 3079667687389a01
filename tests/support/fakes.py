"""Fakes for unit tests: a clock advanced by the test, and a worker without a process.

The same behavior is also tested with a real clock and real processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from a3s_power_jupyter.contract.errors import PowerError, WorkerDied
from a3s_power_jupyter.contract.types import Delta, Request, Started
from a3s_power_jupyter.engine.base import ProgressCallback
from a3s_power_jupyter.engine.protocol import Ended, Load, Loaded
from a3s_power_jupyter.runtime.activity import Activity
from a3s_power_jupyter.runtime.stream import Stream
from support.items import finished


@dataclass(eq=False)
class _Timer:
    at: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """A clock that moves only in `advance`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[_Timer] = []

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(self.now + delay, callback)
        self._timers.append(timer)
        return timer

    async def advance(self, seconds: float) -> None:
        """Fire the timers of the next `seconds` in order, and run all tasks after each."""
        end = self.now + seconds
        await settle()
        while self._fire_first(end):
            await settle()
        self.now = end

    def skip(self, seconds: float) -> None:
        """Fire the timers of the next `seconds` in order, without running tasks between them."""
        end = self.now + seconds
        while self._fire_first(end):
            pass
        self.now = end

    def _fire_first(self, end: float) -> bool:
        due = [timer for timer in self._timers if not timer.cancelled and timer.at <= end]
        if not due:
            return False
        timer = min(due, key=lambda t: t.at)
        self._timers.remove(timer)
        self.now = max(self.now, timer.at)
        timer.callback()
        return True


async def settle() -> None:
    """Run the event loop until all tasks are waiting."""
    for _ in range(50):
        await asyncio.sleep(0)


@dataclass
class FakeWorker:
    """A worker controlled by the test.

    Attributes
    ----------
    name : str
        Name of the model.
    on_death : callable
        Called by the test to simulate the death of the worker.
    load_result : asyncio.Future
        Result of the load, set by `succeed` and `fail`.
    requests : list of Request
        The submitted requests.
    streams : list of Stream
        Their streams.
    loads : list of Load
        The commands that `load` received.
    progress : callable or None
        Progress callback of the load.
    stopped : bool
        Whether `stop` was called.
    exited : bool
        Whether `stop` has ended.
    stop_error : PowerError or None
        Error of the requests in progress, as given to `stop`.
    saved : bool
        Whether `stop` was asked to save warm prompts.
    on_stop : callable
        Called when `stop` ends.
    """

    name: str
    on_death: Callable[[WorkerDied], None]
    load_result: asyncio.Future[Loaded] = field(default_factory=asyncio.Future)
    requests: list[Request] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    progress: ProgressCallback | None = None
    stopped: bool = False
    exited: bool = False
    stop_error: PowerError | None = None
    saved: bool = False
    on_stop: Callable[[], None] = lambda: None
    activity: Activity = field(default_factory=lambda: Activity(FakeClock()))
    memory_bytes: int = 0
    mapped_bytes: int = 0

    async def load(self, load: Load, progress: ProgressCallback) -> Loaded:
        self.loads.append(load)
        self.progress = progress
        return await self.load_result

    def succeed(self, slots: int = 1) -> None:
        """Complete the load."""
        self.load_result.set_result(Loaded(slots=slots, num_ctx=128, device="cpu"))

    def fail(self, error: PowerError) -> None:
        """Fail the load."""
        self.load_result.set_exception(error)

    def submit(self, request: Request) -> Stream:
        stream = Stream(cancel=lambda: stream.push(Ended(0)))
        self.requests.append(request)
        self.streams.append(stream)
        return stream

    def answer(self, text: str = "hello") -> None:
        """Complete the latest request."""
        for item in (Started(1, 0), Delta(text), finished("stop", 1, 1, 0), Ended(0)):
            self.streams[-1].push(item)

    async def stop(self, error: PowerError | None = None, *, save: bool = False) -> None:
        self.stopped, self.stop_error, self.saved = True, error, save
        for _ in range(3):
            await asyncio.sleep(0)
        self.exited = True
        self.on_stop()
