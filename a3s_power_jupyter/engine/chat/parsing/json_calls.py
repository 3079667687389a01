"""Read calls that are JSON objects."""

from __future__ import annotations

import json
import re

from ..format import JsonCalls
from .base import MarkedCalls
from .parts import Calls
from .reader import Reader, Step
from .values import copy_string, copy_value, value_as_json

_SEPARATORS = re.compile(r"[\s,]+")

#: Keys that models use for the arguments, whichever their template has.
_ARGUMENTS = ("arguments", "parameters")


class JsonCallReader(MarkedCalls):
    """Reads calls such as ``{"name": NAME, "arguments": {...}}``, alone or in a list."""

    def __init__(self, reader: Reader, calls: Calls, syntax: JsonCalls) -> None:
        super().__init__(reader, calls, syntax)
        self._syntax = syntax
        self._is_bare = not self.openings
        self._optional = syntax.optional_before.strip()
        if self._is_bare:
            self.starts = "{["
            self.openings = (self._optional,) if self._optional else ()
        self._arguments_keys = {syntax.arguments_key, *_ARGUMENTS}

    def read(self) -> Step[bool]:
        if self._optional and (yield from self._reader.starts_with(self._optional)):
            self._reader.take(len(self._optional))
        return (yield from super().read())

    def _call(self) -> Step[bool]:
        yield from self._reader.skip_space()
        if (yield from self._reader.char()) == "[":
            found = yield from self._list()
        else:
            found = yield from self._object()
        if found and not self._calls.is_open and not self._calls.done:
            yield from self._skip_end(self._end)
        return found

    def _list(self) -> Step[bool]:
        reader, found = self._reader, False
        reader.take(1)
        while True:
            while (yield from reader.run(_SEPARATORS)):
                pass
            if (yield from reader.char()) == "]":
                reader.take(1)
                return found
            if not (yield from self._object()):
                if found:
                    reader.rewind()
                return found
            found = True
            if self._calls.is_open or self._calls.done:
                return True
            reader.mark()

    def _object(self) -> Step[bool]:
        if (yield from self._reader.char()) != "{":
            return False
        one = _OneCall(self._reader, self._calls, self._syntax, self._arguments_keys)
        one.is_bare = self._is_bare
        return (yield from one.read())


class _OneCall:
    """Reads one JSON object, of which the keys may come in any order.

    Attributes
    ----------
    is_bare : bool
        Whether nothing but its keys tells the call from content.
    """

    is_bare = False

    def __init__(
        self, reader: Reader, calls: Calls, syntax: JsonCalls, arguments_keys: set[str]
    ) -> None:
        self._reader = reader
        self._calls = calls
        self._syntax = syntax
        self._arguments_keys = arguments_keys
        self._name: str | None = None
        self._id = ""
        self._has_begun = False
        self._has_arguments = False
        self._held: list[str] = []  # arguments that come before the name

    def read(self) -> Step[bool]:
        """Return whether the object is a call of an offered tool."""
        complete = yield from self._fields()
        if complete and not self._has_begun and self._name and not self.is_bare:
            self._begin(self._name)
        is_cut = not complete and not (yield from self._reader.char())
        if self._has_begun and not self._has_arguments and not is_cut:
            self._calls.arguments("{}")
            self._calls.end()
        return self._has_begun

    def _fields(self) -> Step[bool]:
        """Read an object; return whether it is complete and may be a call."""
        reader = self._reader
        reader.take(1)
        while True:
            while (yield from reader.run(_SEPARATORS)):
                pass
            char = yield from reader.char()
            if char == "}":
                reader.take(1)
                return True
            if char not in ('"', "'"):
                return False
            key = yield from self._string()
            yield from reader.skip_space()
            if key is None or (yield from reader.char()) != ":":
                return False
            reader.take(1)
            yield from reader.skip_space()
            if not (yield from self._field(key)) or self._calls.done:
                return False

    def _field(self, key: str) -> Step[bool]:
        """Read the value of a key; return whether the object may still be a call."""
        syntax = self._syntax
        if syntax.name_is_key:
            if self._has_arguments or not self._set_name(key):
                return False
            return (yield from self._arguments())
        if key == syntax.name_key and self._name is None:
            name = yield from self._string()
            return name is not None and self._set_name(name)
        if key in self._arguments_keys and not self._has_arguments:
            return (yield from self._arguments())
        if key == syntax.id_key:
            pieces: list[str] = []
            complete = yield from copy_value(self._reader, pieces.append)
            self._id = "".join(pieces).strip('"')
            return complete
        if key == syntax.wrapper and (yield from self._reader.char()) == "{":
            return (yield from self._fields())
        if self.is_bare and key not in syntax.constants and key != "type":
            return False
        return (yield from copy_value(self._reader, lambda text: None))

    def _set_name(self, name: str) -> bool:
        self._name = self._calls.offered(name)
        if self._name is None:
            return False
        waits = self.is_bare or (self._syntax.id_first and not self._id)
        if self._has_arguments or not waits:
            self._begin(self._name)
        return True

    def _begin(self, name: str) -> None:
        self._has_begun = True
        self._calls.begin(name, self._id)
        if self._has_arguments:
            self._send("".join(self._held))
            self._calls.end()

    def _arguments(self) -> Step[bool]:
        if self._name and not self._has_begun:
            self._begin(self._name)
        self._has_arguments = True
        if self._has_begun and (yield from self._reader.char()) == "{":
            complete = yield from copy_value(self._reader, self._calls.arguments)
        else:
            complete = yield from copy_value(self._reader, self._held.append)
            if self._has_begun and complete:
                self._send("".join(self._held))
            elif self._has_begun:
                self._calls.arguments("".join(self._held))
        if complete and self._has_begun:
            self._calls.end()
        return complete

    def _send(self, text: str) -> None:
        """Send arguments that were held back, also if they are JSON text in a string."""
        if text.startswith('"') and text.endswith('"') and len(text) > 1:
            inner = json.loads(text)
            if inner.strip().startswith("{"):
                text = value_as_json(inner.encode("utf-8", "replace").decode())
        self._calls.arguments("{}" if text == "null" else text)

    def _string(self) -> Step[str | None]:
        """Read a string; None if there is none."""
        if (yield from self._reader.char()) not in ('"', "'"):
            return None
        pieces: list[str] = []
        if not (yield from copy_string(self._reader, pieces.append)):
            return None
        text: str = json.loads("".join(pieces))
        return text
