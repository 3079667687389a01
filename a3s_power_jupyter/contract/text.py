"""Make text from requests, models, hubs and upstream servers safe to print and to quote."""

from __future__ import annotations

import re
import reprlib

#: Most characters of a value from a request that an error message quotes.
MAX_QUOTED = 200

#: Most characters of a name in a file that an error message shows.
MAX_NAME = 80

#: Characters after which a control sequence that has not ended is no longer waited for.
MAX_CUT_OFF = 64

# Control sequences of ECMA-48 and xterm, or else single control characters except tab and newline.
# A sequence that does not end is not matched as a whole, so it cannot hide the text after it.
_CONTROLS = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x00-\x08\x0a-\x1f\x80-\x9f]{0,4096}"
    r"(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]{0,8}[0-OQ-WYZ`-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)

# Characters that are not seen, or that change the order of the others: those of the categories
# "other" and "separator" except spaces and ends of lines, and what Unicode says to draw as nothing.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    r"\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ud800-\udfff\ue000-\uf8ff"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)

# Those that change the order of a text up to where they end: code and names with them do not read
# as what they are. Marks that only give the direction of their place stay.
_REORDERING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")

#: Characters that start a control sequence.
_INTRODUCERS = "\x1b\x90\x98\x9b\x9d\x9e\x9f"


def printable(text: str) -> str:
    """Remove control sequences, and all control characters except tabs and newlines.

    Characters that reorder the text after them are written as ``\\u202e``.
    """
    return _REORDERING.sub(_written, _CONTROLS.sub("", text))


def visible(text: str) -> str:
    """Return `text` with characters that are not seen written as ``\\u202e``.

    Control characters, marks that reorder a text and spaces of other widths are among them, so that
    what a person reads is what the text does. Tabs and ends of lines stay.
    """
    return _UNSEEN.sub(_written, text.replace("\r\n", "\n"))


def _written(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def complete_length(text: str) -> int:
    """Return the length of `text` without a control sequence that is cut off at its end."""
    for sequence in _CONTROLS.finditer(text, max(0, len(text) - MAX_CUT_OFF)):
        if len(sequence[0]) == 1 and sequence[0] in _INTRODUCERS:
            return sequence.start()
    return len(text)


def shortened(text: str) -> str:
    """Return `text`, cut to `MAX_QUOTED` characters if it is longer."""
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 3] + "..."


def unstopped(text: str) -> str:
    """Return a message without its full stop, to quote it in a sentence."""
    return text.removesuffix(".")


def quoted(value: object) -> str:
    """Return the repr of a value for an error message, at most `MAX_QUOTED` characters long.

    Null, true and false are written as in JSON, where most values come from. The time does not
    depend on the size of a string or a list. Short values are unchanged.
    """
    if isinstance(value, str):
        return shortened(repr(value[:MAX_QUOTED] + ("..." if len(value) > MAX_QUOTED else "")))
    return shortened(_BOUNDED.repr(value))


def named(what: str, name: str) -> str:
    """Return how a message calls a thing of a file, such as ``tensor 'a'``.

    A name that is no text, as in a damaged file, is not shown.
    """
    if not name.isprintable() or "\ufffd" in name:
        return f"{what} with an unreadable name"
    return f"{what} {name[:MAX_NAME]!r}"


class _Bounded(reprlib.Repr):
    def repr_NoneType(self, _value: None, _level: int) -> str:  # noqa: N802
        return "null"

    def repr_bool(self, value: bool, _level: int) -> str:
        return "true" if value else "false"


# Nested lists and objects are cut, so that the repr of a large one is never built.
_BOUNDED = _Bounded()
_BOUNDED.maxlevel = 3
_BOUNDED.maxstring = _BOUNDED.maxlong = _BOUNDED.maxother = MAX_QUOTED
