"""What an engine is: loaded once, then stepped until its process ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from ..contract.errors import PowerError
from ..contract.types import Item, Request
from .protocol import Load, Loaded

#: Called with progress from 0 to 1 while a model loads.
Progress = Callable[[float], None]

#: What a step brought: an item of a request, or the error that ended it. `Finished`, `Embedded`
#: and an error are the last of their request.
StepOutput = tuple[int, "Item | PowerError"]


class Engine(ABC):
    """One loaded model. Not thread-safe: the worker's main thread alone calls it.

    An engine is stepped instead of called, so that requests are cancelled, and new ones join,
    between two steps; a step should take well under a second.
    """

    info: Loaded

    @classmethod
    @abstractmethod
    def load(cls, load: Load, progress: Progress) -> Engine:
        """Load the model.

        Raises
        ------
        PowerError
            `ModelLoadFailed`, `InvalidParameter`, `BackendUnavailable`: what the user should do.
        """

    @abstractmethod
    def submit(self, id_: int, request: Request) -> None:
        """Take a request into a free slot; the server never sends more than ``info.slots``.

        Raises
        ------
        PowerError
            The request cannot be served (too long a prompt, no chat template, ...).
        """

    @abstractmethod
    def cancel(self, id_: int) -> None:
        """Drop a request; its slot is free at once. Unknown ids are ignored."""

    @abstractmethod
    def step(self) -> list[StepOutput]:
        """Advance every request by one step."""

    @property
    @abstractmethod
    def idle(self) -> bool:
        """True when `step` has nothing to do."""
