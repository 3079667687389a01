"""The interface of an engine, and defaults that all engines share."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from ..contract.errors import InsufficientMemory, PowerError
from ..contract.types import ChatRequest, Item, Request
from .protocol import Load, Loaded, Stats
from .threads import CpuThreads

#: Receives the progress of a load, from 0 to 1.
ProgressCallback = Callable[[float], None]

#: A request's id, and an item for it or the error that ended it. `Finished`, `Embedded`, `Ranked`
#: and errors are the last output of a request.
StepOutput = tuple[int, "Item | PowerError"]


#: A request that an engine has prepared.
Prepared = TypeVar("Prepared")

log = logging.getLogger("a3s_power_jupyter.worker")


class Tokenizer(Protocol):
    """The tokenizer of a model. It is called in several threads."""

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Sequence[int]:
        """Return the tokens of a text.

        Parameters
        ----------
        add_special : bool
            Whether to add the special tokens that a prompt or a text to embed gets.
        parse_special : bool
            Whether special tokens in the text are recognized.
        """

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, with special tokens as their text.

        Raises
        ------
        InvalidParameter
            If a token is not in the vocabulary.
        """

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token, which may be part of a character."""


class Engine(ABC, Generic[Prepared]):
    """One loaded model.

    The worker calls `prepare`, `render` and the tokenizer in threads, and everything else in its
    main thread. It calls `step` in a loop, so that requests can be cancelled and new ones can join
    between two steps. A step should take well under a second, or end early if a request of it is in
    `cancellation.CANCELLED`; the worker calls `cancel` for this request before the next step.

    An error that concerns one request is an output of that request. If `prepare` or `submit`
    raises, the worker ends the request. If `step` raises, it ends all requests and calls `reset`.
    """

    info: Loaded
    threads: CpuThreads
    tokenizer: Tokenizer

    @classmethod
    @abstractmethod
    def load(cls, load: Load, progress: ProgressCallback) -> Engine[Prepared]:
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
    def prepare(self, id_: int, request: Request) -> Prepared:
        """Do the work of a request that does not need the model's state, and check the request.

        This renders the chat template, tokenizes, decodes images and compiles schemas. Several
        threads call it at the same time, during steps too, so it must not change the engine.
        The result is discarded if the request is cancelled: native memory must belong to objects
        that free it when they are deleted.

        Raises
        ------
        PowerError
            If the request cannot be served: the prompt is too long, there is no chat template, ...
        """

    @abstractmethod
    def render(self, chat: ChatRequest) -> tuple[str, list[int]]:
        """Return the prompt of a chat, as `prepare` makes it, and its tokens.

        The prompt may be longer than the context.

        Raises
        ------
        PowerError
            If there is no chat template, or it rejects the messages.
        """

    @abstractmethod
    def submit(self, prepared: Prepared) -> None:
        """Add a request to a free slot; the server never uses more than ``info.slots``."""

    @abstractmethod
    def cancel(self, id_: int) -> None:
        """Drop a request and free its slot at once. Unknown ids are ignored."""

    @abstractmethod
    def step(self) -> list[StepOutput]:
        """Advance every request by one step and return the new outputs."""

    @abstractmethod
    def reset(self) -> None:
        """Drop all requests, and everything that earlier requests left in caches.

        Raises
        ------
        Exception
            If the engine cannot go on, for example because a GPU no longer responds. The worker
            then exits.
        """

    def stats(self) -> Stats | None:
        """Return the use of the caches, or None if the engine has none. Called between steps."""
        return None

    def save(self, deadline: float) -> None:
        """Write to disk what the next load of the model can use. The worker exits then.

        Requests may be in progress; they are dropped.

        Parameters
        ----------
        deadline : float
            Monotonic time at which this should end. The process is killed soon after.
        """
        del deadline

    @property
    @abstractmethod
    def idle(self) -> bool:
        """True if there are no requests."""


def request_error(error: BaseException) -> PowerError:
    """Return the error that ends a request, and log it if it is unexpected."""
    if isinstance(error, PowerError):
        # The traceback's frames keep the request, and refer to the error, so they would be freed
        # by the garbage collector only.
        return error.with_traceback(None)
    log.error("a request failed", exc_info=error)
    if isinstance(error, MemoryError):
        return InsufficientMemory(
            "There is not enough memory for this request. Send a shorter one, or unload other "
            "models."
        )
    return PowerError(
        f"This request failed because of an internal error: {type(error).__name__}: "
        f"{first_line(error)}. The notebook server's log has the traceback."
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if it has no message.

    A line that ends with a colon only announces the reason, so the next line is added.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    first = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return first[:300]
