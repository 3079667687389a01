"""Read calls in the syntax of Python."""

from __future__ import annotations

import re

from ..format import Pythonic
from .base import CallReader
from .parts import Calls
from .reader import Reader, Step, words
from .schema_types import property_names
from .values import copy_value, escaped

_NAME = re.compile(r"[\w.\-]+")
_SEPARATORS = re.compile(r"[\s,;]+")


class PythonicReader(CallReader):
    """Reads calls such as ``[f(a=1, b="x"), g()]``."""

    def __init__(self, reader: Reader, calls: Calls, syntax: Pythonic) -> None:
        super().__init__(reader, calls)
        self._before, self._after = words(syntax.before), words(syntax.after)
        self._separator = words(syntax.separator.strip(" ,;\n"))
        self.openings = self._before[:1]
        self.closings = tuple(set(self._after) - set(self.openings))
        if not self.openings:
            self.starts = "[" if syntax.in_list else "[_abcdefghijklmnopqrstuvwxyz"

    def read(self) -> Step[bool]:
        reader = self._reader
        if not (yield from self._matches(self._before)):
            return False
        yield from reader.skip_space()
        in_list = (yield from reader.char()) == "["
        if in_list:
            reader.take(1)
        found = yield from self._series(in_list)
        if found and self._after and not self._calls.is_open and not self._calls.done:
            yield from self._skip_end(self._after)
        return found

    def _series(self, in_list: bool) -> Step[bool]:
        """Read calls, and the bracket after them; return whether there are any."""
        reader, found = self._reader, False
        while True:
            while (yield from reader.run(_SEPARATORS)):
                pass
            if found:
                yield from reader.match(self._separator)
                if in_list and (yield from reader.char()) == "]":
                    reader.take(1)
                    reader.release()
                    return True
            if not (yield from self._call()):
                if found:
                    reader.rewind()
                return found
            found = True
            if self._calls.is_open or self._calls.done:
                return True
            reader.mark()

    def _call(self) -> Step[bool]:
        name, reader, calls = "", self._reader, self._calls
        while len(name) <= calls.longest_name and (piece := (yield from reader.run(_NAME))):
            name += piece
        if (yield from reader.char()) != "(" or (offered := calls.offered(name)) is None:
            return False
        reader.take(1)
        self._calls.begin(offered)
        calls.arguments("{")
        if (yield from self._arguments(property_names(calls.schema(offered)))):
            calls.arguments("}")
            calls.end()
        return True

    def _arguments(self, names: list[str]) -> Step[bool]:
        """Read arguments up to the closing bracket; return whether they are complete."""
        reader, emit, count = self._reader, self._calls.arguments, 0
        while True:
            while (yield from reader.run(_SEPARATORS)):
                pass
            char = yield from reader.char()
            if not char:
                return False
            if char == ")":
                reader.take(1)
                return True
            if char in "]}<:=":
                return True  # the bracket is missing
            key = yield from self._key()
            if key is None:  # a positional argument
                key = names[count] if count < len(names) else f"argument_{count + 1}"
            emit(f'{", " if count else ""}"{escaped(key)}": ')
            count += 1
            if not (yield from copy_value(reader, emit)):
                return False

    def _key(self) -> Step[str | None]:
        """Read the name of an argument and the sign after it, if there is one."""
        reader, key = self._reader, ""
        reader.mark()
        while piece := (yield from reader.run(_NAME)):
            key += piece
        yield from reader.skip_space()
        if key and (yield from reader.char()) == "=" and (yield from reader.peek(2)) != "==":
            reader.take(1)
            reader.release()
            return key
        reader.rewind()
        return None
