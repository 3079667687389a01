"""Decide which formulas of untrusted text a front end may typeset.

MathJax runs more than formulas: commands link to pages, set CSS classes and styles, load packages,
and define macros that call each other without end, for the whole page. Only known commands that
draw are let through.
"""

from __future__ import annotations

import re

from .tex_commands import ENVIRONMENTS, STRUCTURES, SYMBOLS

#: Longest formula in characters that is typeset.
MAX_LENGTH = 5_000

#: Deepest nesting of braces and environments. MathJax recurses.
MAX_DEPTH = 30

#: Most negative spaces, which draw over what precedes them.
MAX_NEGATIVE_SPACES = 20

_DRAWING = SYMBOLS | STRUCTURES
_COMMAND = re.compile(r"\\([A-Za-z]+|.|$)", re.DOTALL)
_CHARACTERS = frozenset(",:>;! \n{}()[]_#$%&|\\'`^\"~=.")
_NESTING = re.compile(r"\\(?:begin|end|left|right)(?![A-Za-z])|\\.|[{}]", re.DOTALL)
_OPENING = frozenset(("{", "\\begin", "\\left"))
_CLOSING = frozenset(("}", "\\end", "\\right"))
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{([a-zA-Z]+\*?)\}")
_ARRAY = re.compile(r"\\begin\{array\}(?!(?:\[[tbc]\])?\{[lcr|: ]{0,100}\})")
# The space after a row, such as \\[4pt]. Other square brackets after it are part of the formula.
_ROW_SPACE = re.compile(
    r"\\\\\*?\s*\[\s*(?!\d{0,2}(?:\.\d{1,3})?\s*(?:pt|em|ex|mm|px|mu)\s*\])[-+.\d]"
)


def is_drawing(formula: str) -> bool:
    """Return whether a formula, with or without its delimiters, does nothing but draw.

    The same commands are harmless in the versions of MathJax and KaTeX that front ends use.
    """
    return (
        len(formula) <= MAX_LENGTH
        and all(_is_known(name) for name in _COMMAND.findall(formula))
        and formula.count("\\!") <= MAX_NEGATIVE_SPACES
        and not _ARRAY.search(formula)
        and not _ROW_SPACE.search(formula)
        and _has_known_environments(formula)
        and _is_nested_well(formula)
    )


def _is_known(name: str) -> bool:
    return name in (_DRAWING if len(name) > 1 else _CHARACTERS | {"S"})


def _has_known_environments(formula: str) -> bool:
    names = [match[1] for match in _ENVIRONMENT.finditer(formula)]
    ends = len(re.findall(r"\\(?:begin|end)(?![A-Za-z])", formula))
    return len(names) == ends and ENVIRONMENTS.issuperset(names)


def _is_nested_well(formula: str) -> bool:
    depth = 0
    for bracket in _NESTING.findall(formula):
        depth += (bracket in _OPENING) - (bracket in _CLOSING)
        if not 0 <= depth <= MAX_DEPTH:
            return False
    return depth == 0
