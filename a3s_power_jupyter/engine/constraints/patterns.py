r"""Translate regular expressions of JSON Schema and of Python to the syntax of llguidance.

Both dialects (ECMA-262 and `re`) differ from Rust's in details, and from each other: ``\w`` is
ASCII in one and Unicode in the other. What a translated pattern matches, the original one matches
in both.
"""

from __future__ import annotations

import re

from .problems import CannotConstrain

#: Largest bound of a repetition.
MAX_REPETITIONS = 1_000_000

#: Longest pattern, in characters.
MAX_PATTERN = 100_000

_DIGITS, _WORD, _SPACE = "0-9", "0-9A-Za-z_", r" \t\n\r\f\v"
_ANY_DIGITS = r"\p{Nd}"
_ANY_WORD = r"\p{Alphabetic}\p{M}\p{N}\p{Pc}\p{Join_Control}"
_ANY_SPACE = r"\s\x1c-\x1f\u{85}\u{feff}"

#: What a class may contain for ``\d`` and so on: characters that all dialects include.
_NARROW = {
    "d": _DIGITS, "w": _WORD, "s": _SPACE,
    "D": f"[^{_ANY_DIGITS}]", "W": f"[^{_ANY_WORD}]", "S": f"[^{_ANY_SPACE}]",
}  # fmt: skip

#: What a negated class has to exclude: characters that any dialect includes.
_WIDE = {
    "d": _ANY_DIGITS, "w": _ANY_WORD, "s": _ANY_SPACE,
    "D": f"[^{_DIGITS}]", "W": f"[^{_WORD}]", "S": f"[^{_SPACE}]",
}  # fmt: skip

#: What a dot matches in all dialects.
_DOT = r"[^\n\r\u{2028}\u{2029}]"

_QUANTIFIER = re.compile(r"[*+?]|\{(\d+)(?:,(\d*))?\}")
_GROUP = re.compile(r"\((?:\?(?::|P?<(?![=!])[^>]+>|([is]+)\)|([is]+):))?")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}")
_PROPERTY = re.compile(r"[pP](?:\{[A-Za-z_=]+\}|[A-Z])")


def translate(pattern: str, *, whole: bool = False) -> str:
    """Return a pattern in the syntax of llguidance.

    Parameters
    ----------
    whole : bool
        Whether the pattern has to match a whole text. Anchors at its ends then say nothing, and are
        left out.

    Raises
    ------
    CannotConstrain
        If a part is not supported, or means something else in another dialect.
    """
    if len(pattern) > MAX_PATTERN:
        raise CannotConstrain(f"The pattern has more than {MAX_PATTERN:,} characters.")
    return _Translation(pattern, whole).result()


