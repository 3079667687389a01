"""Requests of dialects as those of an OpenAI-compatible API."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import UnsupportedRequestFields
from a3s_power_jupyter.contract.parameters import NO_LIMIT
from a3s_power_jupyter.contract.types import (
    ChatRequest,
    CompletionRequest,
    Constraint,
    EmbeddingRequest,
    Sampling,
    ToolChoice,
)
from a3s_power_jupyter.remote.requests import written

USER = {"role": "user", "content": "Hi"}
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def chat(messages: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    route, body = written(ChatRequest(messages or [USER], **fields))
    assert route == "chat/completions"
    assert {**body, **STREAMED} == body
    return {name: value for name, value in body.items() if name not in STREAMED}


def sampled(**sampling: Any) -> dict[str, Any]:
    body = chat(sampling=Sampling(**sampling))
    del body["messages"]
    return body


def test_a_plain_chat_has_messages_only() -> None:
    assert chat() == {"messages": [USER]}


def test_messages_keep_calls_results_and_thoughts() -> None:
    called = {"role": "assistant", "content": "", "tool_calls": [CALL], "reasoning_content": "Hm."}
    result = {"role": "tool", "tool_call_id": "a", "name": "weather", "content": "rain"}
    messages = chat([USER, called, result])["messages"]
    assert messages == [USER, called, result]
    del called["content"]
    assert chat([USER, called])["messages"][1] == {**called, "content": ""}


def test_images_are_sent_in_their_places() -> None:
    images = [b"\x89PNG\r\n\x1a\n1", b"\xff\xd8\xff2", b"RIFF0000WEBP3"]
    text = {"type": "text", "text": "and"}
    first = {"role": "user", "content": [{"type": "image"}, text, {"type": "image"}]}
    second = {"role": "user", "content": [{"type": "image"}]}
    sent = chat([first, second], images=images)["messages"]
    urls = [
        part["image_url"]["url"] if part["type"] == "image_url" else part["text"]
        for message in sent
        for part in message["content"]
    ]
    encoded = [base64.b64encode(image).decode() for image in images]
    assert urls == [
        f"data:image/png;base64,{encoded[0]}",
        "and",
        f"data:image/jpeg;base64,{encoded[1]}",
        f"data:image/webp;base64,{encoded[2]}",
    ]


def test_tools_and_the_choice_among_them() -> None:
    assert chat(tools=[TOOL])["tools"] == [TOOL]
    assert "tool_choice" not in chat(tools=[TOOL])
    required = chat(tools=[TOOL], tool_choice=ToolChoice("required"), parallel_tool_calls=False)
    assert required["tool_choice"] == "required"
    assert required["parallel_tool_calls"] is False
    named = chat(tools=[TOOL], tool_choice=ToolChoice("required", "weather"))
    assert named["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert "tool_choice" not in chat(tool_choice=ToolChoice("required"))


def test_sampling_fields_have_the_same_names() -> None:
    given = {"temperature": 0.0, "top_k": 3, "min_p": 0.1, "repeat_penalty": 1.1, "max_tokens": 5}
    given |= {"min_tokens": 2, "ignore_eos": True}
    assert sampled(**given) == given
    more = sampled(stop=("a",), stop_token_ids=(7,), logit_bias={5: -1.0}, logprobs=2)
    assert more == {
        "stop": ("a",),
        "stop_token_ids": (7,),
        "logit_bias": {"5": -1.0},
        "logprobs": True,
        "top_logprobs": 2,
    }
    assert sampled(logprobs=0) == {"logprobs": True, "top_logprobs": 1}


def test_choices_have_different_seeds() -> None:
    assert sampled(seed=5, choice=2) == {"seed": 7}
    assert sampled(seed=-1, choice=2) == {"seed": -1}  # random: `outgoing` removes it
    assert sampled(choice=2) == {}


def test_no_limit_is_not_a_number() -> None:
    assert sampled(max_tokens=NO_LIMIT) == {"max_tokens": None}


def test_schemas_become_response_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    found = sampled(constraint=Constraint("json_schema", schema))["response_format"]
    assert found == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }
    anything = Constraint("json_schema", {"type": "object"})
    assert sampled(constraint=anything) == {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize("kind", ["regex", "choice", "lark", "gbnf"])
def test_other_constraints_are_refused(kind: Any) -> None:
    with pytest.raises(UnsupportedRequestFields) as caught:
        sampled(constraint=Constraint(kind, "x", "text.format"))
    assert caught.value.param == "text.format"


THINKS = {"enable_thinking": True, "thinking": True}
DOES_NOT = {"enable_thinking": False, "thinking": False}


@pytest.mark.parametrize(
    ("variables", "fields"),
    [
        ({}, {}),
        ({"reasoning_effort": "low"} | THINKS, {"reasoning_effort": "low"}),
        (
            {"reasoning_effort": "low", "other": 1} | THINKS,
            {"reasoning_effort": "low", "chat_template_kwargs": {"other": 1}},
        ),
        (
            {"reasoning_effort": "none"} | DOES_NOT,
            {"reasoning_effort": "none", "chat_template_kwargs": DOES_NOT},
        ),
        (
            {"reasoning_effort": "low"} | DOES_NOT,
            {"reasoning_effort": "low", "chat_template_kwargs": DOES_NOT},
        ),
        (THINKS, {"chat_template_kwargs": THINKS}),
    ],
)
def test_reasoning_is_asked_for_in_the_words_of_upstreams(
    variables: dict[str, Any], fields: dict[str, Any]
) -> None:
    body = chat(template_kwargs=variables)
    names = ("reasoning_effort", "chat_template_kwargs")
    assert {name: body[name] for name in names if name in body} == fields


def test_the_end_of_the_prompt() -> None:
    continued = chat(add_generation_prompt=False, continue_final_message=True)
    assert continued["continue_final_message"] is True
    assert continued["add_generation_prompt"] is False
    assert chat(add_generation_prompt=False)["add_generation_prompt"] is False


def test_completions() -> None:
    route, body = written(CompletionRequest("a", Sampling(top_p=0.5), echo=True, suffix="b"))
    assert route == "completions"
    assert body == {"prompt": "a", "top_p": 0.5, "echo": True, "suffix": "b", **STREAMED}
    assert written(CompletionRequest([1, 2]))[1]["prompt"] == [1, 2]


@pytest.mark.parametrize(
    "sampling",
    [Sampling(logprobs=1), Sampling(constraint=Constraint("json_schema", {}, "format"))],
)
def test_completions_without_an_equivalent_are_refused(sampling: Sampling) -> None:
    with pytest.raises(UnsupportedRequestFields):
        written(CompletionRequest("a", sampling))


def test_embeddings() -> None:
    expected = ("embeddings", {"input": ["a", [1]], "encoding_format": "float"})
    assert written(EmbeddingRequest(["a", [1]])) == expected
    assert written(EmbeddingRequest(["a", [1]], truncate="end")) == expected
    for request in (
        EmbeddingRequest(["a"], truncate="start"),
        EmbeddingRequest(["a"], prompt_name="query"),
    ):
        with pytest.raises(UnsupportedRequestFields):
            written(request)
