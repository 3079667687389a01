"""Thoughts, content and calls of an answer, and what is held back."""

from __future__ import annotations

import re

import pytest

from a3s_power_jupyter.engine.chat.format import (
    ChatFormat,
    ContentSyntax,
    Harmony,
    JsonCalls,
    NamedJson,
    ReasoningSyntax,
)
from a3s_power_jupyter.engine.chat.parsing.parser import AnswerParser
from a3s_power_jupyter.engine.chat.parsing.parts import Arguments, CallStart, Content, Thought
from support.chat_templates import TEMPLATES
from support.parsed_answers import TOOLS, parse_in_all_splits

THINKING = ChatFormat(reasoning=ReasoningSyntax("<think>", "</think>"))
BARE = ChatFormat(JsonCalls(arguments_key="parameters", optional_before="<|python_tag|>"))
CALL = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
HARMONY = ChatFormat(Harmony())
DRAFT = '<tool_call>{"name": "get_weather", "arguments": {}}</tool_call>'


@pytest.mark.parametrize(
    ("text", "thoughts", "content"),
    [
        ("Hello\n", "", "Hello\n"),
        ("\n Hello", "", "\n Hello"),
        ("<think>\nOne.\n\nTwo.\n</think>\n\nHello\n", "One.\n\nTwo.", "Hello\n"),
        ("<think></think>Hello", "", "Hello"),
        ("\n<think>\n\n</think>\n\n  Hello", "", "Hello"),
        ("<think>Never closed", "Never closed", ""),
        ("<think>One</think>\n<think>Two</think>Hello", "One\n\nTwo", "Hello"),
        ("Use <think> and </th>", "", "Use <think> and </th>"),
        ("Thoughts without a start\n</think>\n\nHello", "", "Thoughts without a start\nHello"),
        (f"<think>I write {CALL}</think>Hello", f"I write {CALL}", "Hello"),
        ("<think>a</think>The tag </think> ends thoughts", "a", "The tag </think> ends thoughts"),
        ("", "", ""),
    ],
)
def test_thoughts(text: str, thoughts: str, content: str) -> None:
    answer = parse_in_all_splits(THINKING, text)
    assert (answer.thoughts, answer.content, answer.calls) == (thoughts, content, ())


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (f"<think>I call it. {CALL}\n", ["now"]),
        (f"<think>{CALL}\n{CALL}", ["now", "now"]),
        (f"<think>I may write {DRAFT}, but no: {CALL}{CALL}", ["now", "now"]),
        (f"<think>I may write {CALL}, but", []),
        (f"<think>I may write {CALL[:-16]}", []),
        (f"<think>I may write {CALL}</think>Hello", []),
        (f"<think>I may write {DRAFT}</think>{CALL}", ["now"]),
    ],
)
def test_calls_end_thoughts_that_are_not_ended(text: str, calls: list[str]) -> None:
    answer = parse_in_all_splits(THINKING, text)
    assert [name for name, _ in answer.calls] == calls
    assert answer.thoughts == text.removeprefix("<think>").partition("</think>")[0].rstrip()


@pytest.mark.parametrize(
    ("prompt_end", "text", "thoughts", "content"),
    [
        ("assistant\n<think>\n", "Hm.\n</think>\n\nHello", "Hm.", "Hello"),
        ("assistant\n<think>\n", "<think>\nHm.</think>Hello", "Hm.", "Hello"),
        ("assistant\n<think>\n\n</think>\n\n", "Hello </think>", "", "Hello </think>"),
        ("assistant\n", "Hello", "", "Hello"),
    ],
)
def test_the_prompt_may_open_or_close_thoughts(
    prompt_end: str, text: str, thoughts: str, content: str
) -> None:
    answer = parse_in_all_splits(THINKING, text, prompt_end=prompt_end)
    assert (answer.thoughts, answer.content) == (thoughts, content)


@pytest.mark.parametrize(
    ("prefill", "text", "thoughts", "content"),
    [
        ("<think>\nI am", " sure.</think>Yes", " sure.", "Yes"),
        ("<think>\nI am sure.</think>\n\nYe", "s\n", "", "s\n"),
        ("Hello wo", "rld", "", "rld"),
    ],
)
def test_the_start_of_an_answer_may_be_in_the_prompt(
    prefill: str, text: str, thoughts: str, content: str
) -> None:
    end = f"<|im_start|>assistant\n{prefill}"
    answer = parse_in_all_splits(THINKING, text, prompt_end=end, prefill=prefill)
    assert (answer.thoughts, answer.content) == (thoughts, content)


def test_constrained_content_keeps_the_end_of_thoughts() -> None:
    text = '{"a": "</think>"}'
    for thoughts in ("", "<think>Hm</think>"):
        assert parse_in_all_splits(THINKING, thoughts + text, constrained=True).content == text
    assert parse_in_all_splits(THINKING, "Hm</think>Yes").content == "HmYes"


def test_thoughts_may_have_an_end_only() -> None:
    format_ = ChatFormat(reasoning=ReasoningSyntax("", "[BEGIN FINAL RESPONSE]"))
    answer = parse_in_all_splits(format_, "Hm.\n[BEGIN FINAL RESPONSE]\nHello")
    assert (answer.thoughts, answer.content) == ("Hm.", "Hello")


def test_texts_around_content_are_left_out() -> None:
    format_ = ChatFormat(content=ContentSyntax("<answer>", "</answer>"))
    assert parse_in_all_splits(format_, "<answer>Hello</answer>").content == "Hello"
    assert parse_in_all_splits(format_, "Hello <answer>").content == "Hello <answer>"


