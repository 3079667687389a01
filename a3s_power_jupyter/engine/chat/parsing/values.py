"""Copy the values in a model's calls as JSON, while they are generated.

The values may be JSON, literals of Python, or have quotes and keys of the model's own. Whatever a
model writes becomes valid JSON: what is no value becomes a string, and missing commas and brackets
are added. Only an answer that ends within a value leaves it incomplete.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

from .reader import Reader, Step, finished

Emit = Callable[[str], None]

_SEPARATORS = re.compile(r"[\s,]+")
_PLAIN = re.compile(r"[^\"'\\\x00-\x1f]+")
_KEY = re.compile(r"[^\s:=,(\[{}\])<\"']+")
_SCALAR = re.compile(r"[^,\[\](){}<\"']+")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS = {
    "true": "true", "True": "true", "false": "false", "False": "false",
    "null": "null", "None": "null",
}  # fmt: skip
#: What an escape of Python becomes in JSON, if JSON does not have it.
_ESCAPES = {"'": "'", "a": "\\u0007", "v": "\\u000b", "0": "\\u0000", "\n": ""}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_STRING_PREFIX = re.compile(r"[rRbBuUfF]{1,2}")


def copy_value(reader: Reader, emit: Emit, quote: str = "") -> Step[bool]:
    """Read one value and pass it on as JSON text; return whether it is complete.

    Parameters
    ----------
    quote : str
        A text around strings that the model uses besides ordinary quotes.
    """
    return (yield from _Copier(reader, emit, quote).copy())


def copy_string(reader: Reader, emit: Emit) -> Step[bool]:
    """Read a string in quotes and pass it on with the quotes of JSON."""
    return (yield from _Copier(reader, emit, "").string())


def escaped(text: str) -> str:
    """Return a text as it is within a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def value_as_json(text: str) -> str:
    """Return a whole value as JSON: a string if it is nothing else."""
    text = text.strip()
    if text[:1] not in ("{", "[", "(", '"', "'"):
        return scalar_as_json(text)
    reader, pieces = Reader(), list[str]()
    reader.push(text)
    reader.end()
    complete = finished(copy_value(reader, pieces.append))
    if complete and not finished(reader.char()):
        return "".join(pieces)
    return f'"{escaped(text)}"'


def scalar_as_json(text: str) -> str:
    """Return a number or a word as JSON: a string if it is nothing else."""
    text = text.strip()
    if not text:
        return "null"
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return text
    try:  # the forms that only Python has
        number = float(text) if any(sign in text for sign in ".eE") else int(text, 0)
        if math.isfinite(number):
            return json.dumps(number)
    except (ValueError, OverflowError):
        pass
    return json.dumps(text, ensure_ascii=False)


