"""Prompts that end with the assistant's last message."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.engine.chat.format import ChatFormat, ReasoningSyntax
from a3s_power_jupyter.engine.rendering.sandbox import TemplateFailed
from support.rendering import ALTERNATING, assistant, learnt, prompt_of, user

ENDS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
OPENS = "{% if add_generation_prompt %}<assistant>{% endif %}"
TRIMS = ENDS.replace("m.content", "m.content | trim")
#: Writes the beginning of an answer in any case.
ALWAYS = ENDS + "<assistant>"
#: Writes no message of the assistant at the end.
REJECTS = (
    "{% if messages[-1].role == 'assistant' %}{{ raise_exception('no user') }}{% endif %}"
    + ENDS
    + OPENS
)
DROPS = (
    "{% for m in messages %}{% if m.role == 'user' or not loop.last %}<{{ m.role }}>"
    "{{ m.content }}<end>{% endif %}{% endfor %}" + OPENS
)
CHAT = [user("Hi"), assistant("Sure: ")]


@pytest.mark.parametrize(
    "source",
    [ENDS + OPENS, TRIMS + OPENS, ALWAYS, REJECTS, DROPS, ALTERNATING + ENDS],
    ids=["ends", "trims", "always opens", "rejects", "drops", "alternates"],
)
def test_the_prompt_ends_with_the_text_to_continue(source: str) -> None:
    prompt = prompt_of(source, CHAT, continue_final_message=True)
    assert prompt == "<user>Hi<end><assistant>Sure: "


@pytest.mark.parametrize("text", ["", "<end>", "Hi", "a\n\n", "}}{{ x }}"])
def test_any_text_can_be_continued(text: str) -> None:
    chat = [user("Hi"), assistant(text)]
    for source in (ENDS + OPENS, TRIMS + OPENS):
        prompt = prompt_of(source, chat, continue_final_message=True)
        assert prompt == f"<user>Hi<end><assistant>{text}"


def test_parts_can_be_continued() -> None:
    source = (
        "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}{{ p.text }}{% endfor %}<end>"
        "{% endfor %}"
    )
    for content in ("Sure", [{"type": "text", "text": "Sure"}]):
        chat = [user("Hi"), assistant(content)]
        prompt = prompt_of(source, chat, continue_final_message=True)
        assert prompt == "<user>Hi<end><assistant>Sure"


def test_without_a_generation_prompt_the_last_message_ends() -> None:
    prompt = prompt_of(ENDS + OPENS, CHAT, add_generation_prompt=False)
    assert prompt == "<user>Hi<end><assistant>Sure: <end>"


@pytest.mark.parametrize(
    "last", [user("Hi"), assistant("", tool_calls=[{"function": {}}])], ids=["user", "calls"]
)
def test_other_messages_cannot_be_continued(last: dict[str, object]) -> None:
    with pytest.raises(TemplateFailed, match="Only a last message of the assistant"):
        prompt_of(ENDS, [user("Hi"), last], continue_final_message=True)


# ---------------------------------------------------------------- thoughts

THINKS = ChatFormat(reasoning=ReasoningSyntax("<think>\n", "\n</think>\n\n"))
READS = ChatFormat(
    reasoning=ReasoningSyntax("<think>\n", "\n</think>\n\n", history="reasoning_content")
)
WITH_THOUGHTS = (
    "{% for m in messages %}<{{ m.role }}>{% if m.reasoning_content %}<think>\n"
    "{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content }}<end>{% endfor %}" + OPENS
)
OPENS_THOUGHT = "{% if add_generation_prompt %}<assistant><think>\n{% endif %}"


@pytest.mark.parametrize("source", [ENDS + OPENS, ENDS + OPENS_THOUGHT], ids=["closed", "opened"])
def test_text_is_continued_outside_of_thoughts(source: str) -> None:
    prompt = prompt_of(learnt(source, THINKS), CHAT, continue_final_message=True)
    assert prompt == "<user>Hi<end><assistant>Sure: "


@pytest.mark.parametrize("source", [ENDS + OPENS, ENDS + OPENS_THOUGHT], ids=["closed", "opened"])
@pytest.mark.parametrize(
    "last",
    [assistant("<think>\nI know"), assistant("", reasoning_content="I know")],
    ids=["text", "field"],
)
def test_a_thought_is_continued_with_its_marker_once(source: str, last: dict[str, object]) -> None:
    prompt = prompt_of(learnt(source, THINKS), [user("Hi"), last], continue_final_message=True)
    assert prompt == "<user>Hi<end><assistant><think>\nI know"


@pytest.mark.parametrize(
    "last",
    [
        assistant("<think>\nI know\n</think>\n\nSure"),
        assistant("Sure", reasoning_content="I know"),
    ],
    ids=["text", "field"],
)
@pytest.mark.parametrize(
    ("source", "format_"),
    [(ENDS + OPENS, THINKS), (ENDS + OPENS_THOUGHT, THINKS), (WITH_THOUGHTS, READS)],
    ids=["closed", "opened", "template with thoughts"],
)
def test_text_after_a_thought_is_continued(
    source: str, format_: ChatFormat, last: dict[str, object]
) -> None:
    prompt = prompt_of(learnt(source, format_), [user("Hi"), last], continue_final_message=True)
    assert prompt == "<user>Hi<end><assistant><think>\nI know\n</think>\n\nSure"


@pytest.mark.parametrize("source", [ENDS + OPENS, ENDS + OPENS_THOUGHT], ids=["closed", "opened"])
@pytest.mark.parametrize("rest", ["\n\n</think>\n\n", "\nI know\n</think>\n\n", "</think>", ""])
def test_thoughts_in_the_text_stay_as_they_are(source: str, rest: str) -> None:
    chat = [user("Hi"), assistant(f"<think>{rest}")]
    prompt = prompt_of(learnt(source, THINKS), chat, continue_final_message=True)
    if source == ENDS + OPENS_THOUGHT:
        assert prompt == "<user>Hi<end><assistant><think>\n" + rest.removeprefix("\n")
    else:
        assert prompt == f"<user>Hi<end><assistant><think>{rest}"


@pytest.mark.parametrize("source", [ENDS + OPENS, ENDS + OPENS_THOUGHT], ids=["closed", "opened"])
def test_a_thought_that_the_prompt_has_opened_can_be_ended(source: str) -> None:
    chat = [user("Hi"), assistant("I know\n</think>\n\nSure")]
    prompt = prompt_of(learnt(source, THINKS), chat, continue_final_message=True)
    assert prompt == "<user>Hi<end><assistant><think>\nI know\n</think>\n\nSure"
