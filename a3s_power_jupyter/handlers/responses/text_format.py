"""Read ``text.format``: what an answer has to match."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from ...contract.errors import InvalidParameter
from ...contract.types import Constraint
from ..chat.schemas import any_object, schema_constraint
from ..fields import optional_string, wrong_value
from ..openai.constraints import read_constraint
from .fields import ResponseFields

FIELD = "text.format"

_FORMATS = (
    "{'type': 'text'}, {'type': 'json_object'} or "
    "{'type': 'json_schema', 'name': ..., 'schema': {...}}"
)


def read_text_format(fields: ResponseFields) -> tuple[Constraint | UnsetType, dict[str, Any]]:
    """Return what the answer has to match, and the format as it appears in the reply.

    Raises
    ------
    InvalidParameter
        If a field is malformed, or several fields constrain the answer.
    """
    constraint, shown = _format(fields.text.format)
    other = read_constraint(fields)
    if other is UNSET:
        return constraint, shown
    if constraint is not UNSET:
        raise InvalidParameter(
            f"{FIELD!r} and {other.field!r} both constrain the answer. Send one of them.",
            param=other.field,
        )
    return other, shown


def _format(value: Any) -> tuple[Constraint | UnsetType, dict[str, Any]]:
    if value is None:
        return UNSET, {"type": "text"}
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return UNSET, {"type": "text"}
    if kind == "json_object":
        return any_object(FIELD), {"type": "json_object"}
    if kind == "json_schema":
        constraint = schema_constraint(value.get("schema"), f"{FIELD}.schema")
        strict = value.get("strict")
        shown = {
            "type": "json_schema",
            "name": optional_string(value, "name", FIELD) or "schema",
            "description": optional_string(value, "description", FIELD),
            "schema": constraint.value,
            "strict": strict if isinstance(strict, bool) else None,
        }
        return constraint, shown
    raise wrong_value(FIELD, _FORMATS, value, is_choice=True)
