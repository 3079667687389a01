"""The interface of the parsers of calls, and what those of marked calls have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..format import JsonCalls, NamedJson, TaggedArguments
from .parts import Calls
from .reader import Reader, Step, words


class CallReader(ABC):
    """Reads the calls of one syntax.

    Attributes
    ----------
    openings : tuple of str
        Texts with which calls begin anywhere in an answer.
    closings : tuple of str
        Texts that may follow a call, and are left out there.
    starts : str
        Characters with which calls without an opening begin, at the start of an answer.
    """

    openings: tuple[str, ...] = ()
    closings: tuple[str, ...] = ()
    starts: str = ""

    def __init__(self, reader: Reader, calls: Calls) -> None:
        self._reader = reader
        self._calls = calls

    @abstractmethod
    def read(self) -> Step[bool]:
        """Read calls up to their end, from an opening or from one of the `starts` on.

        Returns
        -------
        bool
            False if there is no call of an offered tool. The reader then has to be rewound to its
            mark, which was set before.
        """

    def _matches(self, marker: tuple[str, ...]) -> Step[bool]:
        """Read a marker, and return whether it is there as a whole."""
        return (yield from self._reader.match(marker)) == len(marker)

    def _skip_end(self, marker: tuple[str, ...]) -> Step[None]:
        """Read the text after a call, and white space before it, if the text is there."""
        self._reader.mark()
        yield from self._reader.skip_space()
        if not (yield from self._reader.match(marker)):
            self._reader.rewind()
        self._reader.release()


class MarkedCalls(CallReader):
    """Reads calls with texts before, between and after them.

    White space in these texts may vary, and each may be missing.
    """

    def __init__(
        self, reader: Reader, calls: Calls, syntax: JsonCalls | NamedJson | TaggedArguments
    ) -> None:
        super().__init__(reader, calls)
        self._before, self._after = words(syntax.before), words(syntax.after)
        self._start, self._end = words(syntax.start), words(syntax.end)
        self._separator = words(syntax.separator)
        self.openings = tuple({part[0]: None for part in (self._before, self._start) if part})
        self.closings = tuple({*self._after, *self._end} - {*self.openings})

    def read(self) -> Step[bool]:
        reader, found = self._reader, False
        yield from reader.match(self._before)
        while True:
            yield from reader.skip_space()
            if found:
                if self._after and (yield from self._matches(self._after)):
                    reader.release()
                    return True
                yield from reader.match(self._separator)
                yield from reader.skip_space()
            if not (yield from self._matches(self._start)) or not (yield from self._call()):
                if found:
                    reader.rewind()
                return found
            found = True
            if self._calls.done or self._calls.is_open:
                return True
            reader.mark()

    @abstractmethod
    def _call(self) -> Step[bool]:
        """Read a call after its `start`, and its end; return whether there is one."""
