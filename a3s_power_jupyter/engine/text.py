"""From the bytes of tokens to text that may be sent: whole characters, no stop strings."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Turns the bytes of one token after the other into text.

    Held back are the bytes of a character that is not whole yet, and a tail that may be the
    beginning of a stop string. The work for a token does not depend on how much came before.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(s for s in stop if s)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        #: True once a stop string was seen; nothing after it is ever given.
        self.stopped = False

    def push(self, piece: bytes) -> str:
        """The text that may be sent after this token."""
        self._held += self._decoder.decode(piece)
        return self._release()

    def finish(self) -> str:
        """What is still held when the generation ends for another reason than a stop string."""
        if self.stopped:
            return ""
        self._held += self._decoder.decode(b"", True)
        text = self._release()
        if self.stopped:
            return text
        rest, self._held = self._held, ""
        return text + rest

    def _release(self) -> str:
        ends = [at for at in (self._held.find(s) for s in self._stop) if at >= 0]
        if ends:
            text, self._held = self._held[: min(ends)], ""
            self.stopped = True
            return text
        keep = max((_overlap(self._held, s) for s in self._stop), default=0)
        cut = len(self._held) - keep
        text, self._held = self._held[:cut], self._held[cut:]
        return text


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` with which `stop` begins."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[-length:]):
            return length
    return 0
