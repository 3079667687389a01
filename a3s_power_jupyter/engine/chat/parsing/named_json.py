"""Read calls that are a name, and then the arguments as a JSON object."""

from __future__ import annotations

from ..format import NamedJson
from .base import MarkedCalls
from .parts import Calls
from .reader import Reader, Step, words
from .values import copy_value

#: Most characters of an id.
_MAX_ID = 128


class NamedJsonReader(MarkedCalls):
    """Reads calls such as ``<function=NAME>{...}</function>``."""

    def __init__(self, reader: Reader, calls: Calls, syntax: NamedJson) -> None:
        super().__init__(reader, calls, syntax)
        self._syntax = syntax
        self._arguments_start = words(syntax.arguments_start)
        self._between = syntax.id_between.strip()

    def _call(self) -> Step[bool]:
        found = yield from self._name_and_id()
        if found is None or not (yield from self._matches(self._arguments_start)):
            return False
        reader, calls = self._reader, self._calls
        yield from reader.skip_space()
        if (yield from reader.char()) == "{":
            self._calls.begin(*found)
            if not (yield from copy_value(reader, calls.arguments)):
                return True
        elif self._end and (yield from self._matches(self._end)):
            self._calls.begin(*found)
            calls.arguments("{}")
            calls.end()
            return True
        else:
            return False
        calls.end()
        if not calls.done:
            yield from self._skip_end(self._end)
        return True

    def _name_and_id(self) -> Step[tuple[str, str] | None]:
        """Read the name of an offered tool, and the id if there is one."""
        first, marker = yield from self._text()
        second, has_id = "", bool(self._between) and marker == self._between
        if has_id:
            self._reader.take(len(self._between))
            second, marker = yield from self._text()
        id_, name = (second, first) if self._syntax.id_after_name or not has_id else (first, second)
        offered = self._calls.offered(name)
        return None if offered is None or not marker else (offered, id_)

    def _text(self) -> Step[tuple[str, str]]:
        """Read a name or an id; return it, and the marker after it, or "" if it is too long."""
        stop = self._arguments_start[0] if self._arguments_start else "{"
        markers = (stop, self._between) if self._between else (stop,)
        pieces: list[str] = []
        limit = max(self._calls.longest_name, _MAX_ID)
        marker = yield from self._reader.until(markers, pieces.append, limit)
        return "".join(pieces), marker
