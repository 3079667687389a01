"""Find code blocks of Markdown that are indented or in lists, where parsers find different ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

# An indentation of four spaces and more is in a list, or is indented code.
_OPENING = re.compile(r"( {1,3}|(?: {0,3}(?:[-+*]|\d{1,9}[.)])[ \t]+)+)(`{3,}(?=[^`]*$)|~{3,}).*")


class IndentedBlock(NamedTuple):
    """A code block that is indented or in a list.

    Attributes
    ----------
    end : int
        The index of its last line, or of the last line that may belong to it.
    is_clear : bool
        Whether all parsers find this end. If not, a fence further down may end the block for one
        parser, and begin another block for another one.
    """

    end: int
    is_clear: bool


def indented_block(lines: Sequence[str], index: int) -> IndentedBlock | None:
    """Return the block that a line begins, or None.

    Its end is clear if there is a fence with the same indentation, and nothing before it has less.
    """
    opening = _OPENING.fullmatch(lines[index])
    if opening is None:
        return None
    indentation, fence = " " * len(opening[1]), opening[2]
    if "\t" in opening[1]:
        return IndentedBlock(index, False)
    closing = re.compile(rf"{indentation}{fence[0]}{{{len(fence)},}}[ \t]*")
    end = index
    for end in range(index + 1, len(lines)):
        line = lines[end]
        if closing.fullmatch(line):
            return IndentedBlock(end, True)
        if line.strip() and not line.startswith(indentation):
            return IndentedBlock(end - 1, False)
    return IndentedBlock(end, False)
