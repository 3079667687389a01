"""Read what an answer has to match: OpenAI's ``response_format``, and the fields of other servers.

llama.cpp has ``grammar`` and ``json_schema``, vLLM ``structured_outputs`` and ``guided_*``, SGLang
``regex`` and ``ebnf``, Ollama ``format``, and Text Generation Inference ``value`` for ``schema``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import UNSET, UnsetType

from ...contract.errors import InvalidParameter
from ...contract.text import quoted, shortened
from ...contract.types import Constraint
from ..chat.schemas import any_object, schema_constraint
from ..fields import wrong_value
from .constraint_fields import ConstraintFields

Reader = Callable[[Any, str], Iterator[Constraint]]

#: Longest grammar or pattern, in characters.
MAX_TEXT = 2**18

#: Most possible answers of a choice.
MAX_CHOICES = 2**12

_RESPONSE_FORMAT = (
    "{'type': 'text'}, {'type': 'json_object'} or "
    "{'type': 'json_schema', 'json_schema': {'name': ..., 'schema': {...}}}"
)

#: A rule in the syntax of Lark and in that of GBNF, at the beginning of a line.
_LARK = re.compile(r"^\s*(%llguidance\b|start\s*(\[[^\]\n]*\]\s*)?:(?!:=))", re.MULTILINE)
_GBNF = re.compile(r"^\s*[A-Za-z0-9_-]+\s*::=", re.MULTILINE)

#: Keys of OpenAI's object around a schema.
_WRAPPER = {"name", "description", "schema", "strict"}


def read_constraint(fields: ConstraintFields) -> Constraint | UnsetType:
    """Return what the answer has to match.

    Raises
    ------
    InvalidParameter
        If a field is malformed, or several fields constrain the answer.
    """
    found = list(_constraints(fields))
    if len(found) > 1:
        names = " and ".join(repr(constraint.field) for constraint in found[:2])
        raise InvalidParameter(
            f"{names} both constrain the answer. Send one of them.", param=found[1].field
        )
    return found[0] if found else UNSET


def _constraints(fields: ConstraintFields) -> Iterator[Constraint]:
    for name, read in _READERS.items():
        value = getattr(fields, name)
        if value is not None and not (name in _EMPTY_MEANS_NONE and value in ("", [], {})):
            yield from read(value, name)


def _of_format(given: Any, field: str) -> Iterator[Constraint]:
    """Yield the constraint of a ``response_format``, or none for text."""
    kind = given.get("type") if isinstance(given, dict) else None
    if kind == "text":
        return
    value = given.get("schema", given.get("value")) if isinstance(given, dict) else None
    if kind == "json_object":
        yield _schema({"type": "object"} if value is None else value, field)
    elif kind == "regex" and value is not None:
        yield _regex(value, field)
    elif kind == "grammar" and given.get("grammar") is not None:
        yield _grammar(given["grammar"], field)
    elif kind in ("json_schema", "json"):
        nested = given.get("json_schema", value)
        if isinstance(nested, dict) and "name" in nested and set(nested) <= _WRAPPER:
            nested = nested.get("schema")
        elif isinstance(nested, dict) and isinstance(nested.get("schema"), dict | bool):
            nested = nested["schema"]
        yield _schema(nested, field)
    else:
        raise wrong_value(field, _RESPONSE_FORMAT, given, is_choice=True)


def _of_structured_outputs(given: Any, field: str) -> Iterator[Constraint]:
    """Yield the constraints of vLLM's object; its options have no effect here."""
    if not isinstance(given, dict):
        raise wrong_value(field, "an object", given)
    for name in given:
        if not name.startswith(_OUTPUT_OPTIONS) and name not in {*_OUTPUTS, "structural_tag"}:
            raise InvalidParameter(
                f"{field!r} has an unknown constraint {quoted(name)}. Use one of "
                f"{', '.join(_OUTPUTS)}.",
                param=f"{field}.{shortened(name)}",
            )
    if given.get("structural_tag") is not None:
        raise InvalidParameter("'structural_tag' is not supported. Use 'json'.", param=field)
    for name, read in _OUTPUTS.items():
        if given.get(name) not in (None, False):
            yield from read(given[name], f"{field}.{name}")


def _of_any_object(_given: Any, field: str) -> Iterator[Constraint]:
    yield any_object(field)


def _of_grammar(given: Any, field: str) -> Iterator[Constraint]:
    if isinstance(given, dict):  # as Text Generation Inference has it
        yield from _of_format(given, field)
    else:
        yield _grammar(given, field)


def _of_ollama(given: Any, field: str) -> Iterator[Constraint]:
    yield from _of_any_object(given, field) if given == "json" else _of_schema(given, field)


def _of_schema(given: Any, field: str) -> Iterator[Constraint]:
    yield _schema(given, field)


def _of_regex(given: Any, field: str) -> Iterator[Constraint]:
    yield _regex(given, field)


def _of_choice(given: Any, field: str) -> Iterator[Constraint]:
    yield _choice(given, field)


#: How each field is read.
_READERS: dict[str, Reader] = {
    "response_format": _of_format,
    "structured_outputs": _of_structured_outputs,
    "json_schema": _of_schema,
    "guided_json": _of_schema,
    "grammar": _of_grammar,
    "guided_grammar": _of_grammar,
    "ebnf": _of_grammar,
    "guided_regex": _of_regex,
    "regex": _of_regex,
    "guided_choice": _of_choice,
    "format": _of_ollama,
}

#: How each key of vLLM's object is read.
_OUTPUTS: dict[str, Reader] = {
    "json": _of_schema,
    "json_object": _of_any_object,
    "regex": _of_regex,
    "choice": _of_choice,
    "grammar": _of_grammar,
}

#: Beginnings of the names of vLLM's options, which do not change what an answer has to match.
_OUTPUT_OPTIONS = ("disable_", "whitespace_pattern", "backend", "_backend")

#: Fields whose empty values request nothing. An empty schema allows any JSON, an empty choice no
#: answer.
_EMPTY_MEANS_NONE = set(_READERS) - {
    "response_format", "json_schema", "guided_json", "guided_choice",
}  # fmt: skip


def _schema(value: Any, field: str) -> Constraint:
    expected = _RESPONSE_FORMAT if field == "response_format" else None
    return schema_constraint(value, field, expected)


def _regex(value: Any, field: str) -> Constraint:
    return Constraint("regex", _text(value, field), field)


def _grammar(value: Any, field: str) -> Constraint:
    text = _text(value, field)
    if _LARK.search(text):
        return Constraint("lark", text, field)
    if _GBNF.search(text):
        return Constraint("gbnf", text, field)
    raise InvalidParameter(
        f"{field!r} is neither a grammar in GBNF, with a rule 'root ::= ...', nor in Lark, with a "
        "rule 'start: ...'.",
        param=field,
    )


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise wrong_value(field, f"a text of 1 to {MAX_TEXT:,} characters", value)
    return value


def _choice(value: Any, field: str) -> Constraint:
    if (
        not isinstance(value, list)
        or not 0 < len(value) <= MAX_CHOICES
        or not all(isinstance(answer, str) for answer in value)
        or sum(map(len, value)) > MAX_TEXT
    ):
        allowed = f"a list of 1 to {MAX_CHOICES:,} texts, of {MAX_TEXT:,} characters in total"
        raise wrong_value(field, allowed, value)
    return Constraint("choice", value, field)
