"""Test reading OpenAI's requests and refusing invalid ones."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import (
    InvalidKeepAlive,
    InvalidParameter,
    PowerError,
    UnsupportedRequestFields,
)
from a3s_power_jupyter.contract.types import ChatRequest, CompletionRequest, Constraint
from a3s_power_jupyter.handlers.openai.requests import read_chat, read_completion, read_embedding

HELLO = [{"role": "user", "content": "Hello"}]


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": HELLO} | fields


def test_a_minimal_chat_sets_nothing() -> None:
    call = read_chat(chat())
    assert call.requests == [ChatRequest(HELLO)]
    assert (call.n, call.stream, call.include_usage, call.keep_alive) == (1, False, False, None)


def test_every_sampling_field_is_read() -> None:
    given = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "repeat_penalty": 1.1,
        "presence_penalty": -1,
        "frequency_penalty": 1.5,
        "max_tokens": 7,
        "seed": 42,
    }
    sampling = read_chat(chat(**given)).requests[0].sampling
    assert {name: getattr(sampling, name) for name in given} == given


def test_null_means_unset() -> None:
    nothing = dict.fromkeys(("temperature", "stop", "tools", "response_format", "user", "n"))
    assert read_chat(chat(**nothing)) == read_chat(chat())


@pytest.mark.parametrize(("given", "read"), [("END", ("END",)), (["a", "b"], ("a", "b"))])
def test_stop(given: Any, read: Any) -> None:
    assert read_chat(chat(stop=given)).requests[0].sampling.stop == read


def test_max_completion_tokens_takes_precedence() -> None:
    call = read_chat(chat(max_tokens=1, max_completion_tokens=2))
    assert call.requests[0].sampling.max_tokens == 2


def test_logit_bias_keys_become_token_ids() -> None:
    assert read_chat(chat(logit_bias={"50": -100})).requests[0].sampling.logit_bias == {50: -100}


@pytest.mark.parametrize(
    ("given", "count"),
    [({}, UNSET), ({"logprobs": True}, 0), ({"logprobs": True, "top_logprobs": 3}, 3)],
)
def test_logprobs_of_chat(given: dict[str, Any], count: Any) -> None:
    assert read_chat(chat(**given)).requests[0].sampling.logprobs == count


@pytest.mark.parametrize("stream", [True, False])
def test_progress_and_timings_are_options_of_a_stream(stream: bool) -> None:
    given = {"stream": stream, "return_progress": True, "timings_per_token": True}
    for call in (read_chat(chat(**given)), read_completion({"model": "m", "prompt": "a", **given})):
        sampling = call.requests[0].sampling
        assert (sampling.return_progress, sampling.timings_per_token) == (stream, stream)


def test_choices_of_a_prompt_are_numbered() -> None:
    call = read_completion({"model": "m", "prompt": ["a", "b"], "n": 2})
    assert [request.sampling.choice for request in call.requests] == [0, 1, 0, 1]


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("given", "schema"),
    [
        ({"type": "text"}, UNSET),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_object", "schema": SCHEMA}, SCHEMA),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}, SCHEMA),
        ({"type": "json_schema", "json_schema": SCHEMA}, SCHEMA),
        ({"type": "json_schema", "schema": SCHEMA}, SCHEMA),
    ],
)
def test_response_format(given: Any, schema: Any) -> None:
    expected = UNSET if schema is UNSET else Constraint("json_schema", schema)
    assert read_chat(chat(response_format=given)).requests[0].sampling.constraint == expected


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"type": "yaml"},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": "text"},
        {"type": "json_schema", "json_schema": {"schema": 1}},
    ],
)
def test_invalid_response_format(given: Any) -> None:
    with pytest.raises(InvalidParameter, match="json_schema") as caught:
        read_chat(chat(response_format=given))
    assert caught.value.param == "response_format"


def test_messages_become_strings() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": parts, "name": "ada"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "Well?"},
    ]
    assert read_chat(chat(messages=messages)).requests[0] == ChatRequest(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one\ntwo", "name": "ada"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "Well?"},
        ]
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": ["Hello"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x", "name": 1}]}, "messages[0].name"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": 1}, "stop"),
        ({"logit_bias": {"the": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias[...]"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"seed": 2**63}, "seed"),
    ],
)
def test_invalid_fields_are_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read_chat(chat(**fields))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"audio": {"voice": "x"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "audio"),
        ({"modalities": 5}, "audio"),
        ({"temprature": 1}, "temprature"),
    ],
)
def test_unsupported_fields_are_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedRequestFields) as caught:
        read_chat(chat(**fields))
    assert caught.value.param == param


def test_a_misspelled_field_gets_a_suggestion() -> None:
    with pytest.raises(UnsupportedRequestFields, match="Did you mean 'temperature'"):
        read_chat(chat(temprature=1))


def test_text_is_the_only_modality() -> None:
    assert read_chat(chat(modalities=["text"])) == read_chat(chat())


@pytest.mark.parametrize(
    ("given", "seconds"), [("5m", 300), (0, 0), (-1, math.inf), ("1h30m", 5400), (None, None)]
)
def test_keep_alive(given: Any, seconds: Any) -> None:
    assert read_chat(chat(keep_alive=given)).keep_alive == seconds
    assert read_embedding({"model": "m", "input": "x", "keep_alive": given}).keep_alive == seconds


def test_invalid_keep_alive() -> None:
    with pytest.raises(InvalidKeepAlive):
        read_chat(chat(keep_alive="soon"))


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("a", ["a"]),
        ("", [""]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_prompts(given: Any, read: Any) -> None:
    call = read_completion({"model": "m", "prompt": given, "n": 2, "echo": True, "logprobs": 0})
    expected = [prompt for prompt in read for _ in range(2)]
    assert [request.prompt for request in call.requests] == expected  # type: ignore[union-attr]
    first = call.requests[0]
    assert isinstance(first, CompletionRequest)
    assert (first.echo, first.sampling.logprobs) == (True, 0)


@pytest.mark.parametrize("prompt", [[], [[]], [1, "a"], [-1], [True], {"a": 1}, 5, [[1], [2.5]]])
def test_invalid_prompts(prompt: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read_completion({"model": "m", "prompt": prompt})
    assert caught.value.param == "prompt"


def test_too_many_choices() -> None:
    with pytest.raises(InvalidParameter, match="choices"):
        read_completion({"model": "m", "prompt": ["x"] * 100, "n": 100})


def test_embedding() -> None:
    call = read_embedding(
        {"model": "m", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 8}
    )
    assert call.request.inputs == ["a", "b"]
    assert (call.base64, call.dimensions) == (True, 8)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": []}, "input"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"inputs": "a"}, "inputs"),
    ],
)
def test_invalid_embeddings(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(PowerError) as caught:
        read_embedding({"model": "m", "input": "a"} | fields)
    assert (caught.value.status, caught.value.param) == (400, param)
