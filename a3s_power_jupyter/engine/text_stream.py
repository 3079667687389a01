"""The bytes of tokens as text that is safe to send."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Turn the bytes of successive tokens into text that is safe to send.

    Incomplete characters, and a tail that may be the start of a stop string, are held back. The
    cost of a token does not depend on the length of the text so far.

    Attributes
    ----------
    stopped_by : str or None
        The stop string that has been found, if any. No text is returned after that.
    length : int
        Number of characters so far, including those that are held back.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(s for s in stop if s)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped_by: str | None = None
        self.length = 0

    @property
    def stopped(self) -> bool:
        return self.stopped_by is not None

    def push(self, piece: bytes) -> str:
        """Add the bytes of one token and return the text that may be sent."""
        text = self._decoder.decode(piece)
        self.length += len(text)
        self._held += text
        return self._release()

    @property
    def held(self) -> bytes:
        """The end of the text that is held back, as bytes of UTF-8."""
        return self._held.encode() + self._decoder.getstate()[0]

    def finish(self) -> str:
        """Return the held-back text at the end of a generation, without half a character."""
        if self.stopped:
            return ""
        rest, self._held = self._held, ""
        return rest

    def _release(self) -> str:
        matches = [(at, s) for s in self._stop if (at := self._held.find(s)) >= 0]
        if matches:
            at, self.stopped_by = min(matches, key=lambda match: match[0])
            text, self._held = self._held[:at], ""
            return text
        keep = max((_overlap(self._held, s) for s in self._stop), default=0)
        cut = len(self._held) - keep
        text, self._held = self._held[:cut], self._held[cut:]
        return text


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest suffix of `text` that is a proper prefix of `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[-length:]):
            return length
    return 0
