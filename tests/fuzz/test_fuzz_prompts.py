"""Render generated chat templates, and constrain answers with generated JSON schemas."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from support.fuzzing import Attack

SIZES = [0, 1, 7, 64, 2_000, 20_001, 10**6, 10**9, 2**31, 2**63, 10**30]


def test_generated_templates(attack: Attack, smollm2_path: Path) -> None:
    while attack.running:
        template = _template(attack.random)
        parameters = {"chat_template": template, "num_ctx": 256, "num_parallel": 1}
        body = {"name": "templated", "path": str(smollm2_path), "overwrite": True}
        what = f"template {template[:200]!r}"
        reply = attack.send(
            "POST", "v1/models", what, json=body | {"default_parameters": parameters}
        )
        if reply.status_code == 201:
            messages = [{"role": "user", "content": "Hello"}] * attack.random.choice([1, 3])
            ask = {"model": "templated", "messages": messages, "max_tokens": 2}
            attack.send("POST", "v1/chat/completions", what, json=ask)
            attack.send("POST", "v1/completions", what, json=ask | {"prompt": "x"})
            attack.send("DELETE", "v1/models/templated?force=true", what)


def test_generated_schemas(attack: Attack) -> None:
    while attack.running:
        schema = _schema(attack.random, depth=0)
        body = {
            "model": "good",
            "messages": [{"role": "user", "content": "Answer."}],
            "max_tokens": 6,
            "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
        }
        attack.send("POST", "v1/chat/completions", f"schema {str(schema)[:300]}", json=body)


# ------------------------------------------------------------ templates


def _template(rng: random.Random, depth: int = 0) -> str:
    """Return statements of a Jinja template."""
    parts = []
    for _ in range(rng.choice([1, 2, 4])):
        inner = _template(rng, depth + 1) if depth < 4 else "x"
        parts.append(
            rng.choice(
                [
                    f"{{{{ {_expression(rng)} }}}}",
                    f"{{% for i in range({_size(rng)}) %}}{inner}{{% endfor %}}",
                    f"{{% for m in messages %}}{inner}{{{{ m.content }}}}{{% endfor %}}",
                    "{% for m in messages recursive %}{{ loop([m, m]) }}{% endfor %}",
                    f"{{% if {_expression(rng)} %}}{inner}{{% else %}}y{{% endif %}}",
                    f"{{% set x = {_expression(rng)} %}}{{{{ x }}}}",
                    f"{{% macro f(n) %}}{inner}{{{{ f(n + 1) }}}}{{% endmacro %}}{{{{ f(0) }}}}",
                    "{% set ns = namespace(a=[1]) %}{% for i in range(99) %}"
                    "{% set ns.a = ns.a + ns.a %}{% endfor %}",
                    f"{{% filter {rng.choice(FILTERS)} %}}{inner}{{% endfilter %}}",
                    "{{ raise_exception('no') }}",
                    "{" * rng.choice([1, 2, 1000]),
                ]
            )
        )
    return "".join(parts)


FILTERS = [
    "upper",
    "tojson",
    "indent(10**9)",
    "center(10**9)",
    "list",
    "wordwrap(1)",
    "urlize",
    "escape",
    "replace('', 'x' * 10**6)",
    "batch(1)|list",
    "random",
    "pprint",
]


OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "in", "and"]


def _expression(rng: random.Random, depth: int = 0) -> str:
    """Return a Jinja expression, which is often very large or slow to evaluate."""
    if depth > 2:
        return rng.choice(["messages", "'a'", "1", "none", "bos_token", str(_size(rng))])
    left, right = _expression(rng, depth + 1), _expression(rng, depth + 1)
    size = _size(rng)
    return rng.choice(
        [
            f"({left} {rng.choice(OPERATORS)} {right})",
            f"'x' * {size}",
            f"9 ** (9 ** {rng.choice([5, 9])})",
            f"'%{size}d' % 1",
            f"'{{:>{size}}}'.format(1)",
            f"[{left}] * {size}",
            f"range({size})|list",
            f"({left})|{rng.choice(FILTERS)}",
            f"({left}).__class__",
            f"messages[{size}]",
            f"messages|map(attribute='content')|join({left})",
            f"strftime_now({left})",
            f"lipsum({size})",
            f"cycler({left}).next",
            "(" * rng.choice([1, 500]) + "1",
        ]
    )


def _size(rng: random.Random) -> int:
    return rng.choice(SIZES)


# ------------------------------------------------------------ schemas


def _schema(rng: random.Random, depth: int) -> Any:
    """Return a JSON schema, which is often very large, contradictory or invalid."""
    if depth > 3:
        return rng.choice([{}, True, False, {"type": "string"}, {"type": "null"}, None, 7])
    inner = _schema(rng, depth + 1)
    text = rng.choice(["", "a", "\0", "é\U0001f642", "x" * 1_000, "(a+)+$", "[", "a{1,1000000}"])
    a, b = _size(rng), _size(rng)

    def copies(most: int) -> int:
        """Return a number of copies; large ones at one level only, or they would multiply."""
        return rng.choice([1, most]) if depth == 3 else 1

    return rng.choice(
        [
            {"type": "string", "minLength": a, "maxLength": b},
            {"type": "string", "pattern": text},
            {"type": "string", "format": rng.choice(["date", "uuid", "email", text])},
            {"type": rng.choice(["integer", "number"]), "minimum": a, "maximum": b},
            {"type": "number", "multipleOf": rng.choice([0, 0.1, 1e-300, a])},
            {"type": "array", "items": inner, "minItems": a, "maxItems": b},
            {"type": "array", "prefixItems": [inner] * copies(200)},
            {"type": "array", "items": inner, "uniqueItems": True},
            {"type": "object", "properties": {text: inner}, "required": [text, "missing"]},
            {"type": "object", "properties": {str(i): inner for i in range(copies(500))}},
            {"type": "object", "additionalProperties": inner, "maxProperties": a},
            {"type": "object", "patternProperties": {text: inner}},
            {"enum": [text, a, None, {"a": [text]}] * copies(5_000)},
            {"const": rng.choice([text, a, [text], {text: None}, 1e308])},
            {rng.choice(["anyOf", "oneOf", "allOf"]): [inner, _schema(rng, depth + 1)]},
            {"not": inner},
            {"if": inner, "then": inner, "else": inner},
            {
                "$ref": rng.choice(["#", "#/$defs/a", "http://127.0.0.1:9/x", text]),
                "$defs": {"a": inner},
            },
            {"type": [text, "string", "object"]},
            {"type": text},
            {"dependentRequired": {"a": ["b"]}, "type": "object"},
        ]
    )
