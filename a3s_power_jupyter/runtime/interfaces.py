"""Protocols and data shared by the parts of the runtime and the service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ..contract.errors import PowerError, WorkerDied
from ..contract.parameters import LoadParameters
from ..contract.types import Manifest, Request, TokenRequest
from ..engine.base import ProgressCallback
from ..engine.protocol import Load, Loaded
from .activity import Activity
from .stream import Stream


class WorkerHandle(Protocol):
    """The part of `worker.Worker` that the scheduler and the service use."""

    @property
    def activity(self) -> Activity:
        """What the worker has reported of its work."""

    @property
    def memory_bytes(self) -> int:
        """Resident memory, including mapped files."""

    @property
    def mapped_bytes(self) -> int:
        """The part of `memory_bytes` mapped from files, which the system counts as available."""

    async def load(self, load: Load, progress: ProgressCallback) -> Loaded: ...

    def submit(self, request: Request | TokenRequest) -> Stream: ...

    async def stop(self, error: PowerError | None = None, *, save: bool = False) -> None:
        """Stop the process, and wait until it has exited and its memory is free.

        Requests in progress fail with `error`. A worker that is not loaded has none. With `save`,
        the worker first writes its warm prompts to disk, for a limited time.
        """


@dataclass(frozen=True)
class LoadPlan:
    """How to load a model.

    Attributes
    ----------
    manifest : Manifest
        The model.
    parameters : LoadParameters
        Compared with those of the loaded model to decide whether a reload is needed.
    prepare : callable
        Checks the model's files, converts them if necessary, and returns the `Load` command.
        Receives a progress callback for the conversion, and may raise a `PowerError`.
    need : int
        Estimated size in memory, in bytes; known once the plan was renewed.
    keep_alive : float
        Seconds that the idle model stays loaded, unless a request specifies another value.
    renew : callable
        Returns the plan for the model as it is registered now. Raises `ModelNotFound` if it is no
        longer registered.
    headroom : int
        Bytes that the worker may use beyond `need`, or beyond what it uses once it is loaded if
        that is more; 0 for no limit. The prompt cache is not included.
    prompt_cache : int or None
        Bytes of memory for warm conversations; None for a share of what is free at the load.
    gpu_need : int
        Estimated size on the GPUs, in bytes; not a part of `need`.
    gpu_capacity : int
        Bytes of the GPUs' memory that all models together may use.
    """

    manifest: Manifest
    parameters: LoadParameters
    prepare: Callable[[ProgressCallback], Awaitable[Load]]
    need: int
    keep_alive: float
    renew: Callable[[], Awaitable[LoadPlan]]
    headroom: int = 0
    prompt_cache: int | None = 0
    gpu_need: int = 0
    gpu_capacity: int = 0

    @property
    def name(self) -> str:
        return self.manifest.name


#: Starts the worker of a plan without loading it; the callback is called if the worker dies.
Spawn = Callable[[LoadPlan, Callable[[WorkerDied], None]], Awaitable[WorkerHandle]]


@dataclass(frozen=True)
class Limits:
    """Limits of the runtime.

    Attributes
    ----------
    max_models : int
        Largest number of loaded models; 0 means no limit.
    max_queue : int
        Largest number of requests waiting for one model; 0 means no limit.
    load_timeout : float
        Seconds that a newcomer waits for room, and that a load may stall.
    memory : int
        Bytes that all models together may use; 0 means the memory of the machine.
    """

    max_models: int
    max_queue: int
    load_timeout: float
    memory: int = 0


class Observer(Protocol):
    """Receives the runtime's events on the event loop. The methods must not block."""

    def changed(self, name: str) -> None:
        """The state or the progress of a model changed."""

    def used(self, name: str) -> None:
        """The requests or the caches of a model changed, which can happen at any rate."""

    def waiting(self, requests: int) -> None:
        """The number of requests that wait for any model changed."""

    def loaded(self, name: str, seconds: float) -> None:
        """A model was loaded, which took `seconds`."""

    def evicted(self, name: str, reason: str) -> None:
        """A loaded model was unloaded.

        `reason` is ``idle``, ``room``, ``asked``, ``reload``, ``replaced``, ``deleted``, ``died``
        or ``shutdown``.
        """
