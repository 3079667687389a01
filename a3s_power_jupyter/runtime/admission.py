"""Admit models to memory: evict idle models and wait for busy ones."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable

from ..contract.errors import InsufficientMemory, PowerError, ServerBusy
from . import policy
from .clock import Clock, wake
from .interfaces import Limits
from .runner import Runner


class Admission:
    """Admit models to memory one at a time, in the order of their requests.

    Parameters
    ----------
    runners : callable
        Returns all current runners.
    pinned : callable
        Returns whether the named model is pinned.
    unload : callable
        Stops the worker of an idle model. Receives the runner and the reason.
    free_bytes : callable
        Returns the bytes of memory that the system reports as available.
    clock : Clock
        Measures `Limits.load_timeout`.
    limits : Limits
        Limits on models and memory.
    """

    def __init__(
        self,
        *,
        runners: Callable[[], Iterable[Runner]],
        pinned: Callable[[str], bool],
        unload: Callable[[Runner, str], Awaitable[None]],
        free_bytes: Callable[[], int],
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._runners = runners
        self._pinned = pinned
        self._unload = unload
        self._free_bytes = free_bytes
        self._clock = clock
        self._limits = limits
        self._lock = asyncio.Lock()
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Make waiting newcomers check again after the state of a model has changed."""
        for future in self._waiting:
            wake(future)

    async def admit(self, newcomer: Runner) -> None:
        """Wait until there is room for `newcomer`, and mark it as admitted.

        Raises
        ------
        ServerBusy
            If busy models leave no room within `Limits.load_timeout`, or if all models that may
            be loaded are pinned.
        InsufficientMemory
            If the newcomer does not fit even when all unpinned models are unloaded.
        """
        deadline = self._clock.monotonic() + self._limits.load_timeout
        async with self._lock:
            while True:
                decision = self._decide(newcomer)
                if isinstance(decision, policy.Fits):
                    newcomer.admitted = True
                    return
                if isinstance(decision, policy.Refuse):
                    raise self._refusal(newcomer, decision)
                if isinstance(decision, policy.Evict):
                    await self._evict(decision.names)
                else:
                    await self._wait_for_change(deadline, newcomer.name)

    def preview(self, newcomer: Runner) -> tuple[policy.Decision, int]:
        """Return what would be decided for `newcomer` now, and the bytes that it may use.

        If its model is loaded already, the private memory of that worker counts as free.
        """
        loaded = [r.worker for r in self._runners() if r.name == newcomer.name and r.worker]
        released = sum(worker.memory_bytes - worker.mapped_bytes for worker in loaded)
        free = min(self._available(newcomer) + released, self._room(newcomer))
        return self._decide(newcomer, released), max(0, int(free))

    def free(self, newcomer: Runner) -> int:
        """Return the bytes that `newcomer` may use; negative if memory is overcommitted."""
        return int(min(self._available(newcomer), self._room(newcomer)))

    def _available(self, newcomer: Runner) -> int:
        """Return the bytes of memory that are free.

        The system counts pages that workers map from files as available, and models that are
        still loading have not used their memory yet. Both are subtracted.
        """
        admitted = self._others_admitted(newcomer)
        mapped = sum(r.worker.mapped_bytes for r in admitted if r.worker is not None)
        reserved = sum(r.plan.need for r in admitted if r.worker is None or r.info is None)
        return self._free_bytes() - mapped - reserved

    def _room(self, newcomer: Runner) -> float:
        """Return the bytes that the limit on the sizes of all models leaves."""
        if not self._limits.memory:
            return math.inf
        return self._limits.memory - sum(r.plan.need for r in self._others_admitted(newcomer))

    def _others_admitted(self, newcomer: Runner) -> list[Runner]:
        return [r for r in self._runners() if r.name != newcomer.name and r.admitted]

    def _decide(self, newcomer: Runner, released: int = 0) -> policy.Decision:
        candidates = [
            policy.Candidate(
                name=r.name,
                memory=r.plan.need,
                frees=max(r.plan.need, r.worker.memory_bytes if r.worker else 0),
                last_used=r.last_used,
                busy=r.in_use or not r.ready,
                pinned=self._pinned(r.name),
                gpu=_gpu_bytes(r),
            )
            for r in self._others_admitted(newcomer)
        ]
        plan = newcomer.plan
        missing = plan.gpu_need + sum(c.gpu for c in candidates) - plan.gpu_capacity
        idle = sum(c.gpu for c in candidates if not (c.busy or c.pinned))
        return policy.decide(
            candidates,
            need=plan.need + max(0, missing - idle),  # layers without room run on the CPU
            gpu_missing=missing,
            free=self._available(newcomer) + released,
            room=self._room(newcomer),
            max_models=self._limits.max_models,
        )

    async def _evict(self, names: tuple[str, ...]) -> None:
        for runner in list(self._runners()):
            # A request may have leased it while another model was being unloaded.
            if runner.name in names and runner.ready and not runner.in_use:
                await self._unload(runner, "room")

    async def _wait_for_change(self, deadline: float, name: str) -> None:
        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise ServerBusy(
                f"Could not make room for the model {name!r} within "
                f"{self._limits.load_timeout:g} seconds because all loaded models are in use. "
                "Try again later, or raise max_loaded_models if there is enough memory.",
                retry_after=30,
            )
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(change)
        timer = self._clock.call_later(remaining, lambda: wake(change))
        try:
            await change
        finally:
            timer.cancel()
            self._waiting.discard(change)

    def _refusal(self, newcomer: Runner, decision: policy.Refuse) -> PowerError:
        if decision.out_of_memory:
            return InsufficientMemory(
                f"The model {newcomer.name!r} needs about {_gib(newcomer.plan.need)} of memory, "
                f"but only {_gib(max(0, self.free(newcomer)))} is free. Load it with a smaller "
                "num_ctx, choose a smaller quantization, or free some memory."
            )
        return ServerBusy(
            f"max_loaded_models is {self._limits.max_models}, and all loaded models are pinned. "
            "Unpin one of them, or raise max_loaded_models.",
            retry_after=60,
        )


def _gpu_bytes(runner: Runner) -> int:
    """Return the GPU memory of a model: as estimated, or as it was loaded if that is more."""
    return max(runner.plan.gpu_need, runner.info.device_bytes if runner.info else 0)


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
