"""``{name}`` in the text of a cell, filled in from the notebook's variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from IPython.core.error import UsageError

_NAME = r"[^\W\d]\w*"
_STEP = re.compile(rf"\.{_NAME}|\[[^\[\]{{}}]+\]")
# Doubled braces belong to other templates, and stay.
_FIELD = re.compile(rf"(?<!{{){{(?P<name>{_NAME})(?P<steps>(?:{_STEP.pattern})*)}}(?!}})")


def fill(text: str, variables: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Fill `text` from `variables`.

    ``{name}``, ``{obj.attr}`` and ``{d[key]}`` are filled where the first name is a variable;
    all else in braces, as JSON and code, stays as it is.

    Returns
    -------
    The text, and the names of plain ``{name}`` that are no variables.

    Raises
    ------
    UsageError
        The variable lacks the attribute or the key.
    """
    unknown: list[str] = []

    def value(field: re.Match[str]) -> str:
        if field["name"] in variables:
            return str(_look_up(field, variables))
        if not field["steps"] and field["name"] not in unknown:
            unknown.append(field["name"])
        return field[0]

    return _FIELD.sub(value, text), unknown


def _look_up(field: re.Match[str], variables: Mapping[str, Any]) -> Any:
    value = variables[field["name"]]
    for step in _STEP.findall(field["steps"]):
        try:
            value = getattr(value, step[1:]) if step[0] == "." else value[_key(step[1:-1])]
        except (AttributeError, LookupError, TypeError) as error:
            raise UsageError(
                f"{field[0]}: {type(error).__name__}: {error}. "
                "Put it right, or give --raw to leave all {braces} as they are."
            ) from None
    return value


def _key(text: str) -> int | str:
    """``0`` is an index; anything else a string, with or without quotes."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text
