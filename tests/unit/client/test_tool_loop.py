"""Test calling functions until a model answers, with scripted answers."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import httpx2
import pytest

from a3s_power_jupyter.client import Client, ToolReply, ToolResult
from a3s_power_jupyter.client.address import Server
from a3s_power_jupyter.client.connection import Connection
from a3s_power_jupyter.contract.errors import InvalidParameter
from support.hostile_text import HOSTILE


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def answer(text: str | None = None, *calls: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Return an answer in the format of OpenAI's API."""
    message = {"role": "assistant", "content": text, **more}
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": args}}
            for i, (name, args) in enumerate(calls)
        ]
    return {"message": message, "finish_reason": "tool_calls" if calls else "stop"}


def client_of(*answers: dict[str, Any]) -> tuple[Client, list[dict[str, Any]]]:
    """Return a client of a server with these answers, and the bodies of its requests."""
    bodies: list[dict[str, Any]] = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        bodies.append(json.loads(request.content))
        choice = answers[min(len(bodies), len(answers)) - 1]
        return httpx2.Response(200, json={"choices": [choice]})

    connection = Connection(Server(url="http://test.invalid/", key=None, found="the test"))
    connection._http = httpx2.Client(
        base_url="http://test.invalid/v1/", transport=httpx2.MockTransport(reply)
    )
    return Client(connection), bodies


def test_functions_are_called_until_the_model_answers() -> None:
    client, bodies = client_of(
        answer(None, ("add", '{"a": 1, "b": 2}'), ("add", '{"a": 3, "b": 4}')),
        answer("Once more.", ("add", '{"a": 3, "b": 7}'), reasoning_content="Hm."),
        answer("It is 10."),
    )
    seen: list[ToolResult] = []
    reply = client.run_tools(
        "m", "1 + 2 + 3 + 4?", [add], system="Use tools.", on_result=seen.append, temperature=0
    )
    assert reply == "It is 10."
    assert isinstance(reply, ToolReply)
    assert [result.text for result in reply.results] == ["3", "7", "10"]
    assert list(reply.results) == seen
    assert [len(round_.results) for round_ in reply.rounds] == [2, 1]
    roles = [message["role"] for message in reply.messages]
    assert roles == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    first, _, last = bodies
    assert [tool["function"]["name"] for tool in first["tools"]] == ["add"]
    assert first["temperature"] == 0
    assert "tool_choice" not in first
    assert last["messages"] == reply.messages[:-1]
    called, one, two, again = last["messages"][2:6]
    assert called["content"] == ""
    assert [call["id"] for call in called["tool_calls"]] == ["call_0", "call_1"]
    assert one == {"role": "tool", "tool_call_id": "call_0", "content": "3"}
    assert two["tool_call_id"] == "call_1"
    assert again["reasoning_content"] == "Hm."
    assert again["content"] == "Once more."


def test_a_conversation_is_not_changed_and_can_be_continued() -> None:
    client, bodies = client_of(answer(None, ("add", '{"a": 1, "b": 2}')), answer("3"), answer("4"))
    messages = [{"role": "user", "content": "1 + 2?"}]
    reply = client.run_tools("m", messages, [add])
    assert len(messages) == 1
    again = client.run_tools("m", [*reply.messages, {"role": "user", "content": "+ 1?"}], [add])
    assert again == "4"
    assert [message["role"] for message in bodies[-1]["messages"]] == [
        "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip


def test_errors_are_results_and_the_model_can_try_again() -> None:
    client, bodies = client_of(
        answer(None, ("ad", "{}"), ("add", '{"a": "x", "b": 1}'), ("add", '{"a": 1')),
        answer("Sorry."),
    )
    reply = client.run_tools("m", "?", [add])
    assert all(result.failed for result in reply.results)
    sent = [message["content"] for message in bodies[-1]["messages"] if message["role"] == "tool"]
    assert sent[0].startswith("There is no tool 'ad'.")
    assert sent[1].startswith("Invalid arguments: a: ")
    assert sent[2].startswith("Invalid arguments: Invalid JSON")


def test_rounds_are_limited_with_a_clear_error() -> None:
    client, bodies = client_of(answer(None, ("add", '{"a": 1, "b": 2}')))
    with pytest.raises(InvalidParameter, match=r"after 2 rounds, the last time add\(a=1, b=2\)"):
        client.run_tools("m", "?", [add], max_rounds=2)
    assert len(bodies) == 3
    with pytest.raises(InvalidParameter, match="max_rounds") as raised:
        client.run_tools("m", "?", [add], max_rounds=0)
    assert raised.value.param == "max_rounds"
    assert len(bodies) == 3


@pytest.mark.parametrize("choice", ["required", "add", add])
def test_a_forced_call_is_forced_once(choice: Any) -> None:
    client, bodies = client_of(answer(None, ("add", '{"a": 1, "b": 2}')), answer("3"))
    client.run_tools("m", "?", [add], tool_choice=choice)
    first, second = bodies
    named = {"type": "function", "function": {"name": "add"}}
    assert first["tool_choice"] == ("required" if choice == "required" else named)
    assert "tool_choice" not in second


def test_no_call_is_made_after_an_interrupt() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    client, bodies = client_of(answer(None, ("stop", "{}"), ("stop", "{}")), answer("late"))
    with pytest.raises(KeyboardInterrupt):
        client.run_tools("m", "?", [stop])
    assert len(bodies) == 1


def test_a_schema_constrains_the_answer() -> None:
    client, bodies = client_of(answer(None, ("add", '{"a": 1, "b": 2}')), answer("[3]"))
    reply = client.run_tools("m", "?", [add], schema=list[int])
    assert reply.parsed == [3]
    assert bodies[0]["response_format"]["json_schema"]["schema"]["items"] == {"type": "integer"}


def test_all_calls_and_thoughts_are_shown_and_harmless() -> None:
    def leak(text: str) -> str:
        return text

    arguments = json.dumps({"text": HOSTILE})
    client, _ = client_of(
        answer(HOSTILE, ("leak", arguments), (HOSTILE, arguments), reasoning_content=HOSTILE),
        answer("The end.", reasoning_content=HOSTILE),
    )
    reply = client.run_tools("m", "?", [leak])
    shown = reply._repr_html_()
    for tag in ("<script", "<img", "<svg", "<iframe", "<style", 'href="javascript', "\n\n"):
        assert tag not in shown
    assert shown.count("<details>") == 4
    assert shown.index("Thoughts") < shown.index("leak(text=") < shown.index("The end.")
    assert " open" not in shown


def pickled(value: object) -> object:
    return pickle.loads(pickle.dumps(value))  # noqa: S301


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_an_answer_can_be_copied(copied: Any) -> None:
    client, _ = client_of(answer(None, ("add", '{"a": 1, "b": 2}')), answer("3"))
    reply = copied(client.run_tools("m", "?", [add]))
    assert reply == "3"
    assert reply.results[0].text == "3"
    assert reply.messages[-1] == {"role": "assistant", "content": "3"}
