"""Read JSON schemas that an answer has to match."""

from __future__ import annotations

from typing import Any

import msgspec

from ...contract.types import Constraint
from ..fields import wrong_value
from .numbers import check_numbers


def schema_constraint(value: Any, field: str, expected: str | None = None) -> Constraint:
    """Return the constraint of a schema, which may also be given as JSON text.

    Parameters
    ----------
    field : str
        Path of the schema in the request.
    expected : str or None
        What must be there, for the error about a value that is no schema.

    Raises
    ------
    InvalidParameter
        If `value` is not a schema.
    """
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (ValueError, RecursionError):
            raise wrong_value(field, "a JSON schema", value, is_choice=True) from None
    if not isinstance(value, dict | bool):
        raise wrong_value(field, expected or "a JSON schema: an object or a boolean", value)
    check_numbers(value, field)
    return Constraint("json_schema", value, field)


def any_object(field: str) -> Constraint:
    """Return the constraint of an answer that is any JSON object."""
    return Constraint("json_schema", {"type": "object"}, field)
