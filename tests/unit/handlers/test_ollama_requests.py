"""Requests of Ollama's API for text and embeddings, as those of the engines."""

from __future__ import annotations

import base64
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
from a3s_power_jupyter.contract.types import ChatRequest, CompletionRequest, Constraint, ToolChoice
from a3s_power_jupyter.handlers.fields import NO_LIMIT
from a3s_power_jupyter.handlers.ignored import ignored_fields
from a3s_power_jupyter.handlers.ollama.calls import Call
from a3s_power_jupyter.handlers.ollama.chat import read_chat
from a3s_power_jupyter.handlers.ollama.embed import read_embed, read_embeddings
from a3s_power_jupyter.handlers.ollama.fields import REFUSED, ChatFields
from a3s_power_jupyter.handlers.ollama.generate import read_generate

USER = {"role": "user", "content": "Hi"}
PNG = b"\x89PNG\r\n\x1a\nrest"
IMAGE = base64.b64encode(PNG).decode()
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


def chat(**body: Any) -> Call:
    return read_chat({"model": "m", "messages": [USER]} | body)


def chat_request(**body: Any) -> ChatRequest:
    (request,) = chat(**body).requests
    assert isinstance(request, ChatRequest)
    return request


def generate(**body: Any) -> Call:
    return read_generate({"model": "m", "prompt": "Hi"} | body)


def generated(**body: Any) -> ChatRequest | CompletionRequest:
    (request,) = generate(**body).requests
    return request


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"temperature": UNSET, "max_tokens": UNSET, "stop": UNSET}),
        (None, {"temperature": UNSET}),
        ({"temperature": None, "seed": None}, {"temperature": UNSET, "seed": UNSET}),
        ({"temperature": 2.5, "top_p": 1, "min_p": 0.1}, {"temperature": 2.5, "min_p": 0.1}),
        ({"top_k": 40.0, "seed": 7.0}, {"top_k": 40, "seed": 7}),
        ({"top_k": 0}, {"top_k": 0}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"num_predict": 5}, {"max_tokens": 5}),
        ({"num_predict": -1}, {"max_tokens": NO_LIMIT}),
        ({"num_predict": -2}, {"max_tokens": NO_LIMIT}),
        ({"num_predict": 0}, {"max_tokens": NO_LIMIT}),
        ({"stop": "a"}, {"stop": ("a",)}),
        ({"stop": ["a", "", "b"]}, {"stop": ("a", "b")}),
        ({"stop": []}, {"stop": ()}),
        ({"seed": -1}, {"seed": -1}),
        ({"repeat_last_n": -1, "repeat_penalty": 1.1}, {"repeat_last_n": -1}),
        ({"mirostat": 2, "mirostat_tau": 0.8, "mirostat_eta": 0.6}, {"mirostat": 2}),
        ({"typical_p": 0.7, "presence_penalty": 1.5}, {"typical_p": 0.7}),
        ({"frequency_penalty": 1.0}, {"frequency_penalty": 1.0}),
        ({"num_ctx": 10, "num_gpu": 99, "unknown": {}}, {"temperature": UNSET}),
    ],
)
@pytest.mark.parametrize("read", [chat_request, generated])
def test_options(read: Any, options: Any, expected: dict[str, Any]) -> None:
    sampling = read(options=options).sampling
    assert {name: getattr(sampling, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"temperature": "0.7"}, "options.temperature"),
        ({"temperature": -1}, "options.temperature"),
        ({"num_predict": 1.5}, "options.num_predict"),
        ({"stop": [1]}, "options.stop[0]"),
        ({"mirostat": 3}, "options.mirostat"),
        ([], "options"),
    ],
)
def test_wrong_options_are_named(options: Any, param: str) -> None:
    with pytest.raises(InvalidParameter) as raised:
        chat(options=options)
    assert raised.value.param == param


def test_the_values_of_an_option_are_named() -> None:
    with pytest.raises(InvalidParameter, match=r"^options\.mirostat must be 0, 1 or 2, not 3\.$"):
        chat(options={"mirostat": 3})


