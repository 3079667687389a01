"""Test thoughts and calls in answers, and answers that match a schema."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from a3s_power_jupyter.client import ChatStream, Piece, Reply, ToolCall
from a3s_power_jupyter.client.chat import chat_request
from a3s_power_jupyter.client.connection import EventStream
from a3s_power_jupyter.contract.errors import InvalidParameter, PowerError, UpstreamError


def reply_of(schema: Any = None, reason: str = "stop", **message: Any) -> Reply:
    choice = {"message": {"content": None, **message}, "finish_reason": reason}
    return Reply.from_wire({"choices": [choice]}, "m", schema)


def stream_of(*deltas: dict[str, Any], reason: str = "stop") -> ChatStream:
    events: list[Any] = [{"choices": [{"delta": delta}]} for delta in deltas]
    events.append({"choices": [{"delta": {}, "finish_reason": reason}]})
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    response = httpx2.Response(200, content=iter([*lines, b"data: [DONE]\n\n"]))
    return ChatStream(EventStream(response), "m", started=0.0)


def part(index: int | None = 0, id_: str | None = None, **function: Any) -> dict[str, Any]:
    call = {"index": index, "id": id_, "function": function}
    return {"tool_calls": [{key: value for key, value in call.items() if value is not None}]}


CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": "é"}'}}


def test_a_reply_has_calls_and_thoughts() -> None:
    reply = reply_of(tool_calls=[CALL], reasoning_content="Hm.", reason="tool_calls")
    assert reply == ""
    (call,) = reply.tool_calls
    assert call == ToolCall("1", "f", '{"a": "é"}')
    assert call.arguments == {"a": "é"}
    assert reply.reasoning == "Hm."
    assert repr(reply) == "Reply('', reasoning='Hm.', tool_calls=[f(a=\"é\")])"
    assert reply.message == {
        "role": "assistant", "content": "", "reasoning_content": "Hm.", "tool_calls": [CALL],
    }  # fmt: skip


def test_a_reply_without_them_is_like_a_string() -> None:
    reply = reply_of(content="text", tool_calls=None)
    assert repr(reply) == "'text'"
    assert (reply.tool_calls, reply.reasoning) == ((), "")
    assert reply.message == {"role": "assistant", "content": "text"}


@pytest.mark.parametrize(
    ("message", "thoughts"),
    [
        ({"reasoning": "Hm."}, "Hm."),
        ({"reasoning_content": "", "reasoning": "Hm."}, "Hm."),
        ({"reasoning_content": ["of another kind"], "reasoning": 3}, ""),
    ],
)
def test_other_names_of_thoughts(message: dict[str, Any], thoughts: str) -> None:
    assert reply_of(content="a", **message).reasoning == thoughts


@pytest.mark.parametrize(
    ("arguments", "values"), [(None, {}), ("", {}), ({"a": 1}, {"a": 1}), ('{"a": 1}', {"a": 1})]
)
def test_arguments_of_other_servers(arguments: Any, values: dict[str, Any]) -> None:
    call = {"function": {"name": "f", "arguments": arguments}}
    (found,) = reply_of(tool_calls=[call]).tool_calls
    assert found.arguments == values
    assert found.id.startswith("call_")


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "7", "[" * 100_000])
def test_arguments_that_are_no_object_are_an_error(arguments: str) -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": arguments}}
    reply = reply_of(tool_calls=[call])
    with pytest.raises(UpstreamError, match="the arguments of f are not"):
        _ = reply.tool_calls[0].arguments
    assert "f(" in repr(reply)
    assert "<code>f(" in reply._repr_html_()


@pytest.mark.parametrize("calls", ["x", 7, ["x"], [{"function": "f"}], [{"id": 7}], {}])
def test_calls_of_another_form_are_an_upstream_error(calls: Any) -> None:
    with pytest.raises(UpstreamError):
        reply_of(tool_calls=calls)
    with pytest.raises(UpstreamError):
        list(stream_of({"tool_calls": calls}))


def test_a_stream_has_pieces_of_thoughts_text_and_calls() -> None:
    deltas = (
        {"reasoning_content": "Hm"},
        {"reasoning": "."},
        {"content": "I look."},
        part(0, "1", name="f", arguments=""),
        part(0, arguments='{"a": '),
        part(1, "2", name="g", arguments="{}"),
        part(0, arguments="1}"),
    )
    stream = stream_of(*deltas, reason="tool_calls")
    assert [*stream.pieces()] == [
        Piece("reasoning", "Hm"),
        Piece("reasoning", "."),
        Piece("text", "I look."),
        Piece("call", ""),
        Piece("call", '{"a": '),
        Piece("call", "{}"),
        Piece("call", "1}"),
    ]
    reply = stream.reply
    assert reply == "I look."
    assert reply.reasoning == "Hm."
    assert reply.reasoning_seconds is not None
    assert reply.tool_calls == (ToolCall("1", "f", '{"a": 1}'), ToolCall("2", "g", "{}"))
    assert [*stream_of(*deltas)] == ["I look."]


def test_parts_without_an_index() -> None:
    stream = stream_of(
        part(None, "1", name="f", arguments='{"a"'),
        part(None, arguments=": 1}"),
        part(None, "2", name="g", arguments={"b": 2}),
    )
    assert [*stream] == []
    assert [str(call) for call in stream.reply.tool_calls] == ["f(a=1)", "g(b=2)"]


class Person(BaseModel):
    name: str
    age: int


def test_a_type_gives_the_schema_and_the_answer_is_parsed() -> None:
    body = chat_request("m", "?", None, None, Person, {})
    form = body["response_format"]["json_schema"]
    assert form["name"] == "Person"
    assert form["schema"]["required"] == ["name", "age"]
    text = '{"name": "Ada", "age": 36}'
    assert reply_of(Person, content=text).parsed == Person(name="Ada", age=36)
    assert reply_of(form["schema"], content=text).parsed == {"name": "Ada", "age": 36}
    assert reply_of(content=text).parsed == {"name": "Ada", "age": 36}
    assert chat_request("m", "?", None, None, list[Person], {})["response_format"]


@pytest.mark.parametrize(
    ("text", "reason", "error", "message"),
    [
        ('{"name": "A', "length", InvalidParameter, "Raise max_tokens"),
        ('{"name": "A', "interrupted", InvalidParameter, "not complete"),
        ('{"name": "A"}', "stop", UpstreamError, "age: Field required"),
        ("Ada is 36.", "stop", UpstreamError, "does not match the schema"),
        ("[" * 100_000, "stop", UpstreamError, "does not match|too deeply"),
    ],
)
@pytest.mark.parametrize("schema", [Person, None])
def test_an_answer_that_does_not_match_is_an_error(
    text: str, reason: str, error: type[PowerError], message: str, schema: Any
) -> None:
    reply = reply_of(schema, content=text, reason=reason)
    if schema is None and text.endswith("}"):
        assert reply.parsed == {"name": "A"}
        return
    with pytest.raises(error, match=message):
        _ = reply.parsed


def test_a_type_without_a_schema_is_an_error() -> None:
    with pytest.raises(InvalidParameter, match="schema=ChatStream cannot be described"):
        chat_request("m", "?", None, None, ChatStream, {})
