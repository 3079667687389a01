"""Leases on loaded models: who is loaded, who waits, who has to go. See design.md."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from ..errors import ModelBusy, ModelLoadFailed, PowerError, ServerBusy, WorkerDied
from ..types import LoadPhase, State
from .clock import Clock
from .interfaces import Limits, Observer, Spawn, Spec, WorkerHandle
from .loader import load_into
from .resident import Resident
from .room import Room


class Scheduler:
    """All methods are called on one event loop: between two awaits nothing else runs."""

    def __init__(
        self,
        *,
        spawn: Spawn,
        clock: Clock,
        free_bytes: Callable[[], int],
        limits: Limits,
        observer: Observer,
        log: logging.Logger,
    ) -> None:
        self._spawn = spawn
        self._clock = clock
        self._limits = limits
        self._observer = observer
        self._log = log
        self._residents: dict[str, Resident] = {}
        self._failures: dict[str, PowerError] = {}
        self._pinned: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = Room(
            residents=self.residents,
            pinned=self.pinned,
            unload=self._unload,
            free_bytes=free_bytes,
            clock=clock,
            limits=limits,
        )

    # ------------------------------------------------------------ questions

    def resident(self, name: str) -> Resident | None:
        """The model's place, if it is loading, loaded or unloading."""
        return self._residents.get(name)

    def residents(self) -> list[Resident]:
        return list(self._residents.values())

    def state(self, name: str) -> State:
        resident = self._residents.get(name)
        if resident is not None:
            return resident.state
        return "failed" if name in self._failures else "unloaded"

    def failure(self, name: str) -> PowerError | None:
        """Why the last load failed or the worker died, until the next load."""
        return self._failures.get(name)

    def pinned(self, name: str) -> bool:
        return name in self._pinned

    # ------------------------------------------------------------ leases

    @contextlib.asynccontextmanager
    async def lease(
        self, spec: Spec, keep_alive: float | None = None
    ) -> AsyncIterator[WorkerHandle]:
        """A slot of the loaded model, which is not evicted meanwhile.

        Loads the model if it is not, or joins the load under way. The idle clock starts when
        the last lease ends; `keep_alive` seconds, if given, hold from then on.

        Raises
        ------
        ServerBusy
            Too many requests wait for the model, or there was no room for it.
        PowerError
            The load failed.
        """
        resident = await self._acquire(spec, keep_alive)
        try:
            async with resident.slots:
                if resident.worker is None:
                    raise RuntimeError(f"{spec.name} is ready without a worker")
                yield resident.worker
        finally:
            self._release(resident, keep_alive)

    async def load(self, spec: Spec, keep_alive: float | None = None) -> None:
        """Load the model if it is not, and leave it idle. Raises as `lease` does."""
        self._release(await self._acquire(spec, keep_alive), keep_alive)

    async def unload(self, name: str, *, force: bool = False, reason: str = "asked") -> None:
        """End the model's worker, or its load; return once the memory is back.

        Raises
        ------
        ModelBusy
            It answers requests, and `force` is not set.
        """
        self._failures.pop(name, None)
        resident = self._residents.get(name)
        if resident is None:
            self._changed(name)
            return
        if resident.ready and resident.in_use and not force:
            raise ModelBusy(
                f"The model {name!r} is answering {resident.leases} request(s). Wait until "
                "they end, or end them with force."
            )
        await self._unload(resident, reason)

    def pin(self, name: str, pinned: bool) -> None:
        """A pinned model is neither evicted nor unloaded when idle."""
        if pinned:
            self._pinned.add(name)
        else:
            self._pinned.discard(name)
        resident = self._residents.get(name)
        if resident is not None:
            self._start_idle_clock(resident)
        self._changed(name)

    def forget(self, name: str) -> None:
        """The model was deleted or replaced: nothing of its past counts."""
        self._pinned.discard(name)
        self._failures.pop(name, None)

    async def stop(self) -> None:
        """End every worker and every load."""
        await asyncio.gather(*(self._unload(r, "shutdown") for r in self.residents()))
        await asyncio.gather(*self._tasks)

    async def _acquire(self, spec: Spec, keep_alive: float | None) -> Resident:
        """Wait until the model is ready; its lease is counted when this returns."""
        while True:
            resident = self._residents.get(spec.name)
            if resident is not None and resident.unloading:
                await resident.gone.wait()
                continue
            if resident is None:
                resident = self._begin_load(spec)
            self._check_queue(resident)
            resident.leases += 1
            resident.stop_clock()
            try:
                await asyncio.shield(resident.loading)
            except BaseException:
                self._release(resident, keep_alive)
                raise
            if resident.ready:
                self._changed(spec.name)
                return resident
            self._release(resident, keep_alive)  # unloaded by force just now: load again

    def _check_queue(self, resident: Resident) -> None:
        limit = self._limits.max_queue
        if limit and resident.waiting >= limit:
            raise ServerBusy(
                f"{resident.waiting} requests already wait for the model {resident.name!r}. "
                "Try again in a few seconds.",
                retry_after=5,
            )

    def _release(self, resident: Resident, keep_alive: float | None) -> None:
        resident.leases -= 1
        resident.last_used = self._clock.monotonic()
        resident.last_used_at = self._clock.wall()
        if keep_alive is not None:
            resident.keep_alive = keep_alive
        self._start_idle_clock(resident)
        self._changed(resident.name)

    # ------------------------------------------------------------ idle

    def _start_idle_clock(self, resident: Resident) -> None:
        resident.stop_clock()
        if resident.in_use or not resident.ready:
            return
        if resident.name in self._pinned or resident.for_ever:
            return
        if resident.keep_alive <= 0:
            self._background(self._unload_if_idle(resident))
            return
        timer = self._clock.call_later(
            resident.keep_alive, lambda: self._background(self._unload_if_idle(resident))
        )
        resident.start_clock(timer, self._clock.wall() + resident.keep_alive)

    async def _unload_if_idle(self, resident: Resident) -> None:
        if resident.ready and not resident.in_use:  # a request may have come first
            await self._unload(resident, "idle")

    async def _unload(self, resident: Resident, reason: str) -> None:
        if resident.unloading:
            await resident.gone.wait()
            return
        was_ready = resident.ready
        resident.unloading = True
        resident.stop_clock()
        resident.loading.cancel()
        self._changed(resident.name)
        if was_ready and resident.worker is not None:
            await resident.worker.stop()
        else:
            await asyncio.wait({resident.loading})  # it stops the worker that it started
        self._remove(resident)
        self._log.info("Power: unloaded %s (%s)", resident.name, reason)
        if was_ready:
            self._observer.evicted(resident.name, reason)

    def _remove(self, resident: Resident) -> None:
        resident.stop_clock()
        if self._residents.get(resident.name) is resident:
            del self._residents[resident.name]
        resident.gone.set()
        self._changed(resident.name)

    # ------------------------------------------------------------ loading

    def _begin_load(self, spec: Spec) -> Resident:
        self._failures.pop(spec.name, None)
        resident = Resident(spec, self._clock.monotonic())
        self._residents[spec.name] = resident
        resident.loading = asyncio.ensure_future(self._load(resident))
        # When nobody waits any more, a failure is told by `failure`, not by asyncio's warning.
        resident.loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._changed(spec.name)
        return resident

    async def _load(self, resident: Resident) -> None:
        name = resident.name
        try:
            load = await resident.spec.prepare(
                lambda value: self._on_progress(resident, "converting", value)
            )
            self._on_progress(resident, "loading", 0.0)
            await self._room.make(resident)
            started = self._clock.monotonic()
            worker = await self._spawn(name, lambda error: self._on_death(resident, error))
            info = await load_into(
                worker,
                name,
                load,
                progress=lambda value: self._on_progress(resident, "loading", value),
                clock=self._clock,
                stall_timeout=self._limits.load_timeout,
            )
        except asyncio.CancelledError:
            raise ModelLoadFailed(
                f"The model {name!r} was unloaded while it was being loaded."
            ) from None
        except Exception as error:
            if isinstance(error, PowerError):
                self._failures[name] = error
            if not resident.unloading:
                self._remove(resident)
            raise
        resident.loaded(worker, info)
        seconds = self._clock.monotonic() - started
        self._log.info("Power: loaded %s in %.2f s", name, seconds)
        self._observer.loaded(name, seconds)
        self._changed(name)

    def _on_progress(self, resident: Resident, phase: LoadPhase, value: float) -> None:
        resident.phase, resident.progress = phase, value
        self._observer.changed(resident.name)

    def _on_death(self, resident: Resident, error: WorkerDied) -> None:
        if resident.info is None or resident.unloading:
            return  # the load, or the unload, under way sees it
        resident.unloading = True
        self._failures[resident.name] = error
        self._remove(resident)
        self._observer.evicted(resident.name, "died")

    # ------------------------------------------------------------ plumbing

    def _changed(self, name: str) -> None:
        self._room.changed()
        self._observer.changed(name)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
