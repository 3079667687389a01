"""Read the fields of a request's body, in any dialect."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from ..contract.errors import InvalidParameter, UnsupportedRequestFields
from ..contract.field_errors import described, named
from ..contract.lenient import struct_fields
from ..contract.parameters import NO_LIMIT as NO_LIMIT
from ..contract.parameters import check, parse_keep_alive
from ..contract.text import MAX_QUOTED, quoted

T = TypeVar("T", bound=msgspec.Struct)

#: Fields to refuse, each with the values that request nothing, and with what to do instead.
Refused: TypeAlias = "Mapping[str, tuple[tuple[Any, ...], str]]"

_NONE: Refused = {}

#: How similar a field is to one that it misspells. ``images`` and ``messages`` are less so (0.71).
SIMILARITY = 0.75

#: Longest text that is quoted as a mistyped choice.
LONGEST_CHOICE = 60

#: Most fields of a request to compare with the name of a missing one.
MAX_COMPARED = 100


def read_fields(
    body: dict[str, Any],
    type_: type[T],
    *,
    aliases: Mapping[str, str] = {},
    meanings: Mapping[tuple[str, Any], Any] = {},
    refused: Refused = _NONE,
    at: str = "",
) -> T:
    """Check a request's fields and return them as `type_`. Unknown fields are ignored.

    Parameters
    ----------
    body : dict
        The fields. Nulls are the same as missing ones.
    aliases : dict
        Other names of fields.
    meanings : dict
        What a number means: ``{("top_k", -1): 0}``.
    refused : Refused
        Fields that are not supported, and without which the answer would be another one.
    at : str
        Path of `body` in the request, for errors.

    Raises
    ------
    UnsupportedRequestFields
        If there is a field of `refused` that requests something.
    InvalidParameter
        If a field is missing, has a wrong type or is out of range.
    """
    refuse(body, refused, at)
    fields = struct_fields(type_)
    names = [field.encode_name for field in fields]
    given = {name: body[name] for name in names if body.get(name) is not None}
    for alias, name in aliases.items():
        if name in names and body.get(alias) is not None:
            given.setdefault(name, body[alias])
    for (name, value), meaning in meanings.items():
        if isinstance(given.get(name), int | float) and given[name] == value:
            given[name] = meaning
    for field in fields:
        if field.required and field.encode_name not in given:
            known = [*names, *aliases, *refused]
            raise missing_field(field.encode_name, body, known, at)
    return check(given, type_, at=at)


def missing_field(
    name: str, body: dict[str, Any], known: Iterable[str] = (), at: str = ""
) -> InvalidParameter:
    """Return the error about the missing field `name`. It quotes a misspelled one."""
    near = misspelled(name, body, known)
    hint = "" if near is None else f" Check the spelling of {quoted(near)}."
    missing = path(at, name)
    return InvalidParameter(f"{missing!r} is missing.{hint}", param=missing)


def misspelled(name: str, body: dict[str, Any], known: Iterable[str]) -> str | None:
    """Return the field of `body` that looks like `name`, unless it is one of `known`, or None."""
    given = [key for key in islice(body, MAX_COMPARED) if len(key) <= MAX_QUOTED]
    unknown = [key for key in given if key not in (name, *known)]
    near = difflib.get_close_matches(name, unknown, n=1, cutoff=SIMILARITY)
    return near[0] if near else None


def path(at: str, name: str) -> str:
    """Return the path of the field `name` of the object at the path `at`."""
    return f"{at}.{name}" if at else name


def refuse(body: dict[str, Any], refused: Refused, at: str = "") -> None:
    """Check that a request asks for nothing that it would not get.

    Raises
    ------
    UnsupportedRequestFields
        If a field of `refused` does.
    """
    for name, (harmless, hint) in refused.items():
        value = body.get(name)
        if value is not None and not any(_same(value, other) for other in harmless):
            where = path(at, name)
            raise UnsupportedRequestFields(f"{where!r} is not supported. {hint}", param=where)


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def wrong_value(at: str, allowed: str, value: Any, *, is_choice: bool = False) -> InvalidParameter:
    """Return the error about a value that is not `allowed`, at the path `at` of a request.

    It says what the value is, but quotes only the text of a choice. Another may be a prompt.
    """
    is_short = isinstance(value, str) and 0 < len(value) <= LONGEST_CHOICE
    got = quoted(value) if is_choice and is_short else described(value)
    return InvalidParameter(f"{named(at)} must be {allowed}, not {got}.", param=at)


def optional_string(value: dict[str, Any], field: str, at: str) -> str | None:
    """Return a field that is a string or null, or raise `InvalidParameter`."""
    found = value.get(field)
    if found is not None and not isinstance(found, str):
        raise wrong_value(path(at, field), "a string", found)
    return found


def required_string(value: dict[str, Any], field: str, at: str) -> str:
    """Return a field that is a string, which may be empty, or raise `InvalidParameter`."""
    found = optional_string(value, field, at)
    if found is None:
        where = path(at, field)
        raise InvalidParameter(f"{where} is missing.", param=where)
    return found


def read_keep_alive(value: str | int | float | None) -> float | None:
    """Return ``keep_alive`` in seconds, or None if it is not given.

    Raises
    ------
    InvalidKeepAlive
        If it is not a duration.
    """
    return None if value is None else parse_keep_alive(value)


def read_stop(stop: str | list[str] | UnsetType) -> tuple[str, ...] | UnsetType:
    """Return the stop strings. An empty string or list means none, not the model's default."""
    if stop is UNSET:
        return UNSET
    return tuple(text for text in ([stop] if isinstance(stop, str) else stop) if text)


def read_logit_bias(bias: dict[str, float] | UnsetType) -> dict[int, float] | UnsetType:
    if bias is UNSET:
        return UNSET
    for token in bias:
        if not (token.isascii() and token.isdecimal() and len(token) < 10):
            raise InvalidParameter(
                f"The keys of logit_bias must be token ids, not {quoted(token)}.",
                param="logit_bias",
            )
    return {int(token): value for token, value in bias.items()}