def test_options_without_effect_are_named() -> None:
    body = {"model": "m", "options": {"num_ctx": 1, "seed": 1, "x": 1}, "shift": True, "y": None}
    assert list(ignored_fields(body, ChatFields, {}, REFUSED)) == [
        "options.num_ctx",
        "options.x",
        "shift",
    ]


# ---------------------------------------------------------------- fields of both


@pytest.mark.parametrize("read", [chat, generate])
def test_streams_by_default(read: Any) -> None:
    assert read().stream
    assert read(stream=None).stream
    assert not read(stream=False).stream


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("5m", 300), (0, 0), ("0", 0), (-1, math.inf), ("-1m", math.inf), (1.5, 1.5)],
)
def test_keep_alive(value: Any, seconds: float | None) -> None:
    assert chat(keep_alive=value).keep_alive == seconds
    assert read_embed({"model": "m", "keep_alive": value}).keep_alive == seconds
    assert read_embeddings({"model": "m", "keep_alive": value}).keep_alive == seconds


def test_a_keep_alive_that_is_no_duration() -> None:
    with pytest.raises(InvalidKeepAlive):
        generate(keep_alive="soon")


@pytest.mark.parametrize(
    ("think", "variables", "needs_thinking"),
    [
        (None, {}, False),
        ("", {}, False),
        (True, {"enable_thinking": True, "thinking": True}, True),
        (False, {"enable_thinking": False, "thinking": False}, False),
        ("low", {"reasoning_effort": "low", "enable_thinking": True, "thinking": True}, True),
    ],
)
@pytest.mark.parametrize("read", [chat, generate])
def test_think(read: Any, think: Any, variables: dict[str, Any], needs_thinking: bool) -> None:
    call = read(think=think)
    assert call.requests[0].template_kwargs == variables
    assert call.thinks == needs_thinking


def test_an_unknown_word_for_thinking() -> None:
    with pytest.raises(InvalidParameter, match="'high', 'max', not 'hard'") as raised:
        chat(think="hard")
    assert raised.value.param == "think"


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("format_", "schema"),
    [("json", {"type": "object"}), (SCHEMA, SCHEMA), ({"type": "string"}, {"type": "string"})],
)
@pytest.mark.parametrize("read", [chat_request, generated])
def test_format(read: Any, format_: Any, schema: Any) -> None:
    expected = Constraint("json_schema", schema, "format")
    assert read(format=format_).sampling.constraint == expected


@pytest.mark.parametrize("format_", [None, "", {}])
def test_no_format(format_: Any) -> None:
    assert chat_request(format=format_).sampling.constraint is UNSET


@pytest.mark.parametrize("format_", ["yaml", "{}", 1, [1], True])
def test_an_unknown_format(format_: Any) -> None:
    with pytest.raises(InvalidParameter) as raised:
        chat(format=format_)
    assert raised.value.param == "format"


def test_logprobs() -> None:
    assert chat_request().sampling.logprobs is UNSET
    assert chat_request(logprobs=True).sampling.logprobs == 0
    assert chat_request(logprobs=True, top_logprobs=3).sampling.logprobs == 3
    for body in ({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 21}):
        with pytest.raises(InvalidParameter) as raised:
            chat(**body)
        assert raised.value.param == "top_logprobs"


# ---------------------------------------------------------------- chats


@pytest.mark.parametrize("messages", [None, []])
def test_without_messages_there_is_nothing_to_answer(messages: Any) -> None:
    assert chat(messages=messages).requests == []


