"""What the parts of the runtime ask of each other and of their owner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ..contract.errors import WorkerDied
from ..contract.parameters import LoadParameters
from ..contract.types import Request
from ..engine.protocol import Load, Loaded
from .stream import Stream

#: Called with a load's progress, 0 to 1.
Progress = Callable[[float], None]


class WorkerHandle(Protocol):
    """A worker process as the scheduler sees it (`worker.Worker`; tests inject another)."""

    @property
    def memory_bytes(self) -> int:
        """Resident memory, mapped files included."""

    @property
    def mapped_bytes(self) -> int:
        """The part of it that are mapped files, which the system counts as free."""

    async def load(self, load: Load, progress: Progress) -> Loaded: ...

    def submit(self, request: Request) -> Stream: ...

    async def stop(self) -> None:
        """Return once the process has ended and its memory is back."""


#: Starts a worker for the model of this name; calls back when it dies by itself.
Spawn = Callable[[str, Callable[[WorkerDied], None]], Awaitable[WorkerHandle]]


@dataclass(frozen=True)
class LoadPlan:
    """A model that may be loaded.

    Attributes
    ----------
    parameters : how it is loaded; compared to see whether a load would change anything.
    prepare : checks the model's files, converts them if need be, and says how to load them; is
        told how to report the progress of a conversion; may raise a `PowerError`.
    need : bytes that it will take, estimated.
    keep_alive : seconds it stays loaded when idle, unless a request says otherwise.
    """

    name: str
    parameters: LoadParameters
    prepare: Callable[[Progress], Awaitable[Load]]
    need: int
    keep_alive: float


@dataclass(frozen=True)
class Limits:
    """`max_models` and `max_queue` are unlimited at 0, `memory` (bytes) is what the machine has.
    `load_timeout` is in seconds: how long a newcomer waits for room, and how long a load may be
    without progress."""

    max_models: int
    max_queue: int
    load_timeout: float
    memory: int = 0


class Observer(Protocol):
    """Told of what happens, on the event loop; must return at once."""

    def changed(self, name: str) -> None:
        """The state of a model is another."""

    def loaded(self, name: str, seconds: float) -> None: ...

    def evicted(self, name: str, reason: str) -> None:
        """A loaded model is gone: `idle`, `room`, `asked`, `reload`, `replaced`,
        `died` or `shutdown`."""
