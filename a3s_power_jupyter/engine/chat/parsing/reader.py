"""Text that arrives in pieces, for parsers that are written as generators.

A parser yields when it needs more text, and is resumed when there is some, or at the end. It waits
only as long as the text so far can still become what it looks for. How the text is divided into
pieces makes no difference to a parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

T = TypeVar("T")

#: A part of a parser. It yields to wait for more text, and returns its result.
Step = Generator[None, None, T]

_SPACE = re.compile(r"\s+")


class Reader:
    """The text of an answer.

    Attributes
    ----------
    ended : bool
        True if no more text will come.
    """

    def __init__(self, offset: int = 0) -> None:
        self.ended = False
        self._text = ""
        self._next = 0
        self._offset = offset  # of the first character of `_text` in the answer
        self._kept: list[str] | None = None

    @property
    def offset(self) -> int:
        """Position of the next character in the answer."""
        return self._offset + self._next

    def push(self, text: str) -> None:
        """Add the next piece of the text."""
        self._offset += self._next
        self._text = self._text[self._next :] + text
        self._next = 0

    def end(self) -> None:
        """Note that no more text will come."""
        self.ended = True

    # ------------------------------------------------------------ going back

    def mark(self) -> None:
        """Keep the text from here on, so that `rewind` can return to this place."""
        self._kept = []

    def release(self) -> None:
        """Forget the mark."""
        self._kept = None

    def rewind(self) -> None:
        """Go back to the mark, and forget it."""
        kept = "".join(self._kept or ())
        self._kept = None
        self._offset += self._next - len(kept)
        self._text = kept + self._text[self._next :]
        self._next = 0

    @property
    def since_mark(self) -> str:
        """All text after the mark, including the text that was not read yet."""
        return "".join(self._kept or ()) + self._text[self._next :]

    # ------------------------------------------------------------ reading

    def take(self, count: int) -> str:
        """Read characters that are there."""
        text = self._text[self._next : self._next + count]
        self._next += count
        if self._kept is not None:
            self._kept.append(text)
        return text

    def char(self) -> Step[str]:
        """Return the next character without reading it; "" at the end."""
        while self._next >= len(self._text):
            if self.ended:
                return ""
            yield
        return self._text[self._next]

    def peek(self, count: int) -> Step[str]:
        """Return the next characters without reading them; fewer at the end."""
        while len(self._text) - self._next < count and not self.ended:
            yield
        return self._text[self._next : self._next + count]

    def run(self, pattern: re.Pattern[str]) -> Step[str]:
        """Read as many characters as match and are there; "" if the next one does not match."""
        yield from self.char()
        found = pattern.match(self._text, self._next)
        return "" if found is None else self.take(found.end() - self._next)

    def skip_space(self) -> Step[None]:
        """Read white space up to the next other character."""
        while (yield from self.run(_SPACE)):
            pass

    def starts_with(self, text: str) -> Step[bool]:
        """Return whether the text continues with another, without reading it."""
        while True:
            have = self._text[self._next : self._next + len(text)]
            if have == text:
                return True
            if self.ended or not text.startswith(have):
                return False
            yield

    def match(self, words: Sequence[str]) -> Step[int]:
        """Read words with any white space between them, as long as they match.

        Returns
        -------
        int
            The number of words that matched. White space before a word that did not match was
            read.
        """
        for count, word in enumerate(words):
            if count:
                yield from self.skip_space()
            if not (yield from self.starts_with(word)):
                return count
            self.take(len(word))
        return len(words)

    def until(
        self, markers: Sequence[str], emit: Callable[[str], None], limit: int | None = None
    ) -> Step[str]:
        """Pass on the text before the first of the markers, and return the marker, not yet read.

        A text that may be the start of a marker is held back, all else is passed on at once. Of
        markers at the same place, the longest one counts. Returns "" at the end of the text, or
        if no marker begins within `limit` characters.
        """
        end = None if limit is None else self.offset + limit
        while True:
            place, found, waits = self._first(markers)
            is_far = end is not None and place > end - self._offset
            if end is not None and is_far:
                place = end - self._offset
            if place > self._next:
                emit(self.take(place - self._next))
            if is_far:
                return ""
            if found and not waits:
                return found
            if self.ended:
                return found
            yield

    def _first(self, markers: Sequence[str]) -> tuple[int, str, bool]:
        """Return where the first marker is or may be, which it is, and whether to wait for more."""
        place, found, waits = len(self._text), "", False
        for marker in markers:
            at = self._text.find(marker, self._next)
            whole = at >= 0
            if not whole:
                if self.ended:
                    continue
                at = len(self._text) - _overlap(self._text, self._next, marker)
                if at == len(self._text):
                    continue
            if at < place:
                place, found, waits = at, marker if whole else "", not whole
            elif at == place and whole and len(marker) > len(found):
                found = marker
            elif at == place and not whole:
                waits = True
        return place, found, waits


def words(marker: str) -> tuple[str, ...]:
    """Return the parts of a marker between which the white space may vary."""
    return tuple(marker.split())


def finished(step: Step[T]) -> T:
    """Return the result of a parser of which the text has ended."""
    try:
        next(step)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("the parser waits for text after its end")


def _overlap(text: str, start: int, marker: str) -> int:
    """Return the length of the longest end of `text[start:]` with which the marker begins."""
    at = text.find(marker[0], max(start, len(text) - len(marker) + 1))
    while at >= 0 and not marker.startswith(text[at:]):
        at = text.find(marker[0], at + 1)
    return len(text) - at if at >= 0 else 0
