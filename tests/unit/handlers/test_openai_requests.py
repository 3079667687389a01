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
from a3s_power_jupyter.contract.types import ChatRequest, CompletionRequest
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
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"stop": [None]}, "stop[0]"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": "256"}, "max_tokens"),
        ({"top_k": -2}, "top_k"),
        ({"n": "1"}, "n"),
        ({"stop": 1}, "stop"),
        ({"logit_bias": {"the": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias[...]"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"seed": 2**63}, "seed"),
        ({"seed": 1e300}, "seed"),
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
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"modalities": 5}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"structural_tag": {"a": 1}}, "structural_tag"),
        ({"system": "Be brief."}, "system"),
        ({"documents": [{"text": "x"}]}, "documents"),
        ({"use_beam_search": True}, "use_beam_search"),
    ],
)
def test_unsupported_fields_are_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedRequestFields) as caught:
        read_chat(chat(**fields))
    assert caught.value.param == param


def test_refused_fields_may_request_nothing() -> None:
    nothing = {"audio": None, "modalities": ["text"], "format": "", "system": "", "lora": []}
    assert read_chat(chat(use_beam_search=False, documents=[], **nothing)) == read_chat(chat())


def test_best_of() -> None:
    body = {"model": "m", "prompt": "x", "n": 2}
    assert read_completion(body | {"best_of": 2}) == read_completion(body)
    with pytest.raises(UnsupportedRequestFields, match="best_of"):
        read_completion(body | {"best_of": 3})


def test_unknown_fields_are_ignored() -> None:
    unknown = {"cache_prompt": True, "temprature": 1, "user": {"id": 7}, "stream_options": {"x": 1}}
    assert read_chat(chat(**unknown)) == read_chat(chat())


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ({"max_tokens": -1}, {"max_tokens": 2**31 - 1}),
        ({"max_tokens": -1.0}, {"max_tokens": 2**31 - 1}),
        ({"max_completion_tokens": -1}, {"max_completion_tokens": 2**31 - 1}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"max_tokens": 256.0}, {"max_tokens": 256}),
        ({"n": 2.0, "seed": 7.0, "top_k": 4e1}, {"n": 2, "seed": 7, "top_k": 40}),
        ({"logprobs": True, "top_logprobs": 3.0}, {"logprobs": True, "top_logprobs": 3}),
        ({"top_logprobs": 0}, {}),
        ({"logprobs": None, "top_logprobs": None}, {}),
        ({"stream_options": None}, {}),
        ({"stream_options": {"include_usage": None}}, {}),
        ({"stop": ""}, {"stop": []}),
        ({"stop": [""]}, {"stop": []}),
        ({"stop": ["", "a"]}, {"stop": "a"}),
        ({"repetition_penalty": 1.2}, {"repeat_penalty": 1.2, "repeat_last_n": -1}),
        (
            {"repetition_penalty": 1.2, "repeat_last_n": 9},
            {"repeat_penalty": 1.2, "repeat_last_n": 9},
        ),
        ({"min_new_tokens": 3}, {"min_tokens": 3}),
        ({"repetition_penalty": 1.2, "repeat_penalty": 1.1}, {"repeat_penalty": 1.1}),
        ({"n_predict": 3}, {"max_tokens": 3}),
        ({"num_predict": -1}, {"max_tokens": -1}),
    ],
)
def test_values_with_the_same_meaning(given: dict[str, Any], same: dict[str, Any]) -> None:
    assert read_chat(chat(**given)) == read_chat(chat(**same))


def test_an_empty_stop_is_not_the_default_of_the_model() -> None:
    assert read_chat(chat(stop=[])).requests[0].sampling.stop == ()
    assert read_chat(chat(stop=None)).requests[0].sampling.stop is UNSET


@pytest.mark.parametrize("given", [None, False])
def test_no_logprobs_of_completions(given: Any) -> None:
    call = read_completion({"model": "m", "prompt": "x", "logprobs": given})
    assert call.requests[0].sampling.logprobs is UNSET
    with pytest.raises(InvalidParameter, match="logprobs"):
        read_completion({"model": "m", "prompt": "x", "logprobs": True})


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
        ([1.0, 2], [[1, 2]]),
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
    ("given", "read"),
    [
        (None, "none"),
        (False, "none"),
        ("NONE", "none"),
        (True, "end"),
        ("end", "end"),
        ("END", "end"),
        ("Start", "start"),
    ],
)
def test_truncate(given: Any, read: str) -> None:
    body = {"model": "m", "input": "x"}
    assert read_embedding(body | {"truncate": given}).request.truncate == read
    assert read_embedding(body | {"truncation": given}).request.truncate == read


@pytest.mark.parametrize("given", [[1, 2], [[1], [2]], ["a", [1]], [1.0]])
def test_token_ids_are_embedded_on_request_only(given: Any) -> None:
    body = {"model": "m", "input": given}
    with pytest.raises(InvalidParameter, match="check_embedding_ctx_length=False") as caught:
        read_embedding(body)
    assert caught.value.param == "input"
    inputs = read_embedding(body | {"allow_token_ids": True}).request.inputs
    assert inputs == ([[1, 2]] if given == [1, 2] else [[1]] if given == [1.0] else given)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": []}, "input"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"late_chunking": True}, "late_chunking"),
        ({"normalize": False}, "normalize"),
        ({"truncate": "middle"}, "truncate"),
        ({"truncate": 1}, "truncate"),
        ({"truncate_prompt_tokens": 5}, "truncate_prompt_tokens"),
        ({"truncation_direction": "Left"}, "truncation_direction"),
    ],
)
def test_invalid_embeddings(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(PowerError) as caught:
        read_embedding({"model": "m", "input": "a"} | fields)
    assert (caught.value.status, caught.value.param) == (400, param)
