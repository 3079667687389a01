"""Say what is wrong with a value from a request: its field, what is allowed, and what it is.

msgspec finds the first value that does not fit a type, and reports the path to it. The type at the
end of this path tells what is allowed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sized
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, inspect

from .redaction import is_secret_name
from .text import MAX_QUOTED, quoted

#: Longest text that an error quotes. Longer ones are rarely a wrong choice, and may be a prompt.
_LONGEST_QUOTED = 60

#: Limits above these only turn a typo into an error, and are mentioned only if they are exceeded.
_LARGE = 2**31 - 1

_STEPS = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(?P<name>.+)`")
_PLAIN_PATH = re.compile(r"[\w.\[\]-]+")

_NUMBERS = (inspect.IntType, inspect.FloatType)
_LISTS = (inspect.CollectionType, inspect.TupleType)
_OBJECTS = (inspect.StructType, inspect.DictType)


class Place(NamedTuple):
    """A value of a request, its type, and the path to it."""

    type: inspect.Type
    value: Any
    path: str = ""


class FieldError(NamedTuple):
    """An error message, and its `param`. An entry of an object with any keys is ``[...]`` there."""

    message: str
    param: str


def explain(value: Any, type_: Any, error: msgspec.ValidationError, *, at: str = "") -> FieldError:
    """Return what is wrong with `value`, which msgspec could not convert to `type_`.

    Parameters
    ----------
    at : str
        Path of `value` in the request, such as ``"default_parameters"``.
    """
    detail, _, where = str(error).rpartition(" - at ")
    detail, where = (detail, where) if detail else (where, "")
    of_key = where.startswith("`key` in ")
    where = where.removeprefix("`key` in ").strip("`").removeprefix("$")
    place = Place(inspect.type_info(type_), value, at)
    for field, index in _STEPS.findall(where):
        place = _step(place, field, index)
    param = (at + where).lstrip(".")
    if missing := _MISSING.fullmatch(detail):
        path = joined(place.path, missing["name"])
        return FieldError(f"{path!r} is missing.", path)
    if of_key:
        return FieldError(f"The keys of {named(place.path)} must be strings.", param)
    return FieldError(f"{named(place.path)} {_must(place)}", param)


def named(path: str) -> str:
    """Return the path of a field as the subject of a sentence."""
    if not path:
        return "The value"
    return path if _PLAIN_PATH.fullmatch(path) and len(path) <= MAX_QUOTED else quoted(path)


def kind_of(value: Any) -> str:
    """Return the kind of a JSON value: ``a list``."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a string" if value else "an empty string"
        case list() | tuple():
            return "a list" if value else "an empty list"
    return "an object"


def described(value: Any) -> str:
    """Return a JSON value in words: a number itself, the kind of others, and their length."""
    match value:
        case bool():
            return kind_of(value)
        case int() | float():
            return _shown(value)
        case str() if value:
            return f"a string of {_count(value, 'character')}"
        case list() | tuple() if value:
            return f"a list of {_count(value, 'element')}"
    return kind_of(value)


def _count(value: Sized, unit: str) -> str:
    return f"{len(value):,} {unit}" + ("" if len(value) == 1 else "s")


def _step(place: Place, field: str, index: str) -> Place:
    """Return the field or element of the value at `place` in which msgspec found an error."""
    value = place.value
    for type_ in _members(place.type):
        if field and isinstance(type_, inspect.StructType):
            for known in type_.fields:
                if known.encode_name == field:
                    return Place(known.type, value.get(field), joined(place.path, field))
        elif field and isinstance(type_, inspect.DictType):
            return Place(type_.value_type, value.get(field), joined(place.path, field))
        elif index == "..." and isinstance(type_, inspect.DictType):
            return _wrong_value(type_, value, place.path)
        elif index.isdecimal() and isinstance(type_, _LISTS):
            at = int(index)
            item = type_.item_types[at] if isinstance(type_, inspect.TupleType) else type_.item_type
            return Place(item, value[at], f"{place.path}[{index}]")
    return Place(inspect.AnyType(), value, place.path)


def _wrong_value(type_: inspect.DictType, values: dict[Any, Any], path: str) -> Place:
    """Return the first value of an object that does not fit, since msgspec does not name its key.

    Only simple types are compared. For others, it is the object.
    """
    for key, value in values.items():
        if not _fits(value, type_.value_type):
            return Place(type_.value_type, value, joined(path, str(key)[:MAX_QUOTED]))
    return Place(type_, values, path)


def _fits(value: Any, type_: inspect.Type) -> bool:
    match type_:
        case inspect.IntType() | inspect.FloatType():
            kinds = (int,) if isinstance(type_, inspect.IntType) else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds):
                return False
            low, high = _limits(type_)
            return (low is None or value >= low) and (high is None or value <= high)
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.BoolType():
            return isinstance(value, bool)
    return True


def _must(place: Place) -> str:
    """Return the predicate of the error: ``must be between 0 and 2, not 9.``"""
    types = list(_members(place.type))
    value = place.value
    same_kind = [type_ for type_ in types if _is_of_kind(value, type_)]
    for type_ in same_kind:
        if sized := _size(value, type_):
            return f"must {sized}."
    if len(same_kind) == 1 and (limits := _range(same_kind[0], value)):
        return f"must be {limits}, not {_shown(value)}."
    allowed = either([text for type_ in types if (text := _allowed(type_))])
    got = _got(place, types)
    if not allowed:
        return f"cannot be {got}."
    return f"must be {allowed}, not {got}.{_did_you_mean(value, types)}"


