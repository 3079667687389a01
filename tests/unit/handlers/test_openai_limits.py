"""Test that large inputs and numbers in OpenAI's requests are refused and not quoted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import BadRequest, InvalidParameter
from a3s_power_jupyter.contract.text import MAX_QUOTED
from a3s_power_jupyter.handlers.openai import messages
from a3s_power_jupyter.handlers.openai.requests import read_chat, read_completion, read_embedding

LONG = "x" * 1_000_000
HUGE = 10**400
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
PROMPT = {"model": "m", "prompt": "Hello"}
INPUT = {"model": "m", "input": "Hello"}


def message(**fields: Any) -> dict[str, Any]:
    return CHAT | {"messages": [{"role": "user", "content": "Hello"} | fields]}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


def schema(**fields: Any) -> dict[str, Any]:
    return CHAT | {"response_format": {"type": "json_schema", "json_schema": {"schema": fields}}}


CHATS: list[dict[str, Any]] = [
    CHAT | {"keep_alive": "9" * 40_000 + "x"},
    CHAT | {"keep_alive": HUGE},
    CHAT | {"keep_alive": -HUGE},
    CHAT | {"stop": LONG},
    CHAT | {"stop": ["a", LONG]},
    CHAT | {"stop": ["a"] * 1_000_000},
    CHAT | {"logit_bias": {LONG: 1}},
    CHAT | {"logit_bias": {"9" * 5000: 1}},
    CHAT | {"logit_bias": {str(2**64): 1}},
    CHAT | {"logit_bias": {"1": HUGE}},
    CHAT | {"logit_bias": dict.fromkeys(map(str, range(2**18 + 1)), 1)},
    CHAT | {"temperature": HUGE},
    CHAT | {"seed": HUGE},
    CHAT | {"max_tokens": HUGE},
    CHAT | {"n": HUGE},
    CHAT | {"tools": LONG},
    CHAT | {"response_format": {"type": LONG}},
    schema(minimum=HUGE),
    schema(maxLength=2**64),
    schema(items={"enum": [1, -(2**63) - 1]}),
    schema(**nested(100_000)),
    message(role=LONG),
    message(role=[LONG] * 1000),
    message(role={LONG: LONG}),
    message(content=[{"type": LONG}]),
    message(content=[{"type": "image_url", "image_url": LONG}]),
    message(content=[{"type": "image_url", "image_url": f"data:{LONG}"}]),
    message(images=[LONG + "!"]),
    message(name={LONG: 1}),
]
COMPLETIONS: list[dict[str, Any]] = [
    PROMPT | {"logprobs": HUGE},
    PROMPT | {"prompt": [HUGE]},
    PROMPT | {"prompt": [[1], [HUGE]]},
    PROMPT | {"prompt": {LONG: LONG}},
    PROMPT | {"prompt": [1] * 1_000_000 + [LONG]},
    PROMPT | {"prompt": [[1]] * 2048, "n": 2},
]
EMBEDDINGS: list[dict[str, Any]] = [
    INPUT | {"input": [HUGE]},
    INPUT | {"encoding_format": LONG},
    INPUT | {"dimensions": HUGE},
    INPUT | {"prompt_name": LONG},
    INPUT | {"keep_alive": LONG},
]
ALL = [
    *((read_chat, body) for body in CHATS),
    *((read_completion, body) for body in COMPLETIONS),
    *((read_embedding, body) for body in EMBEDDINGS),
]


@pytest.mark.parametrize(("read", "body"), ALL, ids=map(str, range(len(ALL))))
def test_large_values_are_refused(
    read: Callable[[dict[str, Any]], Any], body: dict[str, Any]
) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body)
    assert len(caught.value.message) < 4 * MAX_QUOTED
    assert len(caught.value.param or "") <= MAX_QUOTED


def test_values_at_the_limits_can_be_sent_to_a_worker() -> None:
    bias = {str(10**9 - 1): 100, "0": -100}
    calls = [
        read_chat(CHAT | {"logit_bias": bias, "seed": 2**63 - 1, "n": 128, "stop": "x" * 4096}),
        read_chat(schema(minimum=-(2**63), maximum=2**64 - 1)),
        read_chat(CHAT | {"keep_alive": 2**63 - 1}),
    ]
    for call in calls:
        msgspec.msgpack.encode(call.requests)


@pytest.mark.parametrize("item", ["", "text", [1, 2], None, {}])
@pytest.mark.parametrize(
    ("read", "body", "field"),
    [(read_completion, PROMPT, "prompt"), (read_embedding, INPUT, "input")],
)
def test_too_many_inputs_are_refused_before_they_are_read(
    read: Callable[[dict[str, Any]], Any], body: dict[str, Any], field: str, item: Any
) -> None:
    class Inputs(list[Any]):
        reads = 0

        def __iter__(self) -> Iterator[Any]:
            for value in super().__iter__():
                Inputs.reads += 1
                yield value

    with pytest.raises(InvalidParameter, match="more than 2,048 items") as caught:
        read(body | {field: Inputs([item] * 2_000_000)})
    assert caught.value.param == field
    assert Inputs.reads <= 1


def test_as_many_inputs_as_allowed() -> None:
    assert len(read_completion(PROMPT | {"prompt": ["a"] * 2048}).requests) == 2048
    assert len(read_embedding(INPUT | {"input": ["a"] * 2048}).request.inputs) == 2048
    assert len(read_completion(PROMPT | {"prompt": [1] * 100_000}).requests) == 1


IMAGES = [
    message(images=[""] * 33),
    message(content=[{"type": "image_url", "image_url": "data:image/png;base64,"}] * 33),
    CHAT | {"images": [""] * 33},
    CHAT | {"messages": [{"role": "user", "content": "", "images": [""] * 11}] * 3},
]


@pytest.mark.parametrize("body", IMAGES)
def test_too_many_images_are_refused_before_they_are_decoded(
    body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*args: Any) -> bytes:
        raise AssertionError("an image was decoded")

    monkeypatch.setattr(messages, "read_image", decode)
    with pytest.raises(InvalidParameter, match="More than 32 images"):
        read_chat(body)


@pytest.mark.parametrize(
    "body",
    [
        CHAT | {"messages": CHAT["messages"] * (2**14 + 1)},
        message(content=[{"type": "text", "text": "a"}] * (2**14 + 1)),
    ],
)
def test_too_many_messages_or_parts(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        read_chat(body)
