"""Making room for a newcomer: whose turn it is, who goes, how long to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from ..contract.errors import InsufficientMemory, PowerError, ServerBusy
from . import policy
from .clock import Clock
from .interfaces import Limits
from .runner import Runner


class Admission:
    """Admits models to memory, one after the other, in the order they came.

    Parameters
    ----------
    runners : all of them, at the moment of the call.
    pinned : whether the model of this name is pinned.
    unload : ends an idle model's worker, for this reason.
    free_bytes : memory that the system says is free.
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
        self._turn = asyncio.Lock()
        self._waiting: set[asyncio.Future[None]] = set()

    def changed(self) -> None:
        """A model became idle, was unloaded, unpinned, ...: whoever waits looks again."""
        for future in self._waiting:
            wake(future)

    async def admit(self, newcomer: Runner) -> None:
        """Return when `newcomer` has a place; newcomers are served in the order they came.

        Raises
        ------
        ServerBusy
            Busy models left no room within `load_timeout`, or pinned ones never will.
        InsufficientMemory
            Even alone it would not fit.
        """
        deadline = self._clock.monotonic() + self._limits.load_timeout
        async with self._turn:
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

    def free(self, newcomer: Runner) -> int:
        """Bytes that `newcomer` may take.

        Weights that workers map from files count as free to the system, and what models under
        way will take is not taken yet: both are subtracted.
        """
        others = self._others(newcomer)
        mapped = sum(r.worker.mapped_bytes for r in others if r.worker is not None)
        promised = sum(r.plan.need for r in others if r.worker is None or r.info is None)
        free = self._free_bytes() - mapped - promised
        if self._limits.memory:
            free = min(free, self._limits.memory - sum(r.plan.need for r in others))
        return free

    def _others(self, newcomer: Runner) -> list[Runner]:
        return [r for r in self._runners() if r is not newcomer and r.admitted]

    def _decide(self, newcomer: Runner) -> policy.Decision:
        candidates = [
            policy.Candidate(
                name=r.name,
                memory=r.plan.need,
                last_used=r.last_used,
                busy=r.in_use or not r.ready,
                pinned=self._pinned(r.name),
            )
            for r in self._others(newcomer)
        ]
        return policy.decide(
            candidates,
            need=newcomer.plan.need,
            free=self.free(newcomer),
            max_models=self._limits.max_models,
        )

    async def _evict(self, names: tuple[str, ...]) -> None:
        for runner in list(self._runners()):
            # Asked again: it may have been taken while another one was being unloaded.
            if runner.name in names and runner.ready and not runner.in_use:
                await self._unload(runner, "room")

    async def _wait_for_change(self, deadline: float, name: str) -> None:
        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise ServerBusy(
                f"There was no room for the model {name!r} within "
                f"{self._limits.load_timeout:g} seconds, as the loaded models are all in use. "
                "Try again later, or raise max_loaded_models.",
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
        if decision.memory:
            return InsufficientMemory(
                f"The model {newcomer.name!r} needs about {_gib(newcomer.plan.need)} of memory "
                f"and {_gib(max(0, self.free(newcomer)))} are free. Load it with a smaller "
                "num_ctx, take a smaller quantization, or free some memory."
            )
        return ServerBusy(
            f"All {self._limits.max_models} places (max_loaded_models) are taken by pinned "
            "models. Unpin one of them.",
            retry_after=60,
        )


def wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