def test_a_conversation_with_calls() -> None:
    call = {"function": {"name": "weather", "arguments": {"city": "Paris"}}}
    messages = [
        {"role": "system", "content": "Be brief."},
        USER,
        {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [call, call]},
        {"role": "tool", "tool_name": "weather", "content": "sunny"},
        {"role": "tool", "name": "weather", "content": "rainy"},
        {"role": "user", "content": None},
    ]
    made = [
        {
            "id": id_,
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city":"Paris"}'},
        }
        for id_ in ("call00001", "call00002")
    ]
    request = chat_request(messages=messages, tools=[WEATHER])
    assert request.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "", "tool_calls": made, "reasoning_content": "Hm."},
        {"role": "tool", "content": "sunny", "tool_call_id": "call00001", "name": "weather"},
        {"role": "tool", "content": "rainy", "tool_call_id": "call00002", "name": "weather"},
        {"role": "user", "content": ""},
    ]
    assert request.tools[0]["function"]["name"] == "weather"
    assert request.parallel_tool_calls


def test_identifiers_of_calls_are_kept() -> None:
    call = {"id": "x1", "function": {"index": 0, "name": "f", "arguments": {}}}
    messages = [
        USER,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "x1", "content": "1"},
    ]
    checked = chat_request(messages=messages).messages
    assert checked[1]["tool_calls"][0]["id"] == "x1"
    assert checked[2] == {"role": "tool", "content": "1", "tool_call_id": "x1", "name": "f"}


def test_the_case_of_roles_does_not_matter() -> None:
    messages = [{"role": "System", "content": "a"}, {"role": "USER", "content": "b"}]
    assert [message["role"] for message in chat_request(messages=messages).messages] == [
        "system",
        "user",
    ]


def test_images_of_messages() -> None:
    messages = [{"role": "user", "content": "What?", "images": [IMAGE, IMAGE]}]
    request = chat_request(messages=messages)
    image = {"type": "image"}
    assert request.messages[0]["content"] == [image, image, {"type": "text", "text": "What?"}]
    assert request.images == [PNG, PNG]


def test_a_last_message_of_the_assistant_is_continued() -> None:
    request = chat_request(messages=[USER, {"role": "assistant", "content": "He"}])
    assert request.continue_final_message
    assert not request.add_generation_prompt


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "robot", "content": ""}, "messages[1].role"),
        ({"content": "x"}, "messages[1].role"),
        ({"role": "user", "content": [{"type": "text", "text": "x"}]}, "messages[1].content"),
        ({"role": "user", "images": ["no"]}, "messages[1].images[0]"),
        ({"role": "user", "images": IMAGE}, "messages[1].images"),
        ({"role": "user", "images": [IMAGE] * 33}, "messages"),
        ({"role": "user", "tool_calls": [{}]}, "messages[1].tool_calls"),
        ({"role": "assistant", "tool_calls": {"a": 1}}, "messages[1].tool_calls"),
        ({"role": "assistant", "tool_calls": [1]}, "messages[1].tool_calls[0]"),
        ({"role": "assistant", "tool_calls": [{"function": {}}]}, "messages[1].tool_calls[0].func"),
        ({"role": "assistant", "thinking": 1}, "messages[1].thinking"),
        ({"role": "tool", "tool_name": 1}, "messages[1].tool_name"),
    ],
)
def test_malformed_messages_are_named(message: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as raised:
        chat(messages=[USER, message])
    assert str(raised.value.param).startswith(param)


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ({}, "tools"),
        ([1], "tools[0]"),
        ([{"type": "function"}], "tools[0]"),
        ([{"type": "web_search"}], "tools[0].type"),
        ([{"function": {"name": ""}}], "tools[0].function.name"),
        ([WEATHER, WEATHER], "tools"),
    ],
)
def test_malformed_tools_are_named(tools: Any, param: str) -> None:
    with pytest.raises(PowerError) as raised:
        chat(tools=tools)
    assert (raised.value.status, raised.value.param) == (400, param)


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        (None, ToolChoice(), True),
        ("auto", ToolChoice(), True),
        ("none", ToolChoice("none"), True),
        ("required", ToolChoice("required"), False),
        (WEATHER, ToolChoice("required", "weather"), False),
    ],
)
def test_a_choice_of_tools(choice: Any, expected: ToolChoice, parallel: bool) -> None:
    request = chat_request(tools=[WEATHER], tool_choice=choice, format="json")
    assert (request.tool_choice, request.parallel_tool_calls) == (expected, parallel)
    assert len(request.tools) == 1
    assert (request.sampling.constraint is UNSET) == (expected.mode == "required")
    assert chat_request(tool_choice=choice).tool_choice == ToolChoice()


