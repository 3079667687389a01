"""The interface of an engine, and defaults that all engines share."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable

import psutil
from msgspec import UNSET

from ..contract.errors import PowerError
from ..contract.parameters import LoadParameters
from ..contract.types import Item, Request
from .protocol import Load, Loaded

#: Receives the progress of a load, from 0 to 1.
ProgressCallback = Callable[[float], None]

#: A request's id, and an item for it or the error that ended it. `Finished`, `Embedded` and errors
#: are the last output of a request.
StepOutput = tuple[int, "Item | PowerError"]


class Engine(ABC):
    """One loaded model. Not thread-safe: only the worker's main thread calls it.

    The worker calls `step` in a loop, so that requests can be cancelled and new ones can join
    between two steps. A step should take well under a second.
    """

    info: Loaded

    @classmethod
    @abstractmethod
    def load(cls, load: Load, progress: ProgressCallback) -> Engine:
        """Load the model.

        Raises
        ------
        ModelLoadFailed
            If the engine cannot load the model.
        InvalidParameter
            If a load parameter is wrong for this model.
        BackendUnavailable
            If a library is missing or has an unsupported version.
        """

    @abstractmethod
    def submit(self, id_: int, request: Request) -> None:
        """Add a request to a free slot. The server never submits more than ``info.slots`` at once.

        Raises
        ------
        PowerError
            If the request cannot be served: the prompt is too long, there is no chat template, ...
        """

    @abstractmethod
    def cancel(self, id_: int) -> None:
        """Drop a request and free its slot at once. Unknown ids are ignored."""

    @abstractmethod
    def step(self) -> list[StepOutput]:
        """Advance every request by one step and return the new outputs."""

    @property
    @abstractmethod
    def idle(self) -> bool:
        """True if there are no requests."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if it has no message."""
    message = str(error).strip() or type(error).__name__
    return message.splitlines()[0][:300]


def cpu_threads(parameters: LoadParameters) -> int:
    """Return the number of CPU threads to compute with.

    The default is the number of physical cores that this process may use.
    """
    if parameters.num_thread is not UNSET:
        return parameters.num_thread
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return min(physical, allowed or physical)
