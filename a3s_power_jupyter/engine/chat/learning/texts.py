"""Compare texts by words and markers, so that no marker is cut in its middle."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Any

#: A tag, the beginning of a tag with an attribute, a marker in brackets, a word, or a character.
_ATOM = re.compile(
    r"<[^<>\s]{0,60}(?: [^<>\n]{0,60})?>"
    r"|</?[\w:.\-]+=?"
    r"|\[/?[A-Z_]+\]"
    r"|\w+"
    r"|.",
    re.DOTALL,
)


def atoms(text: str) -> list[str]:
    """Split a text."""
    return _ATOM.findall(text)


def common_prefix(a: str, b: str) -> str:
    """Return the atoms with which both texts begin."""
    return "".join(_common(atoms(a), atoms(b)))


def common_suffix(a: str, b: str) -> str:
    """Return the atoms with which both texts end."""
    return "".join(_common(atoms(a)[::-1], atoms(b)[::-1])[::-1])


def _common(a: list[str], b: list[str]) -> list[str]:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))
    return [atom for atom, _ in pairs]


def first_marker(text: str) -> str:
    """Return the marker with which a text begins, after white space, or an empty string."""
    first = next(iter(atoms(text.lstrip())), "")
    return first if len(first) > 2 and not first[0].isalnum() else ""


def split(before: str, middle: str, after: str) -> dict[str, Any]:
    """Tell the texts around each call from those around all calls.

    Parameters
    ----------
    before, middle, after : str
        The text before the first call, between two calls, and after the last call.

    Returns
    -------
    dict
        The fields `before`, `start`, `separator`, `end` and `after` of a syntax.
    """
    end = common_prefix(middle, after)
    if not end.strip():
        end = ""
    start = common_suffix(middle[len(end) :], before)
    if not start.strip():
        start = ""
    start = start.lstrip()
    return {
        "before": before[: len(before) - len(start)],
        "start": start,
        "separator": middle[len(end) : len(middle) - len(start)],
        "end": end,
        "after": after[len(end) :],
    }