# ---------------------------------------------------------------- completions


def test_a_prompt_is_a_chat_of_one_message() -> None:
    request = generated(system="Be brief.", images=[IMAGE])
    assert isinstance(request, ChatRequest)
    content = [{"type": "image"}, {"type": "text", "text": "Hi"}]
    assert request.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": content},
    ]
    assert request.images == [PNG]


@pytest.mark.parametrize("prompt", [None, ""])
def test_without_a_prompt_there_is_nothing_to_answer(prompt: Any) -> None:
    assert generate(prompt=prompt).requests == []


def test_a_raw_prompt_is_not_put_into_the_template() -> None:
    request = generated(raw=True)
    assert isinstance(request, CompletionRequest)
    assert (request.prompt, request.suffix, request.echo) == ("Hi", "", False)


def test_a_suffix() -> None:
    request = generated(suffix="\n    return a")
    assert isinstance(request, CompletionRequest)
    assert (request.prompt, request.suffix) == ("Hi", "\n    return a")


def test_what_clients_send_for_nothing() -> None:
    """The fields that ``ollama.generate`` may send without a value."""
    request = generated(suffix="", system="", template="", context=[], raw=False, images=[])
    assert isinstance(request, ChatRequest)
    assert request.messages == [USER]


@pytest.mark.parametrize(
    "body",
    [
        {"template": "{{ .Prompt }}"},
        {"context": [1, 2]},
        {"width": 512},
        {"height": 512},
        {"steps": 4},
        {"_debug_render_only": True},
        {"system": "x", "raw": True},
        {"images": [IMAGE], "raw": True},
        {"think": True, "raw": True},
        {"system": "x", "suffix": "y"},
    ],
)
def test_what_would_be_lost_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedRequestFields) as raised:
        generate(**body)
    assert raised.value.param == next(iter(body))


# ---------------------------------------------------------------- embeddings


@pytest.mark.parametrize(
    ("value", "texts"),
    [("a", ["a"]), (["a", "", "b"], ["a", "", "b"]), ("", []), ([], []), (None, [])],
)
def test_inputs(value: Any, texts: list[str]) -> None:
    assert read_embed({"model": "m", "input": value}).inputs == texts


def test_no_dimensions_are_those_of_the_model() -> None:
    for dimensions in (None, 0):
        assert read_embed({"model": "m", "dimensions": dimensions}).dimensions is None
    assert read_embed({"model": "m", "dimensions": 2}).dimensions == 2


def test_texts_are_truncated_by_default() -> None:
    body: dict[str, Any] = {"model": "m", "input": "a"}
    assert read_embed(body).request.truncate == "end"
    assert read_embed(body | {"truncate": None}).request.truncate == "end"
    assert read_embed(body | {"truncate": False}).request.truncate == "none"
    assert read_embed(body | {"truncate": "start"}).request.truncate == "start"
    assert read_embeddings({"model": "m", "prompt": "a"}).request.truncate == "end"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": ["a"] * 2049}, "input"),
        ({"input": 1}, "input"),
        ({"input": [[1, 2]]}, "input[0]"),
        ({"dimensions": -1}, "dimensions"),
        ({"truncate": "yes"}, "truncate"),
    ],
)
def test_malformed_inputs_are_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as raised:
        read_embed({"model": "m"} | body)
    assert raised.value.param == param


def test_one_text_of_the_older_route() -> None:
    assert read_embeddings({"model": "m", "prompt": "a"}).inputs == ["a"]
    assert read_embeddings({"model": "m"}).inputs == []
