"""The format of a chat template, learnt from its renders."""

from __future__ import annotations

import time
from typing import Any

import pytest

from a3s_power_jupyter.engine.chat.format import ChatFormat, JsonCalls, NamedJson
from a3s_power_jupyter.engine.chat.learning import learn, probes
from a3s_power_jupyter.engine.rendering.protocol import RenderOptions
from a3s_power_jupyter.engine.rendering.sandbox import compile_template
from tests.support.chat_templates import TEMPLATES


class Renders:
    """Renders a template, and counts how often."""

    def __init__(self, source: str) -> None:
        self.count = 0
        self._template = compile_template(source)

    def __call__(self, messages: list[dict[str, Any]], options: RenderOptions) -> str:
        self.count += 1
        return self._template.render(
            messages=messages,
            tools=options.tools or None,
            add_generation_prompt=options.add_generation_prompt,
            **options.template_kwargs,
        )


def learnt(source: str) -> ChatFormat:
    return learn(Renders(source), source)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_format_of_a_template_is_learnt(name: str) -> None:
    template = TEMPLATES[name]
    assert learnt(template.source) == template.format


@pytest.mark.parametrize("name", TEMPLATES)
def test_learning_takes_few_renders(name: str) -> None:
    renders = Renders(TEMPLATES[name].source)
    learn(renders, TEMPLATES[name].source)
    assert renders.count <= 30


def test_a_template_that_wants_parts_is_learnt() -> None:
    source = TEMPLATES["Hermes"].source.replace(
        "{{ m.content or '' }}",
        "{% if m.role == 'user' %}{{ m.content[0].text }}{% else %}{{ m.content }}{% endif %}",
    )
    assert learnt(source) == TEMPLATES["Hermes"].format


def test_a_template_for_tools_only_is_learnt() -> None:
    source = "{% for tool in tools %}{% endfor %}" + TEMPLATES["Qwen3"].source
    source = "{{ tools[0].function.name }}" + source
    assert learnt(source) == TEMPLATES["Qwen3"].format


def test_the_end_of_a_turn_is_not_part_of_the_calls() -> None:
    """Some templates end only answers with calls with it, if they come last."""
    source = TEMPLATES["Nemotron"].source.replace(
        "<|im_end|>\n{% endfor %}",
        "{% if m.tool_calls or not loop.last %}<|im_end|>{% endif %}{% endfor %}",
    )
    assert learnt(source) == TEMPLATES["Nemotron"].format


def test_a_list_of_parts_that_is_printed_verbatim_is_no_thought() -> None:
    source = TEMPLATES["Hermes"].source.replace("{{ m.content or '' }}", "{{ m.content }}")
    assert learnt(source).reasoning is None


def test_thoughts_that_only_the_prompt_opens_are_learnt() -> None:
    source = (
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' }}"
        "{% if m.reasoning_content %}{{ m.reasoning_content + '\n[ANSWER]\n' }}{% endif %}"
        "{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\nMy steps:\n' }}{% endif %}"
    )
    reasoning = learnt(source).reasoning
    assert reasoning is not None
    assert (reasoning.start, reasoning.end) == ("My steps:", "[ANSWER]")


def test_a_text_after_all_calls_may_be_missing_after_one() -> None:
    """The template of DeepSeek R1 writes it after two calls only."""
    template = TEMPLATES["DeepSeek R1"]
    assert isinstance(template.format.calls, NamedJson)
    after = template.format.calls.after
    source = template.source.replace(
        after, "{% if m.tool_calls | length > 1 %}" + after + "{% endif %}"
    )
    assert learnt(source) == template.format


def test_calls_may_be_a_message_of_their_own() -> None:
    """GigaChat 3 ends the assistant's message before a call."""
    source = (
        "{{ tools }}{% for m in messages %}{{ m.role + '<|role|>\n' }}{{ m.content or '' }}<|sep|>"
        "{% if m.tool_calls %}{{ 'function<|role|>\n' }}"
        '{"name": "{{ m.tool_calls[0].function.name }}", '
        '"arguments": {{ m.tool_calls[0].function.arguments | tojson }}}<|sep|>{% endif %}'
        "{% endfor %}{% if add_generation_prompt %}{{ 'assistant<|role|>\n' }}{% endif %}"
    )
    calls = learnt(source).calls
    assert isinstance(calls, JsonCalls)
    assert (calls.start, calls.end, calls.one_call) == ("<|sep|>function<|role|>\n", "", True)


def test_tags_of_results_are_not_those_of_content() -> None:
    source = TEMPLATES["Hermes"].source.replace("result>", "response>")
    assert learnt(source) == TEMPLATES["Hermes"].format


HOSTILE = {
    "an error": "{{ raise_exception('no') }}",
    "an error for tools": TEMPLATES["Gemma 3"].source + "{{ 1 // 0 if tools }}",
    "a recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "nothing": "",
    "the same text for all": "a3s-question",
    "brackets": "{{ messages }}{{ '[' * 50000 }}{{ '{' * 50000 }}",
    "markers": "{{ messages }}{{ '<' * 50000 }}{{ '<a ' * 20000 }}",
    "calls in calls": "{% for m in messages %}{{ m | tojson }}{{ m.tool_calls }}{% endfor %}",
    "a long text": "{{ messages }}{% for i in range(9999) %}{{ messages }}{% endfor %}",
    "calls without markers": TEMPLATES["Functionary"].source.replace("<function=", ""),
    "arguments without markers": TEMPLATES["GLM"].source.replace("</arg_value>", ""),
    "only names": "a3s-question{{ tools }}{% for m in messages %}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %}{% endfor %}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_template_that_cannot_be_learnt_has_the_default_format(name: str) -> None:
    assert learnt(HOSTILE[name]).calls == ChatFormat().calls


def test_learning_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MAX_SECONDS", 0.1)

    def slow(messages: list[dict[str, Any]], options: RenderOptions) -> str:
        nonlocal count
        count += 1
        end = time.process_time() + 0.025
        while time.process_time() < end:
            pass
        return render(messages, options)

    count = 0
    render = Renders(TEMPLATES["Qwen3"].source)
    assert isinstance(learn(slow, TEMPLATES["Qwen3"].source), ChatFormat)
    assert 1 <= count <= 5
