"""Convert the values of JSON that clients send to the ones that a struct expects."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import msgspec
from msgspec import inspect
from msgspec.structs import FieldInfo

_type_info = lru_cache(inspect.type_info)


@cache
def struct_fields(type_: type[msgspec.Struct]) -> tuple[FieldInfo, ...]:
    """Return the fields of a struct. msgspec evaluates their types each time, which takes 1 ms."""
    return msgspec.structs.fields(type_)


def lenient(value: Any, type_: Any) -> Any:
    """Return `value` without the nulls of fields, and with integers where it has ``256.0``.

    A null means that a field is unset. Programs in JavaScript and Lua, and some JSON encoders,
    write integers as decimal numbers. What is not part of the struct `type_` stays as it is.
    """
    return _lenient(value, _type_info(type_))


def _lenient(value: Any, type_: inspect.Type) -> Any:
    match type_:
        case inspect.UnionType(types=types):
            return _of_union(value, types)
        case inspect.IntType() if isinstance(value, float) and value.is_integer():
            return int(value)
        case inspect.ListType(item_type=item_type) if isinstance(value, list):
            return _of_list(value, item_type)
        case inspect.StructType(fields=fields) if isinstance(value, dict):
            return _of_struct(value, {field.encode_name: field.type for field in fields})
    return value


def _of_union(value: Any, types: tuple[inspect.Type, ...]) -> Any:
    if isinstance(value, float) and any(isinstance(type_, inspect.FloatType) for type_ in types):
        return value
    for type_ in types:
        value = _lenient(value, type_)
    return value


def _of_list(value: list[Any], item_type: inspect.Type) -> list[Any]:
    if isinstance(item_type, inspect.IntType | inspect.StructType | inspect.UnionType):
        return [_lenient(item, item_type) for item in value]
    return value


def _of_struct(value: dict[str, Any], types: dict[str, inspect.Type]) -> dict[str, Any]:
    return {
        name: _lenient(item, types[name]) if name in types else item
        for name, item in value.items()
        if item is not None or name not in types
    }
