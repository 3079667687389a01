"""Control a worker process from the server: load its model and submit requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakSet

import psutil

from ..contract.errors import ModelLoadFailed, PowerError, WorkerDied, from_wire
from ..contract.types import Delta, Request, TokenRequest
from ..engine.base import ProgressCallback
from ..engine.protocol import (
    REPLY_DECODER,
    Cancel,
    Command,
    Ended,
    Load,
    Loaded,
    LoadFailed,
    Loading,
    Output,
    Reply,
    Stats,
    Stop,
    Submit,
)
from ..ipc.child import Child, python_module
from ..ipc.environment import Environment
from ..ipc.memory_guard import private_bytes
from .activity import Activity
from .clock import Clock
from .interfaces import LoadPlan
from .stream import Stream
from .watchdog import Watchdog

_MORE_MEMORY = " If the model needs more memory, raise PowerApp.memory_headroom."

#: Seconds that a worker may write its warm prompts, from the arrival of the command to stop. They
#: are as many as an eviction and the end of the server may be delayed.
SAVE_SECONDS = 2.0
#: Seconds that it then has to exit.
SAVE_GRACE = 1.0

WORKER_COMMAND = python_module("a3s_power_jupyter.engine.main")


@dataclass(frozen=True)
class WorkerContext:
    """What all workers of a server share.

    Attributes
    ----------
    step_timeout : float
        Seconds without an answer after which a worker with requests is ended.
    clock : Clock
        Measures `step_timeout`.
    environment : callable
        Returns the environment variables of a worker.
    log : logging.Logger
        Logger of the server.
    workers : WeakSet of Worker
        All workers.
    """

    step_timeout: float
    clock: Clock
    environment: Environment
    log: logging.Logger
    workers: WeakSet[Worker] = field(default_factory=WeakSet)

    @property
    def busy(self) -> int:
        """Number of workers with requests."""
        return sum(worker.busy for worker in self.workers)


class Worker:
    """A worker process with one model.

    Parameters
    ----------
    plan : LoadPlan
        How the model is loaded.
    on_death : callable
        Called on the event loop with the reason if the process exits without `stop`.
    context : WorkerContext
        Shared by all workers.

    Attributes
    ----------
    activity : Activity
        What the process has reported of its work.
    """

    def __init__(
        self, plan: LoadPlan, on_death: Callable[[WorkerDied], None], context: WorkerContext
    ) -> None:
        self._plan = plan
        self._name = name = plan.name
        self._on_death = on_death
        self._log = context.log
        self._context = context
        self._step_timeout = context.step_timeout
        self._watchdog = Watchdog(context.clock, context.step_timeout, self._on_silence)
        self.activity = Activity(context.clock)
        self._silent = False
        self._streams: dict[int, Stream] = {}
        self._last_id = 0
        self._progress: ProgressCallback = lambda _value: None
        self._loaded: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self._saves = False
        self._stopping = False
        self._stop_error: PowerError | None = None
        self._child: Child[Command, Reply] = Child(
            f"the worker of {name}",
            WORKER_COMMAND,
            context.environment(),
            REPLY_DECODER,
            self._on_reply,
            self._on_exit,
            context.log,
        )
        context.workers.add(self)
        self._headroom = plan.headroom
        if plan.headroom:
            self._child.limit_memory(plan.need + plan.headroom)

    @classmethod
    async def spawn(
        cls, plan: LoadPlan, on_death: Callable[[WorkerDied], None], context: WorkerContext
    ) -> Worker:
        """Start a worker process without loading the model.

        Raises
        ------
        ModelLoadFailed
            If the process cannot be started.
        """
        try:
            return cls(plan, on_death, context)
        except OSError as error:
            raise ModelLoadFailed(
                f"Could not start a worker process for {plan.name!r}: {error}."
            ) from None

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def busy(self) -> bool:
        """Whether the worker has requests."""
        return bool(self._streams)

    @property
    def memory_bytes(self) -> int:
        """Resident memory, including mapped weights; 0 once the process has exited."""
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(self.pid).memory_info().rss)
        return 0

    @property
    def mapped_bytes(self) -> int:
        """Resident memory mapped from files; 0 where psutil does not report it (not Linux)."""
        with contextlib.suppress(psutil.Error):
            return int(getattr(psutil.Process(self.pid).memory_info(), "shared", 0))
        return 0

    async def load(self, load: Load, progress: ProgressCallback) -> Loaded:
        """Load the model.

        Raises
        ------
        PowerError
            If the engine cannot load the model, or if the worker dies (`WorkerDied`).
        """
        self._progress = progress
        self._saves = load.prompt_cache is not None and bool(load.prompt_cache.directory)
        if self._headroom and load.prompt_cache is not None:
            self._headroom += load.prompt_cache.memory_bytes
            self._child.limit_memory(self._plan.need + self._headroom)
        self._child.send(load)
        return await asyncio.shield(self._loaded)

    def submit(self, request: Request | TokenRequest) -> Stream:
        """Submit a request and return its stream.

        The caller must submit at most `Loaded.slots` requests at a time, not counting those about
        tokens, and close each stream.
        """
        self._last_id += 1
        id_ = self._last_id
        stream = Stream(cancel=lambda: self._child.send(Cancel(id_)))
        if self._child.exited:
            stream.push(self._stop_error or self._death())
            return stream
        self._streams[id_] = stream
        try:
            self._child.send(Submit(id_, request, self._context.busy))
        except BaseException:  # the request cannot be encoded, so the worker never ends it
            del self._streams[id_]
            raise
        self._watchdog.start()
        return stream

    async def stop(self, error: PowerError | None = None, *, save: bool = False) -> None:
        """End the process, and wait until it has exited and its memory is free.

        Requests in progress fail with `error`. With `save`, the worker first writes its warm
        prompts to disk, if it keeps them there.
        """
        self._stopping, self._stop_error = True, error
        self._watchdog.stop()  # a worker that saves is silent
        if save and self._saves:
            await self._child.stop(Stop(SAVE_SECONDS), patience=SAVE_SECONDS + SAVE_GRACE)
        else:
            await self._child.stop()

    # ------------------------------------------------------------ callbacks on the event loop

    def _on_reply(self, reply: Reply) -> None:
        self._watchdog.sign_of_life()
        if isinstance(reply, Output):
            self._on_output(reply)
        elif isinstance(reply, Ended):
            stream = self._streams.pop(reply.id, None)
            if stream is not None:
                stream.push(reply)
            if not self._streams:
                self._watchdog.stop()
        elif isinstance(reply, Stats):
            self.activity.reported(reply)
        elif isinstance(reply, Loading):
            self._progress(reply.progress)
        elif isinstance(reply, Loaded):
            self._limit_memory(on_gpu=reply.device != "cpu")
            self._loaded.set_result(reply)
        elif isinstance(reply, LoadFailed):
            self._fail_load(from_wire(reply.error))

    def _on_output(self, output: Output) -> None:
        if isinstance(output.item, Delta):
            self.activity.generated(output.item.tokens)
        stream = self._streams.get(output.id)
        if stream is not None:
            stream.push(output.item)

    def _on_silence(self) -> None:
        self._silent = True
        self._child.kill()

    def _on_exit(self) -> None:
        self._watchdog.stop()
        death = self._death()
        if not self._stopping:
            self._log.warning("Power: the worker of %s died: %s", self._name, death.message)
        error = self._stop_error or death
        self._fail_load(error)
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.push(error)
        if not self._stopping:
            self._on_death(death)

    def _fail_load(self, error: PowerError) -> None:
        if not self._loaded.done():
            self._loaded.set_exception(error)
            self._loaded.exception()  # mark as retrieved; the load may have no waiter

    def _limit_memory(self, *, on_gpu: bool) -> None:
        """Set the limit for the loaded model, which may have taken more than was estimated."""
        if self._headroom:
            used = max(self._plan.need, private_bytes(self.pid))
            self._child.limit_memory(used + self._headroom, refuse=not on_gpu)

    def _death(self) -> WorkerDied:
        if self._silent:
            return WorkerDied(
                f"The worker process of the model {self._name!r} was ended because it did not "
                f"answer for {self._step_timeout:g} seconds (PowerApp.step_timeout). The next "
                "request loads the model again."
            )
        return WorkerDied(
            f"The worker process of the model {self._name!r} exited: "
            f"{self._child.exit_reason()}. The next request loads the model again."
            f"{_MORE_MEMORY if self._child.exceeded_memory else ''}"
        )
