"""State that all handlers of a server share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..contract.redaction import Redactor
from .decoder import Decoder
from .responses.store import ResponseStore

if TYPE_CHECKING:
    from ..service.service import PowerService

#: The key of the `Context` in tornado's settings.
SETTING = "a3s_power"

#: Seconds to send the errors of the requests that the end of the server stops.
ANSWER_SECONDS = 1.0


@dataclass
class Context:
    """State of one server.

    Attributes
    ----------
    service : PowerService
    kernel_key : str
        The secret of the runtime file. It is accepted by the routes of this package only.
    max_request_bytes : int
        Maximum size of a request's body.
    client_timeout : float
        Seconds that a client may read nothing while it is sent something.
    problems : list of str
        Invalid environment variables that the server ignores.
    responses : ResponseStore
        The responses that clients may refer to.
    response_mark : str
        Part of the identifiers of the responses of this server.
    redactor : callable
        Returns a function that removes the server's secrets from texts.
    decoder : Decoder
        Decodes large bodies.
    last_request : float
        Time of the last authenticated request, in seconds on the monotonic clock.
    """

    service: PowerService
    kernel_key: str
    max_request_bytes: int
    client_timeout: float
    problems: list[str]
    responses: ResponseStore
    redactor: Callable[[], Redactor]
    response_mark: str = ""
    decoder: Decoder = field(default_factory=Decoder)
    last_request: float = field(default_factory=time.monotonic)
    _answering: set[asyncio.Task[Any]] = field(default_factory=set)

    def touch(self) -> None:
        self.last_request = time.monotonic()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Note that the current task replies to a request for a model."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("Requests are answered in tasks.")
        self._answering.add(task)
        try:
            yield
        finally:
            self._answering.discard(task)

    async def answered(self) -> None:
        """Wait until all such requests have their replies, up to `ANSWER_SECONDS`."""
        if self._answering:
            await asyncio.wait(set(self._answering), timeout=ANSWER_SECONDS)
