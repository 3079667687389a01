"""Chat templates in their sandbox, without the process around it."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.engine.rendering.main import reply
from a3s_power_jupyter.engine.rendering.protocol import (
    Check,
    Checked,
    Failed,
    Render,
    Rendered,
    RenderOptions,
    Reply,
    Template,
    Traits,
)
from a3s_power_jupyter.engine.rendering.sandbox import MAX_MESSAGE

HELLO = [{"role": "user", "content": "hello"}]


def template(source: str) -> Template:
    return Template(source, bos_token="<s>", eos_token="</s>")


def rendered(
    source: str,
    messages: list[dict[str, Any]] = HELLO,
    max_chars: int = 10**4,
    **options: Any,
) -> Reply:
    return reply(Render(template(source), messages, RenderOptions(**options), max_chars))


def checked(source: str) -> Reply:
    return reply(Check(template(source)))


def test_a_template_gets_the_messages_and_the_special_tokens() -> None:
    source = "{{ bos_token }}{% for m in messages %}{{ m.role }} {{ m.content }}{% endfor %}"
    assert rendered(source + "{{ eos_token }}") == Rendered("<s>user hello</s>")


def test_a_template_gets_the_variables_of_the_request() -> None:
    source = "{{ tools }} {{ enable_thinking }} {{ add_generation_prompt }}"
    assert rendered(source) == Rendered("None  True")
    kwargs = {"enable_thinking": False, "self": 1, "a-b": 2}
    answer = rendered(source, template_kwargs=kwargs, add_generation_prompt=False)
    assert answer == Rendered("None False False")


def test_a_template_cannot_leave_its_sandbox() -> None:
    answer = rendered("{{ ''.__class__.__mro__ }}")
    assert isinstance(answer, Failed)
    assert answer.failure == "rejected"


def test_a_namespace_has_no_special_methods() -> None:
    """markupsafe, for example, calls `__html__` of any object."""
    for source in ("{{ namespace(__html__=cycler) }}", "{{ namespace({'__html__': cycler}) }}"):
        assert rendered(source) == Failed(
            "rejected", "An attribute of a namespace cannot be called '__html__'."
        )
    source = "{% set ns = namespace() %}{% set ns.__html__ = cycler %}"
    answer = rendered(source)
    assert isinstance(answer, Failed)
    assert "__html__" in answer.message


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% generation %}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x }}", "1"),
        ("{% for x in [1, 2] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}", "1"),
        ("{{ {'b': '<ä>', 'a': 1} | tojson(sort_keys=true) }}", '{"a": 1, "b": "<ä>"}'),
        ("{{ [1, 2] | tojson(separators=(',', ':')) }}", "[1,2]"),
        ("{% set ns = namespace(a=1, self=2) %}{% set ns.a = 3 %}{{ ns.a }}{{ ns.self }}", "32"),
        ("{{ dict(a=1).a }}{{ dict.fromkeys(['b'], 2).b }}", "12"),
        ("{% if x %}\n  a\n{% endif %}\n  {{ 1 }}\n", "  1"),
    ],
    ids=["generation", "break", "sorted JSON", "compact JSON", "namespace", "dict", "whitespace"],
)
def test_the_sandbox_has_what_transformers_has(source: str, text: str) -> None:
    assert rendered(source) == Rendered(text)


def test_a_template_can_reject_messages() -> None:
    source = "{{ raise_exception('no system role') }}"
    assert rendered(source) == Failed("rejected", "no system role")
    assert checked(source) == Checked(Traits(text=False), problem="no system role")


@pytest.mark.parametrize(
    "source", ["{{ raise_exception('x' * 10**6) }}", r"{{ raise_exception('\ud800' * 1000) }}"]
)
def test_the_text_of_an_error_is_cut_and_can_be_sent(source: str) -> None:
    answer = rendered(source)
    assert isinstance(answer, Failed)
    assert len(answer.message.encode()) == MAX_MESSAGE


def test_half_of_a_surrogate_pair_is_rejected() -> None:
    answer = rendered(r"{{ '\ud800' }}")
    assert isinstance(answer, Failed)
    assert answer.failure == "rejected"
    assert "surrogate" in answer.message


@pytest.mark.parametrize(
    ("source", "text", "parts"),
    [
        ("{{ messages[0].content }}", True, False),
        ("{% for part in messages[0].content %}{{ part.text }}{% endfor %}", False, True),
        ("no message", False, False),
    ],
)
def test_a_template_supports_text_or_parts(source: str, text: bool, parts: bool) -> None:
    assert checked(source) == Checked(Traits(text=text, parts=parts))


def test_invalid_jinja_is_invalid() -> None:
    answer = checked("{% if %}")
    assert isinstance(answer, Failed)
    assert answer.failure == "invalid"
    assert "Expected an expression" in answer.message


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 100_000 + "1" + ")" * 100_000 + " }}",
        "{{ " + "not " * 100_000 + "1 }}",
        "{{ messages" + ".a" * 20_000 + " }}",
        "{% if x %}" * 20_000 + "{% endif %}" * 20_000,
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{% for x in [[]] recursive %}{{ loop([x]) }}{% endfor %}",
    ],
    ids=["parentheses", "operators", "attributes", "blocks", "macros", "recursive loop"],
)
def test_endless_recursion_is_stopped(source: str) -> None:
    answer = checked(source)
    assert isinstance(answer, Failed)
    assert answer.failure == "stopped"
    assert "too deeply" in answer.message


def test_the_output_is_limited() -> None:
    source = "{% for x in range(100) %}{{ 'x' * 99 }}{% endfor %}"
    assert rendered(source, max_chars=9900) == Rendered("x" * 9900)
    assert rendered(source, max_chars=9899) == Failed("too_long")


def test_endless_output_ends_at_the_limit() -> None:
    loops = "{% for a in range(99999) %}" * 9 + "{{ a }}" + "{% endfor %}" * 9
    assert rendered(loops) == Failed("too_long")
    answer = checked(loops)
    assert answer == Failed("stopped", "returned more than 1,048,576 characters")
