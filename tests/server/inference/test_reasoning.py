"""Thoughts of a real model, read by the ``openai`` package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from support.servers import Server

#: Begins each answer with thoughts, unless they are turned off.
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.reasoning_content %}<think>\n{{ message.reasoning_content }}\n</think>\n\n"
    "{% endif %}{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n"
    "{% if enable_thinking is defined and not enable_thinking %}\n</think>\n\n{% endif %}"
    "{% endif %}"
)


def added(a: int, b: int) -> list[Any]:
    """Return a question and an answer with thoughts, which the model imitates."""
    return [
        {"role": "user", "content": f"What is {a} + {b}?"},
        {
            "role": "assistant",
            "reasoning_content": f"I add {a} and {b}.",
            "content": str(a + b),
        },
    ]


QUESTIONS = [*added(1, 1), *added(2, 1), *added(3, 1), *added(2, 2), *added(3, 2)[:1]]
THOUGHTS = "I add 3 and 2."
NUMBER = {"type": "integer", "minimum": 0, "maximum": 99}
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": NUMBER, "b": NUMBER},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    http = openai.DefaultHttpxClient(trust_env=False)
    with OpenAI(
        base_url=f"{server.url}v1", api_key=server.token, max_retries=0, http_client=http
    ) as made:
        yield made


@pytest.fixture(scope="module")
def fields(server: Server, smollm2_path: Path) -> Iterator[dict[str, Any]]:
    """A request to a model that thinks."""
    parameters = {"chat_template": TEMPLATE, "num_ctx": 2048, "num_parallel": 2}
    body = {"name": "thinker", "path": str(smollm2_path), "default_parameters": parameters}
    with server.api() as api:
        made = api.post("v1/models", json=body)
        assert made.status_code == 201
        assert "reasoning" in made.json()["capabilities"]
        yield {"model": "thinker", "messages": QUESTIONS, "temperature": 0, "max_tokens": 90}
        api.delete("v1/models/thinker?force=true")


def test_thoughts_are_not_content(client: OpenAI, fields: dict[str, Any]) -> None:
    reply = client.chat.completions.create(**fields)
    message = reply.choices[0].message.to_dict()
    assert message["reasoning_content"] == message["reasoning"] == THOUGHTS
    assert message["content"] == "5"
    assert reply.usage is not None
    assert reply.usage.completion_tokens_details is not None
    thoughts = reply.usage.completion_tokens_details.reasoning_tokens or 0
    assert 8 < thoughts < reply.usage.completion_tokens


def test_a_stream_has_the_thoughts_first(client: OpenAI, fields: dict[str, Any]) -> None:
    chunks = client.chat.completions.create(**fields, stream=True)
    deltas = [chunk.choices[0].delta.to_dict() for chunk in chunks]
    kinds = ["content" if delta.get("content") else "thoughts" for delta in deltas[1:-1]]
    assert kinds == sorted(kinds, reverse=True)
    assert "".join(str(delta.get("reasoning_content", "")) for delta in deltas) == THOUGHTS
    assert "".join(str(delta.get("reasoning", "")) for delta in deltas) == THOUGHTS
    assert "".join(str(delta.get("content") or "") for delta in deltas) == "5"


def test_an_answer_that_ends_within_the_thoughts(client: OpenAI, fields: dict[str, Any]) -> None:
    reply = client.chat.completions.create(**fields | {"max_tokens": 4})
    [choice] = reply.choices
    assert choice.finish_reason == "length"
    assert not choice.message.content
    assert THOUGHTS.startswith(str(choice.message.to_dict()["reasoning_content"]))


def test_a_format_is_that_of_the_content(client: OpenAI, fields: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"sum": NUMBER}, "required": ["sum"]}
    format_: Any = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    [choice] = client.chat.completions.create(**fields, response_format=format_).choices
    assert choice.message.to_dict()["reasoning_content"] == THOUGHTS
    assert choice.finish_reason == "stop"
    assert isinstance(json.loads(choice.message.content or "")["sum"], int)


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_thinks_before_a_call(client: OpenAI, fields: dict[str, Any], stream: bool) -> None:
    asked = {**fields, "tools": [ADD], "tool_choice": "required", "parallel_tool_calls": False}
    if stream:
        with client.chat.completions.stream(**asked) as events:
            completion: Any = events.get_final_completion()
    else:
        completion = client.chat.completions.create(**asked)
    [choice] = completion.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.to_dict()["reasoning_content"] == THOUGHTS
    [call] = choice.message.tool_calls
    assert set(json.loads(call.function.arguments)) == {"a", "b"}


@pytest.mark.parametrize(
    "off",
    [
        {"reasoning_effort": "none"},
        {"extra_body": {"enable_thinking": False}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
    ],
)
def test_thoughts_are_turned_off(
    client: OpenAI, fields: dict[str, Any], off: dict[str, Any]
) -> None:
    message = client.chat.completions.create(**fields, **off).choices[0].message
    assert message.content
    assert "reasoning_content" not in message.to_dict()


def test_thoughts_in_messages_of_anthropic(server: Server, fields: dict[str, Any]) -> None:
    messages = [
        {"role": message["role"], "content": _blocks(message)} for message in fields["messages"]
    ]
    with server.api() as api:
        asked = fields | {"messages": messages}
        whole = api.post("v1/messages", json=asked).json()
        hidden = asked | {"thinking": {"type": "adaptive", "display": "omitted"}}
        off = asked | {"thinking": {"type": "disabled"}}
        answers = [whole, *(api.post("v1/messages", json=body).json() for body in (hidden, off))]
    thoughts, text = whole["content"]
    assert (thoughts["type"], thoughts["thinking"]) == ("thinking", THOUGHTS)
    assert text == {"type": "text", "text": "5"}
    assert whole["usage"]["output_tokens_details"]["thinking_tokens"] > 3
    kinds = [[block["type"] for block in answer["content"]] for answer in answers]
    assert kinds == [["thinking", "text"], ["thinking", "text"], ["text"]]
    assert answers[1]["content"][0]["thinking"] == ""


def _blocks(message: dict[str, Any]) -> list[dict[str, str]]:
    """Return the content of a message in Anthropic's API."""
    thoughts = message.get("reasoning_content")
    thinking = {"type": "thinking", "thinking": thoughts, "signature": "unsigned"}
    text = {"type": "text", "text": message["content"]}
    return [thinking, text] if thoughts else [text]
