"""Leases on loaded models: who is loaded, who waits, who has to go. See design.md."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from ..contract.errors import ModelBusy, ModelLoadFailed, PowerError, ServerBusy, WorkerDied
from ..contract.types import LoadPhase, State
from .admission import Admission
from .clock import Clock
from .interfaces import Limits, LoadPlan, Observer, Spawn, WorkerHandle
from .loader import load_into
from .runner import Runner


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
        self._runners: dict[str, Runner] = {}
        self._failures: dict[str, PowerError] = {}
        self._pinned: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._admission = Admission(
            runners=self.runners,
            pinned=self.pinned,
            unload=self._unload,
            free_bytes=free_bytes,
            clock=clock,
            limits=limits,
        )

    # ------------------------------------------------------------ questions

    def runner(self, name: str) -> Runner | None:
        """The model's place, if it is loading, loaded or unloading."""
        return self._runners.get(name)

    def runners(self) -> list[Runner]:
        return list(self._runners.values())

    def state(self, name: str) -> State:
        runner = self._runners.get(name)
        if runner is not None:
            return runner.state
        return "failed" if name in self._failures else "unloaded"

    def failure(self, name: str) -> PowerError | None:
        """Why the last load failed or the worker died, until the next load."""
        return self._failures.get(name)

    def pinned(self, name: str) -> bool:
        return name in self._pinned

    # ------------------------------------------------------------ leases

    @contextlib.asynccontextmanager
    async def lease(
        self, plan: LoadPlan, keep_alive: float | None = None
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
        runner = await self._acquire(plan, keep_alive)
        try:
            async with runner.slots:
                if runner.worker is None:
                    raise RuntimeError(f"{plan.name} is ready without a worker")
                yield runner.worker
        finally:
            self._release(runner, keep_alive)

    async def load(self, plan: LoadPlan, keep_alive: float | None = None) -> None:
        """Load the model if it is not, and leave it idle. Raises as `lease` does."""
        self._release(await self._acquire(plan, keep_alive), keep_alive)

    async def unload(self, name: str, *, force: bool = False, reason: str = "asked") -> None:
        """End the model's worker, or its load; return once the memory is back.

        Raises
        ------
        ModelBusy
            It answers requests, and `force` is not set.
        """
        self._failures.pop(name, None)
        runner = self._runners.get(name)
        if runner is None:
            self._changed(name)
            return
        if runner.ready and runner.in_use and not force:
            raise ModelBusy(
                f"The model {name!r} is answering {runner.leases} request(s). Wait until "
                "they end, or end them with force."
            )
        await self._unload(runner, reason)

    def pin(self, name: str, pinned: bool) -> None:
        """A pinned model is neither evicted nor unloaded when idle."""
        if pinned:
            self._pinned.add(name)
        else:
            self._pinned.discard(name)
        runner = self._runners.get(name)
        if runner is not None:
            self._start_idle_clock(runner)
        self._changed(name)

    def forget(self, name: str) -> None:
        """The model was deleted or replaced: nothing of its past counts."""
        self._pinned.discard(name)
        self._failures.pop(name, None)

    async def stop(self) -> None:
        """End every worker and every load."""
        await asyncio.gather(*(self._unload(r, "shutdown") for r in self.runners()))
        await asyncio.gather(*self._tasks)

    async def _acquire(self, plan: LoadPlan, keep_alive: float | None) -> Runner:
        """Wait until the model is ready; its lease is counted when this returns."""
        while True:
            runner = self._runners.get(plan.name)
            if runner is not None and runner.unloading:
                await runner.gone.wait()
                continue
            if runner is None:
                runner = self._begin_load(plan)
            self._check_queue(runner)
            runner.leases += 1
            runner.stop_clock()
            try:
                await asyncio.shield(runner.loading)
            except BaseException:
                self._release(runner, keep_alive)
                raise
            if runner.ready:
                self._changed(plan.name)
                return runner
            self._release(runner, keep_alive)  # unloaded by force just now: load again

    def _check_queue(self, runner: Runner) -> None:
        limit = self._limits.max_queue
        if limit and runner.waiting >= limit:
            raise ServerBusy(
                f"{runner.waiting} requests already wait for the model {runner.name!r}. "
                "Try again in a few seconds.",
                retry_after=5,
            )

    def _release(self, runner: Runner, keep_alive: float | None) -> None:
        runner.leases -= 1
        runner.last_used = self._clock.monotonic()
        runner.last_used_at = self._clock.wall()
        if keep_alive is not None:
            runner.keep_alive = keep_alive
        self._start_idle_clock(runner)
        self._changed(runner.name)

    # ------------------------------------------------------------ idle

    def _start_idle_clock(self, runner: Runner) -> None:
        runner.stop_clock()
        if runner.in_use or not runner.ready:
            return
        if runner.name in self._pinned or runner.for_ever:
            return
        if runner.keep_alive <= 0:
            self._background(self._unload_if_idle(runner))
            return
        timer = self._clock.call_later(
            runner.keep_alive, lambda: self._background(self._unload_if_idle(runner))
        )
        runner.start_clock(timer, self._clock.wall() + runner.keep_alive)

    async def _unload_if_idle(self, runner: Runner) -> None:
        if runner.ready and not runner.in_use:  # a request may have come first
            await self._unload(runner, "idle")

    async def _unload(self, runner: Runner, reason: str) -> None:
        if runner.unloading:
            await runner.gone.wait()
            return
        was_ready = runner.ready
        runner.unloading = True
        runner.stop_clock()
        runner.loading.cancel()
        self._changed(runner.name)
        if was_ready and runner.worker is not None:
            await runner.worker.stop()
        else:
            await asyncio.wait({runner.loading})  # it stops the worker that it started
        self._remove(runner)
        self._log.info("Power: unloaded %s (%s)", runner.name, reason)
        if was_ready:
            self._observer.evicted(runner.name, reason)

    def _remove(self, runner: Runner) -> None:
        runner.stop_clock()
        if self._runners.get(runner.name) is runner:
            del self._runners[runner.name]
        runner.gone.set()
        self._changed(runner.name)

    # ------------------------------------------------------------ loading

    def _begin_load(self, plan: LoadPlan) -> Runner:
        self._failures.pop(plan.name, None)
        runner = Runner(plan, self._clock.monotonic())
        self._runners[plan.name] = runner
        runner.loading = asyncio.ensure_future(self._load(runner))
        # When nobody waits any more, a failure is told by `failure`, not by asyncio's warning.
        runner.loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._changed(plan.name)
        return runner

    async def _load(self, runner: Runner) -> None:
        name = runner.name
        try:
            load = await runner.plan.prepare(
                lambda value: self._on_progress(runner, "converting", value)
            )
            self._on_progress(runner, "loading", 0.0)
            await self._admission.admit(runner)
            started = self._clock.monotonic()
            worker = await self._spawn(name, lambda error: self._on_death(runner, error))
            info = await load_into(
                worker,
                name,
                load,
                progress=lambda value: self._on_progress(runner, "loading", value),
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
            if not runner.unloading:
                self._remove(runner)
            raise
        runner.loaded(worker, info)
        seconds = self._clock.monotonic() - started
        self._log.info("Power: loaded %s in %.2f s", name, seconds)
        self._observer.loaded(name, seconds)
        self._changed(name)

    def _on_progress(self, runner: Runner, phase: LoadPhase, value: float) -> None:
        runner.phase, runner.progress = phase, value
        self._observer.changed(runner.name)

    def _on_death(self, runner: Runner, error: WorkerDied) -> None:
        if runner.info is None or runner.unloading:
            return  # the load, or the unload, under way sees it
        runner.unloading = True
        self._failures[runner.name] = error
        self._remove(runner)
        self._observer.evicted(runner.name, "died")

    # ------------------------------------------------------------ plumbing

    def _changed(self, name: str) -> None:
        self._admission.changed()
        self._observer.changed(name)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
