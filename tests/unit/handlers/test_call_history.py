"""Calls of functions in the messages of a chat, and the order of their results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from a3s_power_jupyter.contract.types import ChatRequest
from a3s_power_jupyter.handlers.anthropic.requests import read_message_call
from a3s_power_jupyter.handlers.chat.history import with_results
from a3s_power_jupyter.handlers.ollama.chat import read_chat as read_ollama
from a3s_power_jupyter.handlers.openai.requests import read_chat

Json = dict[str, Any]

USER = {"role": "user", "content": "Hi"}


def calls(*ids: str) -> Json:
    function = {"name": "f", "arguments": "{}"}
    made = [{"id": id_, "type": "function", "function": function} for id_ in ids]
    return {"role": "assistant", "content": "", "tool_calls": made}


def result(id_: str, content: Any = None) -> Json:
    return {"role": "tool", "tool_call_id": id_, "content": content or id_}


def order(*messages: Json) -> list[str]:
    found = with_results([USER, *messages])
    return [message["tool_call_id"] for message in found if message["role"] == "tool"]


def of_chat(messages: list[Json]) -> ChatRequest:
    call = read_chat({"model": "m", "messages": messages})
    assert isinstance(call.requests[0], ChatRequest)
    return call.requests[0]


def of_ollama(messages: list[Json]) -> ChatRequest:
    called = [{"id": c["id"], "function": {"name": "f", "arguments": {}}} for c in CALLED]
    given = [{**m, "tool_calls": called} if "tool_calls" in m else m for m in messages]
    request = read_ollama({"model": "m", "messages": given}).requests[0]
    assert isinstance(request, ChatRequest)
    return request


def of_anthropic(messages: list[Json]) -> ChatRequest:
    uses = [{"type": "tool_use", "id": c["id"], "name": "f", "input": {}} for c in CALLED]
    results = [
        {"type": "tool_result", "tool_use_id": m["tool_call_id"], "content": m["content"]}
        for m in messages[2:]
    ]
    turns = [USER, {"role": "assistant", "content": uses}, {"role": "user", "content": results}]
    return read_message_call({"model": "m", "messages": turns}).request


CALLED: list[Json] = calls("a", "b")["tool_calls"]


@pytest.mark.parametrize("read", [of_chat, of_ollama, of_anthropic])
def test_results_have_the_order_of_their_calls(
    read: Callable[[list[Json]], ChatRequest],
) -> None:
    request = read([USER, calls("a", "b"), result("b"), result("a")])
    assert [message["content"] for message in request.messages[2:]] == ["a", "b"]


def test_results_are_ordered_within_their_turn_only() -> None:
    later = [calls("c", "d"), result("d"), result("c")]
    assert order(calls("a", "b"), result("b"), result("a"), *later) == ["a", "b", "c", "d"]


def test_results_of_unknown_calls_come_last() -> None:
    assert order(calls("a", "b"), result("x"), result("b"), result("a")) == ["a", "b", "x"]
    assert order(result("x"), result("b")) == ["x", "b"]


def test_several_results_of_one_call_keep_their_order() -> None:
    messages = [calls("a", "a"), result("a", "1"), result("a", "2")]
    assert [m["content"] for m in with_results(messages)[1:]] == ["1", "2"]


IMAGE = {"type": "image"}
TEXT = {"type": "text", "text": "Look"}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([], [{"role": "user", "content": [IMAGE, IMAGE]}]),
        ([USER], [{"role": "user", "content": [IMAGE, IMAGE, {"type": "text", "text": "Hi"}]}]),
        (
            [{"role": "user", "content": [TEXT, IMAGE]}],
            [{"role": "user", "content": [IMAGE, IMAGE, TEXT, IMAGE]}],
        ),
        ([{"role": "user", "content": ""}], [{"role": "user", "content": [IMAGE, IMAGE]}]),
        ([calls("c")], [{"role": "user", "content": [IMAGE, IMAGE]}, calls("c")]),
    ],
)
def test_images_of_results_move_to_the_message_of_the_user(
    after: list[Json], expected: list[Json]
) -> None:
    messages = [calls("a", "b"), result("b", [IMAGE]), result("a", [TEXT, IMAGE]), *after]
    found = with_results(messages)
    assert found[1:3] == [result("a", "Look"), {**result("b"), "content": ""}]
    assert found[3:] == expected


def test_messages_without_results_stay_as_they_are() -> None:
    messages = [USER, {"role": "user", "content": [IMAGE]}, calls("a"), result("a")]
    assert with_results(messages) == messages
