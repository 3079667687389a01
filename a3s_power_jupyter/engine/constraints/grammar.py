"""Turn constraints into grammars in llguidance's Lark."""

from __future__ import annotations

import json
from typing import Any

from ...contract.types import Constraint
from .gbnf import gbnf_to_lark
from .lark import checked_lark
from .patterns import literal, translate
from .problems import CannotConstrain
from .schemas import prepared


def grammar_of(constraint: Constraint) -> str:
    """Return the grammar of a constraint, in llguidance's Lark.

    Raises
    ------
    InvalidParameter
        If the constraint cannot be kept in every answer. The message names the part, and `param`
        is the field with the path of the part.
    """
    try:
        return _grammar(constraint)
    except CannotConstrain as error:
        raise error.in_field(constraint.field) from None


def json_rule(schema: Any) -> str:
    """Return a part of a Lark grammar that stands for the JSON of a schema.

    Raises
    ------
    CannotConstrain
        If a keyword cannot be kept.
    """
    return "%json " + json.dumps(prepared(schema))


def _grammar(constraint: Constraint) -> str:
    kind, value = constraint.kind, constraint.value
    if kind == "json_schema":
        return f"start: {json_rule(value)}"
    if kind == "gbnf":
        return gbnf_to_lark(value)
    if kind == "lark":
        return checked_lark(value)
    pattern = translate(value, whole=True) if kind == "regex" else "|".join(map(literal, value))
    return f"start: /(?:{pattern})/"
