"""Read calls with their name and each argument between tags."""

from __future__ import annotations

import json

from ..format import TaggedArguments
from .base import MarkedCalls
from .parts import Calls
from .reader import Reader, Step, words
from .schema_types import ALL_TYPES, property_types, type_of
from .values import copy_value, escaped, value_as_json

#: Most characters of the key of an argument.
_MAX_KEY = 1000

_CDATA = ("<![CDATA[", "]]>")
_NULL = ("null", "None")


class TaggedReader(MarkedCalls):
    """Reads calls such as ``<function=NAME><parameter=KEY>VALUE</parameter></function>``.

    The type of a value follows from the tool's schema, unless its tags tell it. Strings are passed
    on while they are generated, other values when they are complete.
    """

    def __init__(self, reader: Reader, calls: Calls, syntax: TaggedArguments) -> None:
        super().__init__(reader, calls, syntax)
        self._syntax = syntax
        self._name_end = words(syntax.name_end)
        self._argument_start = words(syntax.argument_start)
        self._argument_separator = words(syntax.argument_separator)
        self._key_end = words(syntax.key_end)
        self._after_key = syntax.key_end[len(syntax.key_end.rstrip()) :]

    def _call(self) -> Step[bool]:
        name = yield from self._name()
        if name is None:
            return False
        self._calls.begin(name)
        emit = self._calls.arguments
        emit("{")
        is_first = True
        while True:
            yield from self._reader.skip_space()
            if self._end and (yield from self._reader.match(self._end)):
                break
            if not is_first:
                yield from self._reader.match(self._argument_separator)
                yield from self._reader.skip_space()
            if not (yield from self._reader.char()):
                return True  # cut
            key = yield from self._key()
            if key is None:
                break
            emit(f'{"" if is_first else ", "}"{escaped(key[0])}": ')
            is_first = False
            if not (yield from self._value(name, *key)):
                return True
        emit("}")
        self._calls.end()
        return True

    def _name(self) -> Step[str | None]:
        """Read the name of an offered tool, and the text after it."""
        if self._name_end:
            stops = [self._name_end[0]]
        else:
            stops = ["\n", *self._argument_start[:1], *self._end[:1]]
        pieces: list[str] = []
        marker = yield from self._reader.until(stops, pieces.append, self._calls.longest_name + 8)
        name = self._calls.offered("".join(pieces))
        if not marker or name is None or not (yield from self._matches(self._name_end)):
            return None
        return name

    def _key(self) -> Step[tuple[str, bool] | None]:
        """Read a key and the texts around it; return it, and whether a string must follow."""
        key = None
        self._reader.mark()
        if (yield from self._matches(self._argument_start)):
            key = yield from self._key_and_end()
        if key is None:
            self._reader.rewind()
        self._reader.release()
        return key

    def _key_and_end(self) -> Step[tuple[str, bool] | None]:
        if self._syntax.string_key_end:
            return (yield from self._key_with_type())
        pieces: list[str] = []
        marker = yield from self._reader.until(self._key_end[:1], pieces.append, _MAX_KEY)
        if not marker or not (yield from self._matches(self._key_end)):
            return None
        if self._after_key and (yield from self._reader.starts_with(self._after_key)):
            self._reader.take(len(self._after_key))
        return "".join(pieces).strip(), False

    def _key_with_type(self) -> Step[tuple[str, bool] | None]:
        pieces: list[str] = []
        for_strings = _variants(self._syntax.string_key_end.lstrip())
        stops = (*for_strings, *_variants(self._syntax.key_end.lstrip()))
        marker = yield from self._reader.until(stops, pieces.append, _MAX_KEY)
        self._reader.take(len(marker))
        return ("".join(pieces).strip(), marker in for_strings) if marker else None

    # ------------------------------------------------------------ values

    def _value(self, name: str, key: str, is_string: bool) -> Step[bool]:
        """Read a value and the text after it; return whether it is complete."""
        syntax, reader = self._syntax, self._reader
        if syntax.string_quote:
            complete = yield from copy_value(reader, self._calls.arguments, syntax.string_quote)
            yield from reader.match(words(syntax.value_end))
            return complete
        end = syntax.value_end
        if syntax.closing_key_end:
            end += key + syntax.closing_key_end
        stops = _variants(end.rstrip())
        types = property_types(self._calls.schema(name), key)
        if syntax.string_key_end:
            types = frozenset({"string"}) if is_string else ALL_TYPES - {"string"}
        if syntax.cdata and (yield from reader.starts_with(_CDATA[0])):
            return (yield from self._cdata(stops))
        if types == {"string"}:
            complete = yield from self._string(stops)
        else:
            complete = yield from self._other(stops, types)
        return complete

    def _string(self, stops: tuple[str, ...]) -> Step[bool]:
        emit = self._calls.arguments
        emit('"')
        marker = yield from self._reader.until(stops, lambda text: emit(escaped(text)))
        if not marker:
            return False
        self._reader.take(len(marker))
        emit('"')
        return True

    def _cdata(self, stops: tuple[str, ...]) -> Step[bool]:
        self._reader.take(len(_CDATA[0]))
        if not (yield from self._string(_CDATA[1:])):
            return False
        marker = yield from self._reader.until(stops, lambda text: None)
        self._reader.take(len(marker))
        return bool(marker)

    def _other(self, stops: tuple[str, ...], types: frozenset[str]) -> Step[bool]:
        pieces: list[str] = []
        marker = yield from self._reader.until(stops, pieces.append)
        text = "".join(pieces)
        self._reader.take(len(marker))
        if marker:
            self._calls.arguments(_typed(text, types))
        else:
            self._calls.arguments(text.strip())
        return bool(marker)


def _variants(marker: str) -> tuple[str, ...]:
    """Return a marker as the template writes it, and without the white space around it."""
    return tuple({marker: None, marker.strip(): None}) if marker else ()


def _typed(text: str, types: frozenset[str]) -> str:
    """Return a value as JSON of one of the types if possible."""
    if "string" not in types:
        return value_as_json(text)
    if "null" in types and text.strip() in _NULL:
        return "null"
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, str) or type_of(value) not in types:
        return f'"{escaped(text)}"'
    return text.strip()


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(constant)
