"""Write calls in the syntax of a model, as its template does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from .format import CallSyntax, Harmony, JsonCalls, NamedJson, Pythonic, TaggedArguments


class Call(NamedTuple):
    """A call with its arguments as an object."""

    name: str
    arguments: dict[str, Any]
    id: str = ""


def calls_text(syntax: CallSyntax, calls: list[Call]) -> str:
    """Return the text of the calls of one answer."""
    if isinstance(syntax, JsonCalls) and syntax.in_list:
        return f"{syntax.before}{_json([_object(syntax, call) for call in calls])}{syntax.after}"
    if isinstance(syntax, Pythonic):
        text = syntax.separator.join(_python_call(syntax, call) for call in calls)
        text = f"[{text}]" if syntax.in_list else text
    elif isinstance(syntax, Harmony):
        return "<|end|><|start|>assistant".join(map(_harmony, calls))
    else:
        text = syntax.separator.join(_call(syntax, call) for call in calls)
    if isinstance(syntax, NamedJson) and syntax.bare_first:
        text = text.removeprefix(syntax.start)
    return f"{syntax.before}{text}{syntax.after}"


def _call(syntax: JsonCalls | NamedJson | TaggedArguments, call: Call) -> str:
    if isinstance(syntax, JsonCalls):
        return f"{syntax.start}{_json(_object(syntax, call))}{syntax.end}"
    if isinstance(syntax, TaggedArguments):
        arguments = syntax.argument_separator.join(
            _argument(syntax, key, value) for key, value in call.arguments.items()
        )
        return f"{syntax.start}{call.name}{syntax.name_end}{arguments}{syntax.end}"
    named = call.name
    if syntax.id_pattern:
        parts = (call.name, syntax.id_between, call.id)
        named = "".join(parts if syntax.id_after_name else parts[::-1])
    return f"{syntax.start}{named}{syntax.arguments_start}{_json(call.arguments)}{syntax.end}"


def _object(syntax: JsonCalls, call: Call) -> dict[str, Any]:
    if syntax.name_is_key:
        return {call.name: call.arguments}
    body: dict[str, Any] = {syntax.name_key: call.name, syntax.arguments_key: call.arguments}
    if syntax.wrapper:
        body = {syntax.wrapper: body}
    id_ = {syntax.id_key: call.id} if syntax.id_key else {}
    first, last = (id_, {}) if syntax.id_first else ({}, id_)
    return {**first, **syntax.constants, **body, **last}


def _argument(syntax: TaggedArguments, key: str, value: Any) -> str:
    key_end = syntax.key_end
    if isinstance(value, str):
        key_end = syntax.string_key_end or key_end
    text = f"{syntax.argument_start}{key}{key_end}{_tagged_value(syntax, value)}{syntax.value_end}"
    return f"{text}{key}{syntax.closing_key_end}" if syntax.closing_key_end else text


def literal(value: Any, quote: str = "") -> str:
    """Return a value as a literal of Python, or with other quotes and keys without quotes."""
    if quote:
        return _nested(value, lambda text: f"{quote}{text}{quote}", lambda key: key)
    return _python(value)


def _tagged_value(syntax: TaggedArguments, value: Any) -> str:
    if syntax.string_quote:
        return literal(value, syntax.string_quote)
    if isinstance(value, str):
        unsafe = syntax.cdata and any(character in value for character in "<&\n")
        return f"<![CDATA[{value}]]>" if unsafe else value
    return _json(value)


def _python_call(syntax: Pythonic, call: Call) -> str:
    write = _json if syntax.json_values else _python
    arguments = ", ".join(f"{key}={write(value)}" for key, value in call.arguments.items())
    return f"{call.name}({arguments})"


def _python(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(k)}: {_python(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_python, value)) + "]"
    return _json(value)


def _nested(value: Any, text: Callable[[str], str], key: Callable[[str], str]) -> str:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        items = (f"{key(k)}:{_nested(v, text, key)}" for k, v in value.items())
        return "{" + ",".join(items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_nested(item, text, key) for item in value) + "]"
    return _json(value)


def _harmony(call: Call) -> str:
    return (
        f"<|channel|>commentary to=functions.{call.name} <|constrain|>json<|message|>"
        f"{_json(call.arguments)}"
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
