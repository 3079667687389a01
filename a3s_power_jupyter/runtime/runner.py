"""The state of one model that is loading, loaded or unloading."""

from __future__ import annotations

import asyncio
import math

from ..contract.errors import WorkerDied
from ..contract.types import LoadPhase, State
from ..engine.protocol import Loaded
from .clock import TimerHandle
from .interfaces import LoadPlan, WorkerHandle

#: Requests about tokens that a worker has at a time, so that their texts are not in its memory.
MAX_TOKEN_REQUESTS = 4


class Runner:
    """State of one model that is loading, loaded or unloading. Only the scheduler changes it.

    Parameters
    ----------
    plan : LoadPlan
        How the model is loaded.
    now : float
        Monotonic time of the request that starts the load.

    Attributes
    ----------
    leases : int
        Number of requests that use the model or wait for it.
    running : int
        Number of requests that have got their first slot.
    keep_alive : float
        Seconds that the model stays loaded without leases.
    last_used : float
        Monotonic time at which the last lease ended.
    last_used_at : float or None
        Unix time at which the last lease ended.
    expires_at : float or None
        Unix time at which the idle model will be unloaded; None if no idle timer runs.
    phase : LoadPhase
        Current phase of the load.
    progress : float
        Progress of the phase, from 0 to 1.
    admitted : bool
        Whether the model counts against the limits on models and memory.
    outdated_by : str or None
        Reason to unload the model once the requests that it processes have ended. No other
        requests use it.
    unloading : bool
        Whether the worker is being stopped or has died.
    unloaded_for : str
        Reason of the unload, once it has begun. See `Observer.evicted`.
    loading : asyncio.Task
        Task of the load, which ends without an exception once the model is ready.
    exited : asyncio.Event
        Set when the worker has exited.
    worker : WorkerHandle or None
        The worker, once the model is loaded.
    death : WorkerDied or None
        Why the worker died, if it did.
    info : Loaded or None
        The worker's description of the loaded model.
    token_requests : asyncio.Semaphore
        Limits the requests about tokens that the worker has at a time.
    """

    def __init__(self, plan: LoadPlan, now: float) -> None:
        self.plan = plan
        self.leases = 0
        self.running = 0
        self.keep_alive = plan.keep_alive
        self.last_used = now
        self.last_used_at: float | None = None
        self.expires_at: float | None = None
        self.phase: LoadPhase = "loading"
        self.progress = 0.0
        self.admitted = False
        self.outdated_by: str | None = None
        self.unloading = False
        self.unloaded_for = ""
        self.loading: asyncio.Task[None]
        self.exited = asyncio.Event()
        self.worker: WorkerHandle | None = None
        self.death: WorkerDied | None = None
        self.info: Loaded | None = None
        self.token_requests = asyncio.Semaphore(MAX_TOKEN_REQUESTS)
        self._slots: asyncio.Semaphore | None = None
        self._idle_timer: TimerHandle | None = None

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
    def outdated(self) -> bool:
        return self.outdated_by is not None

    @property
    def state(self) -> State:
        if self.unloading:
            return "unloading"
        if self.info is None:
            return "loading"
        return "busy" if self.in_use else "loaded"

    @property
    def never_expires(self) -> bool:
        return math.isinf(self.keep_alive)

    def renew(self, plan: LoadPlan) -> None:
        """Replace the plan before the load."""
        if self.keep_alive == self.plan.keep_alive:  # not set by a request
            self.keep_alive = plan.keep_alive
        self.plan = plan

    def is_loaded_as(self, plan: LoadPlan) -> bool:
        """Whether the model has the parameters of `plan` and keeps them."""
        return self.plan.parameters == plan.parameters and not (self.outdated or self.unloading)

    @property
    def slots(self) -> int:
        """Number of slots of a loaded model."""
        return 0 if self.info is None else self.info.slots

    @property
    def loaded_worker(self) -> WorkerHandle:
        """The worker of a loaded model."""
        if self.worker is None:
            raise RuntimeError(f"{self.name} is not loaded")
        return self.worker

    async def take_slot(self) -> None:
        """Wait for a free slot of the engine. Slots are assigned in the order of the calls."""
        await self._loaded_slots.acquire()

    def free_slot(self) -> None:
        """Give back a slot."""
        self._loaded_slots.release()

    def set_loaded(self, worker: WorkerHandle, info: Loaded) -> None:
        self.worker, self.info = worker, info
        self._slots = asyncio.Semaphore(info.slots)

    @property
    def _loaded_slots(self) -> asyncio.Semaphore:
        if self._slots is None:
            raise RuntimeError(f"{self.name} is not loaded")
        return self._slots

    def set_idle_timer(self, timer: TimerHandle, expires_at: float) -> None:
        self.stop_idle_timer()
        self._idle_timer, self.expires_at = timer, expires_at

    def stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = self.expires_at = None