class _Copier:
    """Copies one value."""

    def __init__(self, reader: Reader, emit: Emit, quote: str) -> None:
        self._reader = reader
        self._emit = emit
        self._quote = quote
        self._stack: list[str] = []  # closing brackets of the open lists and objects
        self._is_first = False  # whether nothing was read in the innermost of them

    def copy(self) -> Step[bool]:
        complete = yield from self._value()
        while complete and self._stack:
            complete = yield from self._next()
        return complete

    def _value(self) -> Step[bool]:
        """Read a scalar, a string, or the bracket that opens a list or an object."""
        yield from self._reader.skip_space()
        char = yield from self._reader.char()
        if char and char in "{[(":
            self._reader.take(1)
            self._emit("{" if char == "{" else "[")
            self._stack.append("}" if char == "{" else "]")
            self._is_first = True
            return True
        if (yield from self._at_string()):
            return (yield from self.string())
        return (yield from self._scalar())

    def _next(self) -> Step[bool]:
        """Read the next entry of the innermost list or object, or its end."""
        reader = self._reader
        while (yield from reader.run(_SEPARATORS)):
            pass
        char = yield from reader.char()
        if not char:
            return False
        if char in "]})":
            reader.take(1)
            self._close()
            return True
        impossible = "<:={[(" if self._stack[-1] == "}" else "<:="
        if char in impossible and not (yield from self._at_string()):
            self._close()  # without its bracket
            return True
        if not self._is_first:
            self._emit(", ")
        self._is_first = False
        if self._stack[-1] == "]":
            return (yield from self._value())
        return (yield from self._entry())

    def _close(self) -> None:
        self._emit(self._stack.pop())
        self._is_first = False

    def _entry(self) -> Step[bool]:
        """Read the key and the start of the value of an entry of an object."""
        reader = self._reader
        if (yield from self._at_string()):
            if not (yield from self.string()):
                return False
        else:
            key = ""
            while piece := (yield from reader.run(_KEY)):
                key += piece
            self._emit(f'"{escaped(key)}"')
        yield from reader.skip_space()
        char = yield from reader.char()
        if not char:
            return False
        self._emit(": ")
        if char in ":=":
            reader.take(1)
            return (yield from self._value())
        self._emit("null")
        return True

    # ------------------------------------------------------------ strings

    def _at_string(self) -> Step[bool]:
        char = yield from self._reader.char()
        if char in ('"', "'"):
            return True
        return bool(self._quote) and (yield from self._reader.starts_with(self._quote))

    def string(self, *, raw: bool = False) -> Step[bool]:
        """Read a string.

        Parameters
        ----------
        raw : bool
            Whether a backslash stands for itself.
        """
        reader = self._reader
        quote = yield from reader.char()
        if quote not in ('"', "'"):
            return (yield from self._until(self._quote))
        reader.take(1)
        if (yield from reader.starts_with(quote * 2)):
            reader.take(2)
            quote *= 3
        self._emit('"')
        while True:
            if plain := (yield from reader.run(_PLAIN)):
                self._emit(plain)
                continue
            char = yield from reader.char()
            if not char:
                return False
            if char == quote[0] and (yield from reader.starts_with(quote)):
                reader.take(len(quote))
                self._emit('"')
                return True
            if char == "\\" and not raw:
                yield from self._escape()
            else:
                self._emit(escaped(reader.take(1)))

    def _until(self, quote: str) -> Step[bool]:
        """Read a string in quotes of the model's own, which knows no escapes."""
        self._reader.take(len(quote))
        self._emit('"')
        if not (yield from self._reader.until((quote,), lambda text: self._emit(escaped(text)))):
            return False
        self._reader.take(len(quote))
        self._emit('"')
        return True

    def _escape(self) -> Step[None]:
        reader = self._reader
        char = (yield from reader.peek(2))[1:]
        if char and char in '"\\/bfnrt':
            self._emit(reader.take(2))
            return
        if char in _HEX_DIGITS:
            code = (yield from reader.peek(2 + _HEX_DIGITS[char]))[2:]
            if len(code) == _HEX_DIGITS[char] and _is_character(code):
                reader.take(2 + len(code))
                wide = json.dumps(chr(int(code, 16)))[1:-1]
                self._emit(wide if char == "U" else f"\\u{code.zfill(4)}")
                return
        elif char in _ESCAPES:
            reader.take(2)
            self._emit(_ESCAPES[char])
            return
        reader.take(1)
        if char:  # the answer does not end here
            self._emit("\\\\")

    # ------------------------------------------------------------ numbers and words

    def _scalar(self) -> Step[bool]:
        """Read a number, a word or an expression, up to the next comma or bracket."""
        reader, text, depth = self._reader, list[str](), 0
        while True:
            if piece := (yield from reader.run(_SCALAR)):
                text.append(piece)
                continue
            char = yield from reader.char()
            if not char:
                self._emit("".join(text).strip())
                return False
            if char in "\"'" and not depth and _STRING_PREFIX.fullmatch("".join(text).strip()):
                return (yield from self.string(raw="r" in "".join(text).lower()))
            if char == "<" or (not depth and char in ",)]}"):
                self._emit(scalar_as_json("".join(text)))
                return True
            depth += (char in "([{") - (char in ")]}")
            text.append(reader.take(1))


def _is_character(code: str) -> bool:
    """Return whether a text is the hexadecimal code of a character."""
    try:
        return int(code, 16) <= 0x10FFFF and code.isalnum()
    except ValueError:
        return False
