"""JSON schemas that constrain answers."""

from __future__ import annotations

import json
from typing import Any

from ..contract.errors import InvalidParameter
from ..contract.text import shortened
from ..contract.types import Constraint

#: Longest schema as JSON, in characters.
MAX_SCHEMA = 2**18


def schema_of(constraint: Constraint) -> dict[str, Any]:
    """Return the JSON schema of a constraint.

    Raises
    ------
    InvalidParameter
        If the constraint is not a JSON schema with keywords.
    """
    if constraint.kind != "json_schema" or not isinstance(constraint.value, dict):
        raise InvalidParameter(f"The constraint {constraint.kind!r} is not supported.")
    return constraint.value


def schema_text(schema: dict[str, Any]) -> str:
    """Return a schema as JSON.

    Raises
    ------
    InvalidParameter
        If it is too long, or nested too deeply.
    """
    try:
        text = json.dumps(schema)
    except RecursionError:
        raise unsupported("is nested too deeply") from None
    if len(text) > MAX_SCHEMA:
        raise unsupported(f"has {len(text):,} characters; at most {MAX_SCHEMA:,} are possible")
    return text


def unsupported(problem: str) -> InvalidParameter:
    """Return the error for a schema. `problem` completes "This JSON schema ..."."""
    return InvalidParameter(
        f"This JSON schema {shortened(problem)}. Use a simpler schema.", param="response_format"
    )
