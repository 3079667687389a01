"""Send the text of requests at a rate that people can see.

A token costs the server and its client about the same time, however short its text is, and on a
CPU they take that time from the model. The tokens of a fast model are therefore sent several at a
time, and those of all requests together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

from msgspec.structs import replace

from ..contract.types import Delta, Item

#: Seconds between two parts of a text, if tokens come faster: 24 a second look continuous, as in
#: films.
FRAME = 1 / 24

#: Texts of a request that are sent as they come, so that short answers and the start of all others
#: are as smooth as the model is fast.
FIRST_TEXTS = 16

#: Characters of a part that is held back.
MAX_HELD = 4096


class Outbox:
    """Sends the items of requests, and joins texts that follow each other closely.

    The first texts of a request are sent at once. Later ones are held back while the next step will
    probably end within `FRAME` seconds after texts were sent, and until something else is sent.
    Nothing but text is held back: no log probabilities or calls of functions, and nothing that a
    client has asked for with each token.

    Parameters
    ----------
    send : callable
        Sends an item of a request, which is named by its id.
    clock : callable
        Returns a time in seconds that never decreases.
    """

    def __init__(
        self, send: Callable[[int, Item], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._send = send
        self._clock = clock
        self._held: dict[int, Delta] = {}
        self._texts: dict[int, int] = {}  # number of texts that were sent at once
        self._must_send = False
        self._sent = self._stepped = -inf

    def put(self, id_: int, item: Item) -> None:
        """Add an item of a step to what is sent."""
        held = self._held.pop(id_, None)
        if held is not None:
            joined = _joined(held, item)
            if joined is None:
                self._send(id_, held)
            else:
                item = joined
        if isinstance(item, Delta):
            sent = self._texts.get(id_, 0)
            if sent >= FIRST_TEXTS and _may_wait(item):
                self._held[id_] = item
                return
            self._texts[id_] = sent + 1
        self._must_send = True
        self._send(id_, item)

    def end_step(self) -> None:
        """Send the texts of the step, or hold them back. The next step probably takes as long."""
        now = self._clock()
        next_end, self._stepped = now + (now - self._stepped), now
        if self._must_send or next_end > self._sent + FRAME:
            self._sent = now
            self.flush()

    def flush(self) -> None:
        """Send everything, because the next step may take longer than the last one."""
        held, self._held, self._must_send = self._held, {}, False
        for id_, delta in held.items():
            self._send(id_, delta)

    def end(self, id_: int) -> None:
        """Send what is left of a request, which has ended."""
        held = self._held.pop(id_, None)
        if held is not None:
            self._send(id_, held)
        self._texts.pop(id_, None)


def _is_text(delta: Delta) -> bool:
    return delta.logprobs is None and delta.timings is None and not delta.tool_calls


def _may_wait(delta: Delta) -> bool:
    return _is_text(delta) and len(delta.text) + len(delta.reasoning) <= MAX_HELD


def _joined(first: Delta, second: Item) -> Delta | None:
    """Return two parts of an answer as one, or None if that would change their order."""
    if not isinstance(second, Delta) or not _is_text(second) or (first.text and second.reasoning):
        return None
    return replace(
        first,
        text=first.text + second.text,
        reasoning=first.reasoning + second.reasoning,
        tokens=first.tokens + second.tokens,
    )
