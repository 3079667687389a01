"""How the prompt of a chat request ends, and the variables of its template."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.types import ChatRequest
from a3s_power_jupyter.handlers.openai.requests import read_chat

USER = {"role": "user", "content": "Count."}
PREFILL = {"role": "assistant", "content": "1, 2,"}
EMPTY = {"role": "assistant", "content": ""}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL]}


def read(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    [request] = read_chat({"model": "m", "messages": list(messages), **fields}).requests
    assert isinstance(request, ChatRequest)
    return request


@pytest.mark.parametrize(
    ("messages", "fields", "generates", "continues"),
    [
        ([USER], {}, True, False),
        ([USER], {"add_generation_prompt": True}, True, False),
        ([USER], {"add_generation_prompt": False}, False, False),
        ([USER], {"continue_final_message": False}, True, False),
        ([USER, PREFILL], {}, False, True),
        ([USER, PREFILL], {"continue_final_message": True}, False, True),
        ([USER, PREFILL], {"add_generation_prompt": False}, False, True),
        ([USER, PREFILL], {"continue_final_message": False}, True, False),
        ([USER, PREFILL], {"add_generation_prompt": True}, True, False),
        (
            [USER, PREFILL],
            {"continue_final_message": False, "add_generation_prompt": False},
            False,
            False,
        ),
        ([USER, CALLED], {}, True, False),
        ([USER, EMPTY | {"reasoning_content": "Hm"}], {}, False, True),
        ([EMPTY], {}, False, True),
    ],
)
def test_the_end_of_a_prompt(
    messages: list[dict[str, Any]], fields: dict[str, Any], generates: bool, continues: bool
) -> None:
    request = read(*messages, **fields)
    assert (request.add_generation_prompt, request.continue_final_message) == (generates, continues)
    assert request.messages == messages


@pytest.mark.parametrize("content", ["", None, []])
def test_an_empty_last_answer_is_left_out(content: Any) -> None:
    assert read(USER, EMPTY | {"content": content}) == read(USER)


@pytest.mark.parametrize(
    ("messages", "fields"),
    [
        ([USER, PREFILL], {"continue_final_message": True, "add_generation_prompt": True}),
        ([USER], {"continue_final_message": True}),
        ([USER, CALLED], {"continue_final_message": True}),
    ],
)
def test_contradictions_are_refused(messages: list[dict[str, Any]], fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(*messages, **fields)
    assert caught.value.param == "continue_final_message"


ON = {"enable_thinking": True, "thinking": True}
OFF = {"enable_thinking": False, "thinking": False}


@pytest.mark.parametrize(
    ("fields", "variables"),
    [
        ({}, {}),
        ({"reasoning_effort": "low"}, {"reasoning_effort": "low"} | ON),
        ({"reasoning_effort": "none"}, {"reasoning_effort": "none"} | OFF),
        ({"reasoning": {"effort": "high"}}, {"reasoning_effort": "high"} | ON),
        ({"reasoning": {"effort": None, "summary": "auto"}}, {}),
        ({"reasoning": {"enabled": False}}, OFF),
        ({"reasoning": True}, ON),
        ({"enable_thinking": False}, OFF),
        ({"enable_thinking": False, "reasoning_effort": "low"}, {"reasoning_effort": "low"} | OFF),
        ({"think": True}, ON),
        ({"think": "medium"}, {"reasoning_effort": "medium"} | ON),
        ({"thinking": {"type": "disabled"}}, OFF),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, ON),
        ({"thinking": False}, OFF),
        ({"chat_template_kwargs": {"date": "today"}}, {"date": "today"}),
        (
            {"chat_template_kwargs": {"enable_thinking": True}, "think": False},
            {"enable_thinking": True, "thinking": False},
        ),
        ({"chat_template_kwargs": None, "reasoning_effort": None}, {}),
    ],
)
def test_template_variables(fields: dict[str, Any], variables: dict[str, Any]) -> None:
    assert read(USER, **fields).template_kwargs == variables


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"reasoning_effort": 5}, "reasoning_effort"),
        ({"reasoning_effort": "x" * 65}, "reasoning_effort"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"thinking": {"type": "sometimes"}}, "thinking.type"),
        ({"thinking": {"type": ["enabled"]}}, "thinking.type"),
        ({"enable_thinking": "yes"}, "enable_thinking"),
        ({"chat_template_kwargs": [1]}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"n": 2**64}}, "chat_template_kwargs"),
    ],
)
def test_mistakes_are_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(USER, **fields)
    assert caught.value.param == param
