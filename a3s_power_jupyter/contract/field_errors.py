"""Put msgspec's validation errors into plain words."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_TYPES = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "an integer",
    "null": "null",
    "object": "an object",
    "str": "a string",
}
_WRONG_TYPE = re.compile(r"Expected `(?P<types>[^`]+)`(?:, got `(?P<got>[^`]+)`)?")
_WRONG_SIZE = re.compile(
    r"Expected `(?P<types>[^`]+)`(?P<length> of length)? (?P<operator>>=|<=) (?P<limit>\S+)"
)


def describe(detail: str) -> str | None:
    """Return what a value must be: ``must be an integer of at least 1``.

    Parameters
    ----------
    detail : str
        Text of a `msgspec.ValidationError` without the path.

    Returns
    -------
    str or None
        None for other errors than wrong types and numbers or lengths out of range.
    """
    if wrong := _WRONG_SIZE.fullmatch(detail):
        bound = "at least" if wrong["operator"] == ">=" else "at most"
        limit = wrong["limit"].removesuffix(".0")
        if wrong["length"] is None:
            return f"must be {_expected(wrong['types'])} of {bound} {limit}"
        if (bound, limit) == ("at least", "1"):
            return "must not be empty"
        unit = "characters" if wrong["types"] == "str" else "elements"
        return f"must have {bound} {limit} {unit}"
    if wrong := _WRONG_TYPE.fullmatch(detail):
        got = f", not {_expected(wrong['got'])}" if wrong["got"] else ""
        return f"must be {_expected(wrong['types'])}{got}"
    return None


def literal_values(type_: Any) -> str | None:
    """Return ``0, 1 or 2`` for the type ``Literal[0, 1, 2] | UnsetType``, None for other types."""
    info = msgspec.inspect.type_info(type_)
    members = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    kinds = [kind for kind in members if isinstance(kind, msgspec.inspect.LiteralType)]
    if len(kinds) != 1:
        return None
    *others, last = map(repr, kinds[0].values)
    return f"{', '.join(others)} or {last}" if others else last


def _expected(types: str) -> str:
    """Return ``a string or a list`` for ``str | array``."""
    return " or ".join(_TYPES.get(name, name) for name in types.split(" | "))