def test_a_recipient_of_content_is_left_out() -> None:
    format_ = TEMPLATES["Functionary with recipients"].format
    text = "all\nThis is all.>>>now\n{}>>>all\nDone"
    answer = parse_in_all_splits(format_, text, prompt_end=">>>")
    assert (answer.content, answer.calls) == ("This is all.\nDone", (("now", "{}"),))


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (f"Let me see.\n\n{CALL}", "Let me see."),
        (f"\n\n{CALL}\n", ""),
        (f"<think>Hm.</think>\n{CALL}", ""),
        (f"{CALL}\nDone", "Done"),
        (f"One.\n\n{CALL}\nTwo.\n", "One.\n\nTwo.\n"),
    ],
)
def test_white_space_around_calls_is_left_out(text: str, content: str) -> None:
    answer = parse_in_all_splits(THINKING, text)
    assert (answer.content, answer.calls, answer.called) == (content, (("now", "{}"),), True)


ANALYSIS = "<|channel|>analysis<|message|>Hm.<|end|>"
NEXT = "<|start|>assistant"


@pytest.mark.parametrize(
    ("text", "thoughts", "content", "calls"),
    [
        (f"{ANALYSIS}{NEXT}<|channel|>final<|message|>Hello\n", "Hm.", "Hello\n", ()),
        (f"{ANALYSIS}{NEXT}{ANALYSIS}", "Hm.\n\nHm.", "", ()),
        (
            f"{ANALYSIS}{NEXT}<|channel|>commentary to=functions.now <|constrain|>json"
            "<|message|>{}",
            "Hm.", "", (("now", "{}"),),
        ),
        (" to=functions.now<|channel|>commentary json<|message|>{}", "", "", (("now", "{}"),)),
        (
            f"<|channel|>commentary<|message|>I look.<|end|>{NEXT}<|channel|>final<|message|>Yes.",
            "", "I look.\n\nYes.", (),
        ),
        ("Plain text", "", "Plain text", ()),
        ("<|channel|>analysis<|message|>cut", "cut", "", ()),
        ("<|channel|>commentary to=functions.now", "",
         "<|channel|>commentary to=functions.now", ()),
        ("<|channel|>commentary to=browser.open<|message|>{}<|end|>", "",
         "<|channel|>commentary to=browser.open<|message|>{}", ()),
    ],
)  # fmt: skip
def test_harmony(
    text: str, thoughts: str, content: str, calls: tuple[tuple[str, str], ...]
) -> None:
    answer = parse_in_all_splits(HARMONY, text, prompt_end="<|start|>assistant")
    assert (answer.thoughts, answer.content, answer.calls) == (thoughts, content, calls)


def test_text_leaves_as_soon_as_it_is_known() -> None:
    parser = AnswerParser(THINKING, TOOLS)
    assert parser.push("<thi") == []
    assert parser.push("nk>Hm") == [Thought("Hm")]
    assert parser.push(" <") == []
    assert parser.push("/thing> </think>\n\n") == [Thought(" "), Thought("</thing>")]
    assert parser.push("Is 1 <") == [Content("Is 1", 29)]
    assert parser.push("2") == [Content(" ", 33), Content("<2", 34)]
    assert parser.push('<tool_call>{"name": "get_') == []
    [start] = parser.push('weather"')
    assert isinstance(start, CallStart)
    assert (start.index, start.name) == (0, "get_weather")
    assert parser.push(', "arguments": {"city": "Ro') == [
        Arguments(0, text) for text in ("{", '"', "city", '"', ": ", '"', "Ro")
    ]
    assert parser.push("me") == [Arguments(0, "me")]


def test_the_start_of_a_call_is_known_with_its_text() -> None:
    parser = AnswerParser(THINKING, TOOLS)
    parser.push("Hello <tool_")
    assert (parser.is_calling, parser.section) == (False, 0)
    parser.push('call>\n{"')
    assert (parser.is_calling, parser.section) == (True, 1)
    assert parser.begun == '<tool_call>\n{"'
    parser.push('name": "now", "arguments": {}}\n</tool_call>')
    parser.push(" Done")
    assert not parser.is_calling
    assert parser.called
    parser.push(CALL)
    assert (parser.section, parser.begun) == (2, CALL)


def test_a_call_without_markers_begins_when_it_names_a_tool() -> None:
    parser = AnswerParser(BARE, TOOLS)
    parser.push('\n\n{"name": "now", "par')  # the grammar of calls begins with the first bracket
    assert not parser.is_calling
    parser.push('ameters": {')
    assert parser.is_calling
    assert parser.begun == '{"name": "now", "parameters": {'


@pytest.mark.parametrize(
    ("format_", "text", "pattern"),
    [
        (THINKING, CALL, r"call_[0-9a-f]{24}"),
        (
            TEMPLATES["Mistral Small"].format,
            "[TOOL_CALLS]now[CALL_ID]abc123XYZ[ARGS]{}",
            r"abc123XYZ",
        ),
        (TEMPLATES["Mistral Small"].format, "[TOOL_CALLS]now[ARGS]{}", r"[a-zA-Z0-9]{9}"),
        (
            TEMPLATES["Command R7B"].format,
            '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "now", "parameters": {}}]',
            r"call_[0-9a-f]{24}",
        ),
    ],
)
def test_ids(format_: ChatFormat, text: str, pattern: str) -> None:
    parser = AnswerParser(format_, TOOLS)
    starts = [part for part in parser.push(text) if isinstance(part, CallStart)]
    assert len(starts) == 1
    assert re.fullmatch(pattern, starts[0].id)


def test_a_name_is_not_waited_for_forever() -> None:
    format_ = ChatFormat(NamedJson("<call>", "<args>"))
    parser = AnswerParser(format_, TOOLS)
    parts = parser.push("<call>" + "x" * 200)
    assert [part for part in parts if isinstance(part, Content)]