class _Translation:
    def __init__(self, pattern: str, whole: bool) -> None:
        self._pattern = pattern
        self._whole = whole
        self._at = 0
        self._depth = 0
        self._out: list[str] = []

    def result(self) -> str:
        while self._at < len(self._pattern):
            self._out.append(self._part())
        return "".join(self._out)

    def _part(self) -> str:
        """Translate the part at the current position."""
        character = self._pattern[self._at]
        if character == "\\":
            return self._escape(outside=True)
        if character == "[":
            return self._class()
        if character == "(":
            return self._group()
        if character in "*+?{":
            return self._quantifier()
        if character in "^$":
            return self._anchor(character)
        self._at += 1
        if character == ")":
            self._depth -= 1
        return _DOT if character == "." else character if character in "|)" else _literal(character)

    def _anchor(self, character: str) -> str:
        self._at += 1
        if not self._whole:
            return character  # llguidance refuses it if it is not at an end
        before = self._out[-1] if self._out else "|"
        after = self._pattern[self._at : self._at + 1] or "|"
        if self._depth or (before if character == "^" else after) != "|":
            raise self._unsupported(f"{character!r} in the middle")
        return ""

    def _group(self) -> str:
        match = _GROUP.match(self._pattern, self._at)
        self._at += 1 if match is None else match.end() - match.start()
        if match is None or (match[0] == "(" and self._next == "?"):
            raise self._unsupported("lookaround, a comment or another special group")
        if match[1]:
            return f"(?{match[1]})"
        self._depth += 1
        return f"(?{match[2] or ''}:"

    def _quantifier(self) -> str:
        match = _QUANTIFIER.match(self._pattern, self._at)
        if match is None:
            if re.match(r"\{,\d+\}", self._pattern[self._at : self._at + 20]):
                raise self._unsupported("a repetition without a lower bound; use {0,3}")
            self._at += 1
            return r"\{"
        for bound in match.groups():
            if bound and (len(bound) > 7 or int(bound) > MAX_REPETITIONS):
                raise self._unsupported(f"a repetition of more than {MAX_REPETITIONS:,} times")
        self._at = match.end()
        if self._next == "?":  # the lazy form matches the same texts
            self._at += 1
        if self._next in ("+", "*", "?") or _QUANTIFIER.match(self._pattern, self._at):
            raise self._unsupported("a repetition of a repetition; use parentheses")
        return match[0]

    def _class(self) -> str:
        self._at += 1
        negated = self._next == "^"
        self._at += negated
        if self._next == "]":
            raise self._unsupported("an empty class, or a class that begins with ]; use \\]")
        out = "[^" if negated else "["
        may_begin_range = False  # whether a hyphen would make a range
        while self._next != "]":
            if not self._next:
                raise self._unsupported("a class without an end")
            following = self._pattern[self._at + 1 : self._at + 2]
            if self._next == "-" and may_begin_range and following != "]":
                self._at += 1
                out += "-" + self._class_item(negated)
                may_begin_range = False
                continue
            start = self._at
            out += self._class_item(negated)
            may_begin_range = self._pattern[start : start + 2] not in _CLASS_ESCAPES
        self._at += 1
        return out + "]"

    def _class_item(self, negated: bool) -> str:
        if self._next == "\\":
            return self._escape(outside=False, negated=negated)
        character = self._next
        self._at += 1
        return _literal(character)

    def _escape(self, *, outside: bool, negated: bool = False) -> str:
        self._at += 1
        letter = self._next
        if letter in _NARROW and letter:
            self._at += 1
            text = (_WIDE if negated else _NARROW)[letter]
            return f"[{text}]" if outside and not text.startswith("[") else text
        match = _HEX.match(self._pattern, self._at)
        if match is not None:
            self._at = match.end()
            return self._code_point(int(match[1] or match[2] or match[3], 16))
        match = _PROPERTY.match(self._pattern, self._at)
        if match is not None:
            self._at = match.end()
            return "\\" + match[0]
        self._at += 1
        if letter in "nrtfv" and letter:
            return "\\" + letter
        if letter == "b" and not outside:
            return r"\x08"
        if letter == "0" and not self._next.isdigit():
            return r"\x00"
        if not letter or letter.isalnum():
            raise self._unsupported(f"\\{letter}")
        return _literal(letter)

    def _code_point(self, code: int) -> str:
        if 0xD800 <= code < 0xDC00:
            low = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})").match(self._pattern, self._at)
            if low is not None:
                self._at = low.end()
                code = 0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            raise self._unsupported("a surrogate, or no code point")
        return f"\\u{{{code:x}}}"

    @property
    def _next(self) -> str:
        """The next character; "" at the end."""
        return self._pattern[self._at : self._at + 1]

    def _unsupported(self, part: str) -> CannotConstrain:
        return CannotConstrain(
            f"The pattern has {part}, before position {self._at}, which is not supported."
        )


_CLASS_ESCAPES = tuple("\\" + letter for letter in (*_NARROW, "p", "P"))


def literal(text: str) -> str:
    """Return a pattern that matches a text."""
    return "".join(map(_literal, text))


def _literal(character: str) -> str:
    r"""Return a character that stands for itself, also within a class."""
    if character.isalnum() or character in " _" or ord(character) > 127:
        return character
    return f"\\x{ord(character):02x}"
