"""Tools in the prompts of models whose templates know none."""

from __future__ import annotations

import json
from typing import Any

from a3s_power_jupyter.engine.chat.format import GENERIC_CALLS, ChatFormat, NamedJson
from support.rendering import ALTERNATING, LINES, assistant, learnt, prompt_of, system, user

ADD = {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": ADD}]
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"


def call(id_: str, arguments: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": "add", "arguments": arguments}}


def result(id_: str, content: str) -> dict[str, str]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


HISTORY = [
    user("Add."),
    assistant("", tool_calls=[call("1", '{"a": 1}'), call("2", '{"a":"ä"}')]),
    result("1", "one"),
    result("2", '{"x": "two"}'),
]


def test_tools_are_described_in_the_system_message() -> None:
    prompt = prompt_of(LINES, [system("Be brief."), user("Hi")], tools=TOOLS)
    assert prompt.startswith("system: Be brief.\n\nYou can call functions.")
    assert json.dumps(ADD) in prompt.splitlines()
    assert GENERIC_CALLS.start in prompt
    assert prompt.endswith("\nuser: Hi\nassistant: ")
    assert prompt_of(LINES, [user("Hi")], tools=TOOLS).startswith("system: You can call")


def test_tools_are_described_to_the_user_if_there_are_no_system_messages() -> None:
    prompt = prompt_of(NO_SYSTEM + ALTERNATING + LINES, [user("Hi")], tools=TOOLS)
    assert prompt.startswith("user: You can call functions.")
    assert prompt.endswith("\n\nHi\nassistant: ")


def test_calls_and_results_are_text() -> None:
    expected = (
        "user: Add.\n"
        'assistant: <tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>\n'
        '<tool_call>\n{"name": "add", "arguments": {"a": "ä"}}\n</tool_call>\n'
        "user: <tool_response>\none\n</tool_response>\n"
        '<tool_response>\n{"x": "two"}\n</tool_response>\n'
        "assistant: "
    )
    assert prompt_of(LINES, HISTORY) == expected
    assert prompt_of(LINES, HISTORY, tools=TOOLS).endswith(expected)


def test_text_stays_before_its_calls() -> None:
    chat = [user("Add."), assistant("I add.", tool_calls=[call("1", "{}")]), result("1", "0")]
    assert "assistant: I add.\n\n<tool_call>\n" in prompt_of(LINES, chat)


def test_roles_still_alternate() -> None:
    chat = [*HISTORY, user("And now?")]
    prompt = prompt_of(NO_SYSTEM + ALTERNATING + LINES, chat, tools=TOOLS)
    assert prompt.endswith("</tool_response>\n\nAnd now?\nassistant: ")


def test_parts_of_a_result_are_text() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    chat = [*HISTORY[:2], {**result("1", ""), "content": parts}]
    assert "<tool_response>\none\ntwo\n</tool_response>" in prompt_of(LINES, chat)


def test_calls_have_the_syntax_that_the_template_shows() -> None:
    syntax = NamedJson(start="<f=", arguments_start=">", end="</f>")
    template = learnt(LINES, ChatFormat(calls=syntax))
    prompt = prompt_of(template, HISTORY, tools=TOOLS)
    assert '<f=FUNCTION>{"ARGUMENT": "VALUE"}</f>' in prompt
    assert '<f=add>{"a": 1}</f><f=add>{"a": "ä"}</f>' in prompt


def test_results_are_rendered_by_a_template_for_tools_that_does_not_write_calls() -> None:
    template = learnt("{{ tools }}\n" + LINES, ChatFormat(native_tools=True))
    prompt = prompt_of(template, HISTORY, tools=TOOLS)
    assert "</tool_call>\ntool: one\ntool: " in prompt
    template = learnt("{{ tools }}\n" + ALTERNATING + LINES, ChatFormat(native_tools=True))
    assert "user: <tool_response>\none\n" in prompt_of(template, HISTORY, tools=TOOLS)
