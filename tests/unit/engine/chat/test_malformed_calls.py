"""Calls that models write differently than their template, and texts that only look like calls."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.engine.chat.format import ChatFormat, JsonCalls, ReasoningSyntax
from support.chat_templates import TEMPLATES
from support.parsed_answers import parse, parse_in_all_splits, tool

THINKING = ChatFormat(reasoning=ReasoningSyntax("<think>", "</think>"))
BARE = ChatFormat(JsonCalls(arguments_key="parameters", optional_before="<|python_tag|>"))
CALL = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'


def arguments_of(body: str) -> str:
    return f'<tool_call>{{"name": "get_weather", "arguments": {body}}}</tool_call>'


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('<tool_call>{"name":"get_weather"}</tool_call>', {}),
        ('<tool_call>{"arguments": {"city": "a"}, "name": "get_weather"}', {"city": "a"}),
        ('<tool_call>{"name": "functions.get_weather", "parameters": {}}</tool_call>', {}),
        ('<tool_call>[{"name": "get_weather", "arguments": {"days": 1}}]</tool_call>', {"days": 1}),
        ('<tool_call>{"id": 3, "name": "get_weather", "arguments": {}, "x": [{}]}', {}),
        (arguments_of('{"city": "a"}}'), {"city": "a"}),
        (arguments_of('"{\\"city\\": \\"a\\"}"'), {"city": "a"}),
        (arguments_of("null"), {}),
        (arguments_of("{'city': 'it\\'s', 'metric': True, 'note': None,}"),
         {"city": "it's", "metric": True, "note": None}),
        (arguments_of('{"city": "two\nlines"}'), {"city": "two\nlines"}),
        (arguments_of('{"city": "\\d+ \\x41 \\u00e9 \\ud83d\\udc36"}'), {"city": "\\d+ A é 🐶"}),
        (arguments_of('{"city" "a", "days": 1]'), {"city": None, "a": None, "days": 1}),
        (arguments_of('{"days": 007, "tags": [1 2], "note": hello}'),
         {"days": "007", "tags": ["1 2"], "note": "hello"}),
        (arguments_of('{"days": 1'), {"days": 1}),
    ],
)  # fmt: skip
def test_calls_that_are_not_quite_right(text: str, arguments: object) -> None:
    answer = parse_in_all_splits(THINKING, text)
    assert [name for name, _ in answer.calls] == ["get_weather"]
    assert answer.arguments == [arguments]
    assert answer.called


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>",
        "<tool_call> is the tag",
        "<tool_call>{}</tool_call>",
        '<tool_call>{"name": 3}</tool_call>',
        '<tool_call>{"name": "now',
        '<tool_call>["now"]</tool_call>',
        '<tool_call>{"arguments": {"a": [1, 2',
        "Use </tool_call>.",
        "<tool_call><tool_call>",
    ],
)
def test_what_is_no_call_is_content(text: str) -> None:
    answer = parse_in_all_splits(THINKING, text)
    assert (answer.content, answer.calls, answer.called) == (text, (), False)


def test_a_call_after_one_of_an_unknown_tool_is_read() -> None:
    unknown = '<tool_call>{"name": "other", "arguments": {}}</tool_call>'
    answer = parse_in_all_splits(THINKING, unknown + CALL)
    assert (answer.content, answer.calls) == (unknown, (("now", "{}"),))


@pytest.mark.parametrize(
    ("text", "is_call"),
    [
        ('{"name": "now", "parameters": {}}', True),
        ('\n{"type": "function", "name": "now", "arguments": {}}', True),
        ('<|python_tag|>{"name": "now", "parameters": {}}', True),
        ('{"name": "other", "parameters": {}}', False),
        ('{"name": "now"}', False),
        ('{"name": "now", "age": 3, "parameters": {}}', False),
        ('{"city": "now"}', False),
        ('Here: {"name": "now", "parameters": {}}', False),
        ("[1, 2]", False),
        ("<|python_tag|>print(1)", False),
    ],
)
def test_json_without_markers_is_a_call_if_it_names_a_tool(text: str, is_call: bool) -> None:
    answer = parse_in_all_splits(BARE, text)
    assert answer.calls == ((("now", "{}"),) if is_call else ())
    assert answer.content == ("" if is_call else text)


@pytest.mark.parametrize("text", ["[now", "[now]", "now()", "[3, 4]", "[other(a=1)]", "[ ]"])
def test_python_that_calls_no_tool_is_content(text: str) -> None:
    answer = parse_in_all_splits(TEMPLATES["Llama pythonic"].format, text)
    assert (answer.content, answer.calls) == (text, ())


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('get_weather("Rome", 3)', {"city": "Rome", "days": 3}),
        ("get_weather(city='a\\'b', tags=[1, (2, 3)], options={'a': None})",
         {"city": "a'b", "tags": [1, [2, 3]], "options": {"a": None}}),
        ('get_weather(city="""two\nlines "q" """)', {"city": 'two\nlines "q" '}),
        ("get_weather(city=r'\\d', days=0x10, anything=date(2024, 1))",
         {"city": "\\d", "days": 16, "anything": "date(2024, 1)"}),
        ("get_weather(days=-1_000, anything=.5)", {"days": -1000, "anything": 0.5}),
        ("get_weather(days=3", {"days": 3}),
    ],
)  # fmt: skip
def test_values_of_python_become_json(text: str, arguments: object) -> None:
    answer = parse_in_all_splits(TEMPLATES["Llama pythonic"].format, f"[{text}]")
    assert answer.arguments == [arguments]


@pytest.mark.parametrize(
    ("value", "parameter", "expected"),
    [
        ("5", {"type": "string"}, "5"),
        ("5", {"type": "integer"}, 5),
        ("5", {}, 5),
        ("True", {"type": "boolean"}, True),
        ("None", {"type": ["string", "null"]}, None),
        ("null", {"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ("null", {"type": "string"}, "null"),
        ("nullable", {"type": ["string", "null"]}, "nullable"),
        ("5", {"anyOf": [{"type": "string"}, {"type": "integer"}]}, 5),
        ('{"a": 1}', {"type": "string"}, '{"a": 1}'),
        ("{'a': True}", {"type": "object"}, {"a": True}),
        ("a b", {"enum": ["a b", "5"]}, "a b"),
        ("5", {"enum": ["a b", "5"]}, "5"),
        ("5", {"$ref": "#/$defs/Text"}, "5"),
        ("x", {"type": "integer"}, "x"),
        ("NaN", {}, "NaN"),
    ],
)
def test_the_schema_tells_the_type_of_a_tagged_value(
    value: str, parameter: dict[str, object], expected: object
) -> None:
    one = tool("f", a=parameter)
    one["function"]["parameters"]["$defs"] = {"Text": {"type": "string"}}
    text = f"<tool_call>\n<function=f>\n<parameter=a>\n{value}\n</parameter>\n</function>"
    answer = parse_in_all_splits(TEMPLATES["Qwen3-Coder"].format, text, [one])
    assert answer.arguments == [{"a": expected}]


def test_white_space_between_tags_may_vary() -> None:
    text = (
        "<tool_call><function=get_weather><parameter=city>Rome</parameter>\n\n"
        "<parameter=days>3</parameter></function>  </tool_call>"
    )
    answer = parse_in_all_splits(TEMPLATES["Qwen3-Coder"].format, text)
    assert answer.arguments == [{"city": "Rome", "days": 3}]
    assert answer.content == ""


def test_a_deep_value_is_read() -> None:
    depth = 5_000
    body = '{"anything": ' + "[" * depth + "]" * depth + "}"
    answer = parse(THINKING, arguments_of(body))
    assert answer.calls == (("get_weather", body),)


@pytest.mark.parametrize("at", range(45, 70))
def test_arguments_in_a_string_may_be_cut_anywhere(at: int) -> None:
    text = arguments_of('"{\\"city\\": \\"a\\\\\\"b\\"}"')[:at]
    answer = parse_in_all_splits(THINKING, text)
    assert [name for name, _ in answer.calls] == ["get_weather"]
    assert not answer.called


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Mistral Small", "[TOOL_CALLS]now[CALL_ID]" + "x" * 200 + "[ARGS]{}"),
        ("Kimi K2", "<|tool_call_begin|>functions." + "x" * 200 + "<|tool_call_argument_begin|>{}"),
        ("Qwen3-Coder", "<tool_call>\n<function=" + "x" * 200 + ">\n</function>\n</tool_call>"),
    ],
)
def test_a_name_or_an_id_that_is_too_long_is_content(name: str, text: str) -> None:
    answer = parse_in_all_splits(TEMPLATES[name].format, text)
    assert (answer.content, answer.calls) == (text, ())


def test_what_follows_the_arguments_of_a_call_is_content() -> None:
    rest = "<parameter=" + "x" * 2000 + ">1</parameter>\n"
    text = f"<tool_call>\n<function=now>\n{rest}</function>"
    format_ = TEMPLATES["Qwen3-Coder"].format
    answer = parse(format_, text)
    assert (answer.calls, answer.content) == ((("now", "{}"),), rest)
    assert parse(format_, [*text]) == answer


def test_a_marker_after_a_call_that_is_cut_off_is_no_content() -> None:
    end = len("\n</tool_call>")
    for text in (*(CALL[:-cut] for cut in range(1, end)), CALL + "\n<tool_cal"):
        answer = parse_in_all_splits(THINKING, text)
        assert (answer.content, answer.calls) == ("", (("now", "{}"),))
    assert parse_in_all_splits(THINKING, CALL + "\n<b").content == "<b"
