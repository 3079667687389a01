"""Load models on demand and lease them to requests. See design.md.

One long module, because all changes of a model's state have to be read together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from copy import copy
from dataclasses import dataclass, field, replace

import msgspec

from ..contract.errors import ModelBusy, ModelNotFound, PowerError, WorkerDied, shutting_down
from ..contract.types import LoadPhase, State
from ..engine.protocol import Load
from .admission import Admission
from .clock import Clock
from .interfaces import Limits, LoadPlan, Observer, Spawn, WorkerHandle
from .lease import Lease
from .loader import load_into
from .memory import prompt_cache_bytes
from .policy import Decision
from .queue import Queue
from .runner import Runner
from .steps import Steps
from .stopped import load_stopped, use_stopped

#: Reasons of an unload after which nobody can use what the worker would save.
GONE = {"deleted", "replaced"}


@dataclass
class Reload:
    """A load with other parameters, until it can begin.

    Attributes
    ----------
    plan : LoadPlan
        How the model is loaded next. A later load replaces it.
    keep_alive : float or None
        As for `Scheduler.load`.
    task : asyncio.Task
        Loads the model; ends when the load ends.
    stopped_for : str
        Reason of the unload that stopped it, if one did.
    """

    plan: LoadPlan
    keep_alive: float | None
    task: asyncio.Task[None] = field(init=False)
    stopped_for: str = ""


class Scheduler:
    """Load models on demand, lease them to requests, and unload them.

    All methods run on one event loop, so code between two awaits needs no lock.
    """

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
        self._reloads: dict[str, Reload] = {}
        self._queue = Queue(limits.max_queue, self._on_waiting)
        self._steps = Steps()
        self._stopping = False
        self._admission = Admission(
            runners=self.runners,
            pinned=self.pinned,
            unload=self._unload,
            free_bytes=free_bytes,
            clock=clock,
            limits=limits,
        )

    # ------------------------------------------------------------ state

    def runner(self, name: str) -> Runner | None:
        """Return the runner of a model that is loading, loaded or unloading."""
        return self._runners.get(name)

    def runners(self) -> list[Runner]:
        return list(self._runners.values())

    def state(self, name: str) -> State:
        runner = self._runners.get(name)
        if runner is not None:
            return runner.state
        return "failed" if name in self._failures else "unloaded"

    def failure(self, name: str) -> PowerError | None:
        """Return why the last load failed or the worker died, until the next load."""
        return self._failures.get(name)

    def pinned(self, name: str) -> bool:
        return name in self._pinned

    def waiting(self, name: str) -> int:
        """Return how many requests wait for a load or their first slot of a model."""
        return self._queue.requests(name)

    def preview(self, plan: LoadPlan) -> tuple[Decision, int]:
        """Return what would be decided for a load now, and the bytes that it may use."""
        return self._admission.preview(Runner(plan, self._clock.monotonic()))

    # ------------------------------------------------------------ leases

    @contextlib.asynccontextmanager
    async def lease(self, plan: LoadPlan, keep_alive: float | None = None) -> AsyncIterator[Lease]:
        """Lease a model to a request. The model is not evicted during the lease.

        Load the model if necessary, or join the load in progress, and wait for a slot.
        `keep_alive`, unless None, replaces the number of seconds that the model stays loaded
        without leases.

        Yields
        ------
        Lease
            Runs the prompts of the request. Its first slot is free for it.

        Raises
        ------
        ServerBusy
            If too many requests wait for the model, or if there is no room for it.
        PowerError
            If the load fails.
        """
        place = self._queue.enter(plan.name)
        try:
            while True:
                runner = await self._acquire(plan, keep_alive)
                try:
                    lease = Lease(runner)
                    async with lease.reserved():
                        # Otherwise it was reloaded, or its worker died, while this one waited.
                        if not runner.outdated and runner.death is None:
                            runner.running += 1
                            place.leave()
                            try:
                                yield lease
                            finally:
                                runner.running -= 1
                            return
                finally:
                    self._release(runner, keep_alive)
        finally:
            place.leave()

    @contextlib.asynccontextmanager
    async def use(
        self, plan: LoadPlan, keep_alive: float | None = None
    ) -> AsyncIterator[WorkerHandle]:
        """Lease a model to a request about tokens, which waits for the load but for no slot.

        Raises as `lease` does. If the model is loaded, a full queue does not matter.
        """
        runner = self._runners.get(plan.name)
        is_loaded = runner is not None and runner.ready and not runner.outdated
        place = None if is_loaded else self._queue.enter(plan.name)
        try:
            while True:
                runner = await self._acquire(plan, keep_alive)
                try:
                    async with runner.token_requests:
                        if not runner.outdated and runner.death is None:
                            if place is not None:
                                place.leave()
                            yield runner.loaded_worker
                            return
                finally:
                    self._release(runner, keep_alive)
        finally:
            if place is not None:
                place.leave()

    async def load(
        self, plan: LoadPlan, keep_alive: float | None = None, *, reload: bool = False
    ) -> None:
        """Load a model without a request. Raises as `lease` does.

        If `reload` is set, a model with other parameters is reloaded once the requests that it
        processes have ended. Requests that wait for it use the reloaded model. The reload continues
        if the caller is cancelled; only an unload stops it.
        """
        place = self._queue.enter(plan.name, load=True)
        try:
            runner = self._runners.get(plan.name)
            if reload and runner is not None and not runner.is_loaded_as(plan):
                started = self._reload(runner, plan, keep_alive)
                await asyncio.wait({started.task})
                if started.task.cancelled():
                    raise load_stopped(plan.name, started.stopped_for)
                started.task.result()
            else:
                self._release(await self._acquire(plan, keep_alive), keep_alive)
        finally:
            place.leave()

    async def unload(self, name: str, *, force: bool = False, reason: str = "asked") -> None:
        """Unload a model, or stop its load, and wait until the worker has exited.

        The unload continues if the caller is cancelled.

        Raises
        ------
        ModelBusy
            If requests use the model or wait for its load, and `force` is false.
        """
        if not force:
            self.refuse_if_busy(name)
        self._failures.pop(name, None)
        runner = self._runners.get(name)
        if (reload := self._reloads.pop(name, None)) is not None:
            reload.stopped_for = reason
            reload.task.cancel()
        if runner is None:
            self._changed(name)
        else:
            await self._unload(runner, reason)

    def refuse_if_busy(self, name: str) -> None:
        """Raise `ModelBusy` if requests use the model or wait for its load.

        A load that no request waits for may be stopped.
        """
        runner = self._runners.get(name)
        if runner is None or runner.unloading:
            return  # requests that wait now load the model again
        if runner.ready:
            requests, doing = runner.leases, "processing"
        else:
            requests, doing = self._queue.requests(name), "being loaded for"
        if requests:
            raise ModelBusy(
                f"The model {name!r} is {doing} {requests} request(s). Wait until they finish, or "
                "use ?force=true to cancel them."
            )

    def retire(self, name: str, reason: str) -> bool:
        """Unload a model once the requests that it processes have ended, also if it is pinned.

        Requests that wait for it load it again, as it is registered then.

        Returns
        -------
        bool
            Whether the model is in memory and this was not already in progress.
        """
        runner = self._runners.get(name)
        if runner is None or runner.outdated or runner.unloading:
            return False
        self._outdate(runner, reason)
        return True

    def renew(self, plan: LoadPlan) -> None:
        """Take over the manifest and the `keep_alive` of a plan for a model in memory.

        A `keep_alive` that a request has set stays.
        """
        runner = self._runners.get(plan.name)
        if runner is not None:
            kept = replace(runner.plan, manifest=plan.manifest, keep_alive=plan.keep_alive)
            runner.renew(kept)
            self._restart_idle_timer(runner)

    def pin(self, name: str, pinned: bool) -> None:
        """Pin or unpin a model. A pinned model is neither evicted nor unloaded when idle."""
        if pinned:
            self._pinned.add(name)
        else:
            self._pinned.discard(name)
        runner = self._runners.get(name)
        if runner is not None:
            self._restart_idle_timer(runner)
        self._changed(name)

    def forget(self, name: str) -> None:
        """Discard the pin and the failure of a model that was deleted or replaced."""
        self._pinned.discard(name)
        self._failures.pop(name, None)

    async def stop(self) -> None:
        """Stop all workers and all loads, and refuse new ones."""
        self._stopping = True
        for runner in self.runners():
            self._begin_unload(runner, "shutdown")
        await self._steps.wait()

    async def _acquire(self, plan: LoadPlan, keep_alive: float | None) -> Runner:
        """Count a lease, wait until the model is ready, and return its runner."""
        while True:
            runner = self._runners.get(plan.name)
            if runner is not None and (runner.unloading or runner.outdated):
                await runner.exited.wait()
                continue
            if runner is None:
                runner = self._begin_load(plan)
            runner.leases += 1
            runner.stop_idle_timer()
            try:
                await self._loaded(runner)
            except BaseException:
                self._release(runner, keep_alive)
                raise
            if runner.ready:
                self._used(plan.name)
                return runner
            self._release(runner, keep_alive)  # unloaded or reloaded in the meantime: try again

    async def _loaded(self, runner: Runner) -> None:
        """Wait for the end of the load, which continues if the caller is cancelled."""
        if not runner.loading.done():
            await asyncio.wait({runner.loading})
        if runner.outdated:
            return
        if runner.loading.cancelled():  # before the task of the load could begin
            raise load_stopped(runner.name, runner.unloaded_for)
        error = runner.loading.exception()
        if error is not None:
            # The error is kept. Its traceback would keep the request, too.
            raise copy(error) if isinstance(error, PowerError) else error

    def _release(self, runner: Runner, keep_alive: float | None) -> None:
        runner.leases -= 1
        runner.last_used = self._clock.monotonic()
        runner.last_used_at = self._clock.wall()
        if keep_alive is not None:
            runner.keep_alive = keep_alive
        self._restart_idle_timer(runner)
        self._used(runner.name)

    # ------------------------------------------------------------ unloading

    def _restart_idle_timer(self, runner: Runner) -> None:
        runner.stop_idle_timer()
        if runner.in_use or not runner.ready:
            return
        if runner.outdated_by is not None:
            self._begin_unload(runner, runner.outdated_by)
            return
        if runner.name in self._pinned or runner.never_expires:
            return
        if runner.keep_alive <= 0:
            # Requests that are about to start may lease the model first.
            asyncio.get_running_loop().call_soon(self._unload_if_idle, runner)
            return
        timer = self._clock.call_later(runner.keep_alive, lambda: self._unload_if_idle(runner))
        runner.set_idle_timer(timer, self._clock.wall() + runner.keep_alive)

    def _unload_if_idle(self, runner: Runner) -> None:
        if runner.ready and not runner.in_use:
            self._begin_unload(runner, "idle")

    def _outdate(self, runner: Runner, reason: str) -> None:
        runner.outdated_by = reason
        if not (runner.ready and runner.in_use):
            self._begin_unload(runner, reason)

    async def _unload(self, runner: Runner, reason: str) -> None:
        self._begin_unload(runner, reason)
        await runner.exited.wait()

    def _begin_unload(self, runner: Runner, reason: str) -> None:
        """Start to unload a model, unless that is already in progress."""
        if runner.unloading:
            return
        was_ready = runner.ready
        runner.unloading = True
        runner.unloaded_for = reason
        runner.stop_idle_timer()
        runner.loading.cancel()
        self._steps.start(self._finish_unload(runner, reason, was_ready))
        self._changed(runner.name)

    async def _finish_unload(self, runner: Runner, reason: str, was_ready: bool) -> None:
        try:
            if was_ready and runner.worker is not None:
                stopped = use_stopped(runner.name, reason)
                await runner.worker.stop(stopped, save=reason not in GONE)
            else:
                await asyncio.wait({runner.loading})  # a cancelled load stops its worker
        finally:
            self._remove(runner)
        self._log.info("Power: unloaded %s (%s)", runner.name, reason)
        if was_ready:
            self._observer.evicted(runner.name, reason)

    def _remove(self, runner: Runner) -> None:
        runner.stop_idle_timer()
        if self._runners.get(runner.name) is runner:
            del self._runners[runner.name]
        runner.exited.set()
        self._changed(runner.name)

    # ------------------------------------------------------------ loading

    def _reload(self, runner: Runner, plan: LoadPlan, keep_alive: float | None) -> Reload:
        """Unload a model once the requests that it processes have ended, and load it as planned."""
        reload = self._reloads.get(plan.name)
        if reload is None:
            reload = self._reloads[plan.name] = Reload(plan, keep_alive)
            reload.task = self._steps.start(self._finish_reload(reload))
        reload.plan, reload.keep_alive = plan, keep_alive
        self._outdate(runner, "reload")
        return reload

    async def _finish_reload(self, reload: Reload) -> None:
        runner = await self._acquire(reload.plan, None)
        self._release(runner, reload.keep_alive)

    def _begin_load(self, plan: LoadPlan) -> Runner:
        if self._stopping:
            raise shutting_down()
        if (reload := self._reloads.pop(plan.name, None)) is not None:
            plan = reload.plan
        self._failures.pop(plan.name, None)
        runner = Runner(plan, self._clock.monotonic())
        self._runners[plan.name] = runner
        runner.loading = asyncio.ensure_future(self._load(runner))
        # Retrieve the exception: without waiters, asyncio would log it as never retrieved.
        runner.loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._changed(plan.name)
        return runner

    async def _load(self, runner: Runner) -> None:
        name = runner.name
        try:
            runner.renew(await runner.plan.renew())
            load = await runner.plan.prepare(
                lambda value: self._on_progress(runner, "converting", value)
            )
            self._on_progress(runner, "loading", 0.0)
            await self._admission.admit(runner)
            load = self._with_prompt_cache(load, runner)
            started = self._clock.monotonic()
            worker = await self._spawn(runner.plan, lambda error: self._on_death(runner, error))
            worker.activity.watch(lambda: self._observer.used(name))
            info = await load_into(
                worker,
                name,
                load,
                progress=lambda value: self._on_progress(runner, "loading", value),
                clock=self._clock,
                stall_timeout=self._limits.load_timeout,
            )
            if runner.death is not None:
                raise runner.death
        except asyncio.CancelledError:
            raise load_stopped(name, runner.unloaded_for) from None
        except Exception as error:
            if isinstance(error, PowerError) and not isinstance(error, ModelNotFound):
                self._failures[name] = error
            if not runner.unloading:
                self._remove(runner)
            raise
        runner.set_loaded(worker, info)
        seconds = self._clock.monotonic() - started
        self._log.info("Power: loaded %s in %.2f s", name, seconds)
        self._observer.loaded(name, seconds)
        self._changed(name)

    def _with_prompt_cache(self, load: Load, runner: Runner) -> Load:
        """Set the size of the prompt cache, which depends on the memory that is free now."""
        if load.prompt_cache is None:
            return load
        spare = self._admission.free(runner) - runner.plan.need
        memory_bytes = prompt_cache_bytes(runner.plan.prompt_cache, spare)
        cache = msgspec.structs.replace(load.prompt_cache, memory_bytes=memory_bytes)
        return msgspec.structs.replace(load, prompt_cache=cache)

    def _on_progress(self, runner: Runner, phase: LoadPhase, value: float) -> None:
        runner.phase, runner.progress = phase, value
        self._observer.changed(runner.name)

    def _on_death(self, runner: Runner, error: WorkerDied) -> None:
        runner.death = error
        if runner.info is None or runner.unloading:
            return  # handled by the load or the unload in progress
        runner.unloading = True
        self._failures[runner.name] = error
        self._remove(runner)
        self._observer.evicted(runner.name, "died")

    # ------------------------------------------------------------ helpers

    def _on_waiting(self, name: str, requests: int) -> None:
        self._observer.waiting(requests)
        self._observer.used(name)

    def _used(self, name: str) -> None:
        self._admission.notify()
        self._observer.used(name)

    def _changed(self, name: str) -> None:
        self._admission.notify()
        self._observer.changed(name)
