"""Chats with tools in the templates of many kinds of models, from the load to the prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from a3s_power_jupyter.engine.rendering.main import reply
from a3s_power_jupyter.engine.rendering.protocol import (
    Check,
    Checked,
    Learn,
    Learnt,
    Template,
)
from support.chat_templates import TEMPLATES
from support.rendering import assistant, prompt_of, system, user

SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "description": "d"}}}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]


def call(id_: str, name: str, city: str) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps({"city": city})}
    return {"id": id_, "type": "function", "function": function}


#: A client made up the second call: there is no such tool.
CHAT = [
    system("a-system"),
    user("a-question"),
    assistant("", tool_calls=[call("call_abcdefghij", "weather", "Paris")]),
    {"role": "tool", "tool_call_id": "call_abcdefghij", "content": "a-result"},
    assistant("", tool_calls=[call("x", "time", "Oslo"), call("y", "weather", "Rome")]),
    {"role": "tool", "tool_call_id": "y", "content": "b-result"},
    {"role": "tool", "tool_call_id": "x", "content": "c-result"},
]
TEXTS = ["a-system", "a-question", "Paris", "a-result", "time", "Oslo", "Rome", "b-result"]


def loaded(name: str) -> Template:
    """Return a template as the worker has it after a load."""
    template = Template(TEMPLATES[name].source, bos_token="<s>", eos_token="</s>")
    checked = reply(Check(template))
    assert isinstance(checked, Checked)
    learnt = reply(Learn(replace(template, traits=checked.traits)))
    assert isinstance(learnt, Learnt)
    return replace(template, traits=learnt.traits, format=learnt.format)


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_of_a_chat_with_tools_is_lost(name: str) -> None:
    template = loaded(name)
    assert template.format == TEMPLATES[name].format
    for tools in (TOOLS, []):
        prompt = prompt_of(template, CHAT, tools=tools)
        assert [text for text in (*TEXTS, "c-result") if text not in prompt] == []
        assert ("weather" in prompt_of(template, CHAT[:2], tools=tools)) is bool(tools)


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_answer_after_a_result_is_continued(name: str) -> None:
    chat = [*CHAT, assistant("It is warm and")]
    prompt = prompt_of(loaded(name), chat, tools=TOOLS, continue_final_message=True)
    assert prompt.endswith("It is warm and")
    assert [text for text in (*TEXTS, "c-result") if text not in prompt] == []
