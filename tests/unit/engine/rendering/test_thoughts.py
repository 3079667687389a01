"""Thoughts of earlier answers, and whether the model thinks."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.engine.chat.format import ChatFormat, ReasoningSyntax
from support.rendering import LINES, assistant, learnt, prompt_of, user

SWITCHES = "{{ enable_thinking }} {{ thinking }} {{ reasoning_effort }}"
KEYS = (
    "{% for m in messages %}{{ m.thinking }}|{{ m.reasoning_content }}|{{ m.content }}\n"
    "{% endfor %}"
)


def thinks(**fields: str) -> ChatFormat:
    return ChatFormat(reasoning=ReasoningSyntax("<think>\n", "\n</think>\n\n", **fields))


@pytest.mark.parametrize(
    "answer",
    [
        assistant("Sure", reasoning_content="I know"),
        assistant("<think>\nI know\n</think>\n\nSure"),
        assistant("<think>I know</think>Sure"),
        assistant("I know\n</think>\nSure"),
    ],
    ids=["field", "text", "without line breaks", "opened by the prompt"],
)
def test_thoughts_are_where_the_template_reads_them(answer: dict[str, str]) -> None:
    for key, line in (
        ("thinking", "I know||Sure"),
        ("reasoning_content", "|I know|Sure"),
        ("content", "||Sure"),
        ("", "||Sure"),
    ):
        prompt = prompt_of(learnt(KEYS, thinks(history=key)), [answer, user("Go on")])
        assert prompt.splitlines()[0] == line


def test_thoughts_can_be_a_part_of_the_content() -> None:
    source = (
        "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}"
        "{% for p in m.content %}[{{ p.type }}: {{ p[p.type] }}]{% endfor %}{% endif %};"
        "{% endfor %}"
    )
    template = learnt(source, thinks(history="thinking_part"))
    chat = [assistant("Sure", reasoning_content="I know"), user("Go on")]
    assert prompt_of(template, chat) == "[thinking: I know][text: Sure];Go on;"


@pytest.mark.parametrize("text", ["In HTML, <think>x</think> is no tag.", "a <think> b", "x"])
def test_text_about_thoughts_is_no_thought(text: str) -> None:
    chat = [assistant(text), user(text)]
    prompt = prompt_of(learnt(LINES, thinks()), chat)
    assert prompt == f"assistant: {text}\nuser: {text}\nassistant: "


def test_a_model_without_thoughts_gets_the_text_of_others() -> None:
    text = "<think>\nI know\n</think>\n\nSure"
    assert text in prompt_of(LINES, [assistant(text), user("Go on")])


@pytest.mark.parametrize(
    ("kwargs", "switch", "prompt"),
    [
        ({"enable_thinking": False}, "thinking", "False False "),
        ({"thinking": False}, "enable_thinking", "False False "),
        ({"enable_thinking": True, "thinking": False}, "thinking", "True False "),
        ({"reasoning_effort": "none"}, "enable_thinking", "False  none"),
        ({"reasoning_effort": "low"}, "enable_thinking", "  low"),
        ({"enable_thinking": False}, "", "False  "),
    ],
)
def test_a_switch_reaches_the_template_by_its_own_name(
    kwargs: dict[str, object], switch: str, prompt: str
) -> None:
    template = learnt(SWITCHES, thinks(switch=switch))
    assert prompt_of(template, [user("Hi")], template_kwargs=kwargs) == prompt
