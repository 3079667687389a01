"""The state of one model that is loading, loaded or unloading."""

from __future__ import annotations

import asyncio
import math

from ..contract.types import LoadPhase, State
from ..engine.protocol import Loaded
from .clock import Handle
from .interfaces import LoadPlan, WorkerHandle


class Runner:
    """State of one model that is loading, loaded or unloading; the scheduler alone changes it.

    Attributes
    ----------
    leases : requests that use the model or wait for it; the idle clock runs only at 0.
    loading : the task that loads it; done, without an error, once it is ready.
    phase, progress : of the load; progress is 0 to 1 in each phase.
    admitted : its place and memory are counted, from then on.
    gone : set when the worker has ended.
    expires_at : unix seconds, while the idle clock runs.
    """

    def __init__(self, plan: LoadPlan, now: float) -> None:
        self.plan = plan
        self.keep_alive = plan.keep_alive
        self.leases = 0
        self.last_used = now
        self.last_used_at: float | None = None
        self.expires_at: float | None = None
        self.phase: LoadPhase = "loading"
        self.progress = 0.0
        self.admitted = False
        self.unloading = False
        self.gone = asyncio.Event()
        self.worker: WorkerHandle | None = None
        self.info: Loaded | None = None
        self.loading: asyncio.Task[None]
        self._slots: asyncio.Semaphore | None = None
        self._timer: Handle | None = None

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def ready(self) -> bool:
        return self.info is not None and not self.unloading

    @property
    def in_use(self) -> bool:
        return self.leases > 0

    @property
    def state(self) -> State:
        if self.unloading:
            return "unloading"
        if self.info is None:
            return "loading"
        return "busy" if self.in_use else "loaded"

    @property
    def waiting(self) -> int:
        """Requests that have a lease and no slot yet."""
        slots = self.info.slots if self.info is not None else 0
        return max(0, self.leases - slots)

    @property
    def slots(self) -> asyncio.Semaphore:
        """Hands the engine's slots to the requests, first come first served."""
        if self._slots is None:
            raise RuntimeError(f"{self.name} is not loaded")
        return self._slots

    def loaded(self, worker: WorkerHandle, info: Loaded) -> None:
        self.worker, self.info = worker, info
        self._slots = asyncio.Semaphore(info.slots)

    def start_clock(self, timer: Handle, expires_at: float) -> None:
        self.stop_clock()
        self._timer, self.expires_at = timer, expires_at

    def stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.expires_at = None

    @property
    def for_ever(self) -> bool:
        return math.isinf(self.keep_alive)