def _members(type_: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the types of a union, without null and `UNSET`, which mean that a field is unset."""
    members = type_.types if isinstance(type_, inspect.UnionType) else (type_,)
    for member in members:
        is_unset = isinstance(member, inspect.CustomType) and member.cls is type(UNSET)
        is_null = isinstance(member, inspect.NoneType) and len(members) > 1
        if not is_unset and not is_null:
            yield member


def _is_of_kind(value: Any, type_: inspect.Type) -> bool:
    if isinstance(value, bool):
        return isinstance(type_, inspect.BoolType)
    if isinstance(value, float) and isinstance(type_, inspect.IntType):
        return False
    return (
        (isinstance(value, int | float) and isinstance(type_, _NUMBERS))
        or (isinstance(value, str) and isinstance(type_, inspect.StrType))
        or (isinstance(value, list | tuple) and isinstance(type_, _LISTS))
        or (isinstance(value, dict) and isinstance(type_, _OBJECTS))
    )


def _size(value: Any, type_: inspect.Type) -> str | None:
    """Return what the length of a value must be, if it is not."""
    if isinstance(type_, inspect.TupleType):
        return f"have {len(type_.item_types)} elements, not {len(value)}"
    low = getattr(type_, "min_length", None)
    high = getattr(type_, "max_length", None)
    unit = "elements"
    if isinstance(value, str | dict):
        unit = "characters" if isinstance(value, str) else "fields"
    if low is not None and len(value) < low:
        return "not be empty" if low == 1 else f"have at least {low} {unit}, not {len(value)}"
    if high is not None and len(value) > high:
        return f"have at most {high:,} {unit}, not {len(value):,}"
    pattern = getattr(type_, "pattern", None)
    if pattern is not None and re.search(pattern, value) is None:
        return f"match the pattern {pattern}"
    return None


def _limits(type_: inspect.Type) -> tuple[float | None, float | None]:
    """Return the least and the greatest value of a number."""
    low = getattr(type_, "ge", None)
    high = getattr(type_, "le", None)
    low = low if low is not None else getattr(type_, "gt", None)
    return low, high if high is not None else getattr(type_, "lt", None)


def _range(type_: inspect.Type, value: Any = None) -> str:
    """Return the range of a number: ``between 0 and 2``, or an empty string.

    A limit that only catches typos is left out, unless `value` exceeds it.
    """
    low, high = _limits(type_)
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if low is not None and low <= -_LARGE and number >= low:
        low = None
    if high is not None and high >= _LARGE and not number > high:
        high = None
    texts = []
    multiple = getattr(type_, "multiple_of", None)
    if multiple is not None:
        texts.append(f"a multiple of {_number(multiple)}")
    above, below = getattr(type_, "gt", None) is not None, getattr(type_, "lt", None) is not None
    if low is not None and high is not None and not above and not below:
        texts.append(f"between {_number(low)} and {_number(high)}")
    else:
        if low is not None:
            texts.append(f"{'greater than' if above else 'at least'} {_number(low)}")
        if high is not None:
            texts.append(f"{'less than' if below else 'at most'} {_number(high)}")
    return " and ".join(texts)


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def _allowed(type_: inspect.Type) -> str:
    match type_:
        case inspect.IntType() | inspect.FloatType():
            noun = "an integer" if isinstance(type_, inspect.IntType) else "a number"
            limits = _range(type_)
            link = {"at": "of ", "a": "that is "}.get(limits.partition(" ")[0], "")
            return f"{noun} {link}{limits}".rstrip()
        case inspect.LiteralType() | inspect.EnumType():
            return either([repr(value) for value in _choices(type_)])
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType():
            return "a string"
        case inspect.StructType() | inspect.DictType():
            return "an object"
        case inspect.NoneType():
            return "null"
    return "a list" if isinstance(type_, _LISTS) else ""


def _choices(type_: inspect.Type) -> list[Any]:
    if isinstance(type_, inspect.LiteralType):
        return list(type_.values)
    return [member.value for member in type_.cls] if isinstance(type_, inspect.EnumType) else []


def either(texts: Iterable[str]) -> str:
    """Return ``a, b or c``."""
    known = dict.fromkeys(texts)
    if "a number" in known:
        known.pop("an integer", None)
    *others, last = [*known] or [""]
    return f"{', '.join(others)} or {last}" if others else last


def _got(place: Place, types: list[inspect.Type]) -> str:
    """Return the value, or its kind if it is long, or may be a prompt or a secret."""
    value = place.value
    is_text = any(isinstance(type_, inspect.StrType) for type_ in types)
    if is_text and any(is_secret_name(part) for part in re.split(r"[.\[]", place.path)):
        return kind_of(value)
    if isinstance(value, str):
        # Where a number or one of a few words is expected, the text is what was mistyped.
        is_free = is_text or any(isinstance(type_, (*_LISTS, *_OBJECTS)) for type_ in types)
        is_short = 0 < len(value) <= _LONGEST_QUOTED
        return _shown(value) if is_short and not is_free else kind_of(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _shown(value) if is_number else kind_of(value)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    shown = quoted(value)
    return shown if len(shown) <= _LONGEST_QUOTED else shown[: _LONGEST_QUOTED - 3] + "..."


def _did_you_mean(value: Any, types: list[inspect.Type]) -> str:
    known = [choice for type_ in types for choice in _choices(type_) if isinstance(choice, str)]
    if not isinstance(value, str) or not known or len(value) > _LONGEST_QUOTED:
        return ""
    folded = {choice.lower(): choice for choice in known}
    near = difflib.get_close_matches(value.strip().lower(), folded, n=1)
    return f" Did you mean {folded[near[0]]!r}?" if near else ""


def joined(path: str, name: str) -> str:
    """Return the path of the field `name` of the object at `path`."""
    return f"{path}.{name}" if path else name
