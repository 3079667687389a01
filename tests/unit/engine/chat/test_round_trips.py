"""Answers that a template renders, or that are written in a model's syntax, and their parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_power_jupyter.engine.chat.format import Harmony
from a3s_power_jupyter.engine.chat.writing import Call, calls_text
from support.chat_templates import TEMPLATES
from support.parsed_answers import TOOLS, parse, parse_in_all_splits, tool

#: Values for each property of the tool, in order.
ARGUMENTS: dict[str, Any] = {
    "city": 'Köln "am\\Rhein"\n\tñ 🐶 }]>',
    "days": -3,
    "options": {"a": [2.5, {"b": None}], "c": {}, "e": "x, y: z"},
    "tags": ["one", True, []],
    "note": None,
    "metric": False,
    "anything": [["x"]],
}
SEVERAL = sorted(name for name, one in TEMPLATES.items() if not one.format.calls.one_call)


def written(name: str, calls: list[Call]) -> tuple[str, str]:
    """Return an answer with calls as the model writes it, and the end of its prompt."""
    syntax = TEMPLATES[name].format.calls
    prompt_end = "<|start|>assistant" if isinstance(syntax, Harmony) else ""
    if getattr(syntax, "bare_first", False):
        prompt_end = ">>>"
    return calls_text(syntax, calls), prompt_end


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_call_is_read_in_every_split(name: str) -> None:
    text, end = written(name, [Call("get_weather", ARGUMENTS, "abc123XYZ")])
    answer = parse_in_all_splits(TEMPLATES[name].format, text, prompt_end=end)
    assert (answer.thoughts, answer.content, answer.called) == ("", "", True)
    assert [call for call, _ in answer.calls] == ["get_weather"]
    assert answer.arguments == [ARGUMENTS]


@pytest.mark.parametrize("name", SEVERAL)
def test_several_calls_are_read_in_every_split(name: str) -> None:
    calls = [Call("now", {}, "abc123XY1"), Call("get_weather", {"city": "Rome"}, "abc123XY2")]
    text, end = written(name, [*calls, Call("now", {}, "abc123XY3")])
    answer = parse_in_all_splits(TEMPLATES[name].format, text, prompt_end=end)
    assert [call for call, _ in answer.calls] == ["now", "get_weather", "now"]
    assert answer.arguments == [{}, {"city": "Rome"}, {}]
    assert (answer.content, answer.called) == ("", True)


@pytest.mark.parametrize("name", TEMPLATES)
def test_one_call_may_be_all(name: str) -> None:
    calls = [Call("now", {}, "abc123XY1"), Call("get_weather", {"city": "Rome"}, "abc123XY2")]
    text, end = written(name, calls)
    answer = parse(TEMPLATES[name].format, text, prompt_end=end, parallel=False)
    assert answer.calls == (("now", "{}"),)
    assert (answer.content, answer.called) == ("", True)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_cut_call_is_not_complete(name: str) -> None:
    text, end = written(name, [Call("get_weather", {"city": "Rome and Turin"}, "abc123XYZ")])
    cut = text[: text.index("Rome") + 6]
    answer = parse_in_all_splits(TEMPLATES[name].format, cut, prompt_end=end)
    assert answer.calls == (("get_weather", '{"city": "Rome a'),)
    assert (answer.content, answer.called) == ("", False)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_call_of_an_unknown_tool_is_content(name: str) -> None:
    text, end = written(name, [Call("other", {"city": "Rome"}, "abc123XYZ")])
    answer = parse_in_all_splits(TEMPLATES[name].format, text, prompt_end=end)
    assert (answer.calls, answer.called) == ((), False)
    assert "other" in answer.content
    assert "Rome" in answer.content


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_call_is_content_without_tools(name: str) -> None:
    text, end = written(name, [Call("get_weather", {"city": "Rome"}, "abc123XYZ")])
    answer = parse_in_all_splits(TEMPLATES[name].format, text, [], prompt_end=end)
    assert answer.calls == ()
    assert "get_weather" in answer.content


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda values: st.lists(values) | st.dictionaries(st.text("abc_"), values),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["Hermes", "Llama 3", "Mistral Small", "Command R7B", "Apertus", "gpt-oss"]
)
@settings(max_examples=25, deadline=None)
@given(arguments=st.dictionaries(st.text(), JSON, max_size=4), data=st.data())
def test_any_json_arguments_are_read(name: str, arguments: dict[str, Any], data: Any) -> None:
    arguments = json.loads(json.dumps(arguments, ensure_ascii=True))
    text, end = written(name, [Call("now", arguments, "abc123XYZ")])
    size = data.draw(st.integers(1, 9))
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    answer = parse(TEMPLATES[name].format, pieces, prompt_end=end)
    assert answer.arguments == [arguments]
    assert answer.called


@pytest.mark.parametrize("name", ["Qwen3-Coder", "GLM", "MiniMax", "DeepSeek V3.2"])
@settings(max_examples=25, deadline=None)
@given(value=JSON, text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<")))
def test_tagged_arguments_have_the_types_of_the_schema(name: str, value: Any, text: str) -> None:
    tools = [tool("f", text={"type": "string"}, value={"not": {"type": "string"}})]
    if isinstance(value, str):
        value = [value]
    call = Call("f", {"text": text, "value": value}, "abc123XYZ")
    answer = parse(TEMPLATES[name].format, [*written(name, [call])[0]], tools)
    assert answer.arguments == [{"text": text, "value": value}]


def test_large_arguments_are_read_in_time_that_grows_with_their_length() -> None:
    """Read half a megabyte in pieces of a few characters."""
    arguments = {"city": "x" * 500_000, "tags": ["y"] * 10_000}
    for name in ("Hermes", "Qwen3-Coder", "LFM2"):
        text, _ = written(name, [Call("get_weather", arguments)])
        pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
        answer = parse(TEMPLATES[name].format, pieces, TOOLS)
        assert answer.arguments == [arguments]
