"""Test replies that the client cannot use, which an upstream may send."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable
from typing import Any

import httpx2
import numpy
import pytest

from a3s_power_jupyter.client import Client
from a3s_power_jupyter.client.address import Server
from a3s_power_jupyter.client.connection import Connection
from a3s_power_jupyter.contract.errors import InvalidParameter, PowerError, UpstreamError


def client_of(body: str) -> Client:
    """Return a client of a server that answers every request with `body`."""
    connection = Connection(Server(url="http://test.invalid/", key=None, found="the test"))
    connection._http = httpx2.Client(
        base_url="http://test.invalid/v1/",
        transport=httpx2.MockTransport(
            lambda _request: httpx2.Response(200, content=iter([body.encode()]))
        ),
    )
    return Client(connection)


def base64_of(*numbers: float) -> str:
    return base64.b64encode(numpy.array(numbers, "<f4").tobytes()).decode()


def choice(**more: Any) -> dict[str, Any]:
    return {"message": {"content": "a"}, "finish_reason": "stop"} | more


NO_JSON_OBJECTS = ["", "nope", "[]", "null", '"a"', "7", '{"a":', "[" * 20000]
USAGES = [
    '"x"', "[1]", "7", '{"prompt_tokens":-1e999}', '{"prompt_tokens":null}', '{"prompt_tokens":-1}',
    '{"prompt_tokens":1.5}',
    '{"completion_tokens":1}', '{"prompt_tokens":1,"completion_tokens":"x"}',
    '{"prompt_tokens":1,"prompt_tokens_details":7}',
    '{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":[]}}',
]  # fmt: skip
CHOICES = [
    "x", None, [], [7], {}, [None], [{}], [{"finish_reason": "stop"}], [choice(finish_reason=None)],
    [choice(finish_reason=3)], [{"message": {"content": "a"}}], [choice(message=None)],
    [choice(message="a")], [choice(message={"content": [{"type": "text"}]})],
    [{"finish_reason": "stop", "text": 7}],
]  # fmt: skip
REPLIES = [
    *NO_JSON_OBJECTS,
    "{}",
    *[json.dumps({"choices": choices}) for choices in CHOICES],
    *[f'{{"choices":[{json.dumps(choice())}],"usage":{usage}}}' for usage in USAGES],
]


@pytest.mark.parametrize("body", REPLIES)
def test_an_answer_that_cannot_be_used_is_an_upstream_error(body: str) -> None:
    for ask in (Client.chat, Client.complete):
        with pytest.raises(UpstreamError, match=r"The reply cannot be used: .*upstream") as info:
            ask(client_of(body), "m", "Hello")
        assert_plain(info.value.message)


def assert_plain(message: str) -> None:
    """Check that an error does not speak of Python types and msgspec's paths."""
    assert "Expected" not in message
    assert "`" not in message


def test_an_error_says_which_field_is_wrong() -> None:
    wrong = json.dumps({"choices": [{"message": {"content": 7}}]})
    with pytest.raises(
        UpstreamError, match=r"choices\[0\].message.content must be a string, not 7"
    ):
        client_of(wrong).chat("m", "Hello")
    with pytest.raises(UpstreamError, match="it is not valid JSON"):
        client_of("{").chat("m", "Hello")


@pytest.mark.parametrize("messages", [7, None, {"role": "user"}, ["a"], [["role", "user"]]])
def test_what_is_no_conversation_is_refused_here(messages: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"^messages(\[0\])? must be .*, not of type"):
        client_of("{}").chat("m", messages)


EVENTS = [
    *[event for event in NO_JSON_OBJECTS if event],
    '{"error":"x"}',
    '{"error":[1]}',
    '{"error":null}',
    *[json.dumps({"choices": c}) for c in ("x", None, [7], [None], {})],
    *[
        json.dumps({"choices": [c]})
        for c in ({"delta": "x"}, {"delta": {"content": 7}}, {"finish_reason": 7, "delta": {}})
    ],
    *[f'{{"choices":[],"usage":{usage}}}' for usage in USAGES],
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_that_cannot_be_used_is_an_upstream_error(event: str) -> None:
    first = json.dumps({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]})
    body = f"data: {first}\n\ndata: {event}\n\ndata: [DONE]\n\n"
    with client_of(body).stream("m", "Hello") as stream:
        assert next(stream) == "a"
        with pytest.raises(UpstreamError, match=r"The reply cannot be used: .*upstream"):
            next(stream)
    assert stream.reply == "a"


def test_an_error_event_with_odd_fields_is_raised() -> None:
    body = 'data: {"error":{"message":7,"param":[1],"retry_after":"x","code":{}}}\n\n'
    with pytest.raises(PowerError, match="7"):
        list(client_of(body).stream("m", "Hello"))


def test_events_without_optional_fields_are_accepted() -> None:
    body = (
        'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
        'data: {"choices":[{"finish_reason":"stop"}]}\n\n'
        'data: {"usage":{"prompt_tokens":1,"prompt_tokens_details":null}}\n\n'
    )
    stream = client_of(body).stream("m", "Hello")
    assert list(stream) == ["a"]
    assert stream.reply.finish_reason == "stop"
    assert stream.reply.usage is not None
    assert stream.reply.usage.prompt_tokens == 1


def rows(*values: object) -> str:
    return json.dumps({"data": [{"index": i, "embedding": v} for i, v in enumerate(values)]})


@pytest.mark.parametrize(
    "body",
    [
        rows([1, 2], [3, 4]),
        rows(base64_of(1, 2), base64_of(3, 4)),
        rows(base64_of(1, 2), [3.0, 4.0]),
        '{"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1,2]}]}',
        '{"data":[{"embedding":[1,2]},{"embedding":[3,4]}]}',
    ],
)
def test_vectors_are_read_from_base64_and_from_numbers(body: str) -> None:
    matrix = client_of(body).embed("m", ["a", "b"])
    assert matrix.dtype == numpy.float32
    assert matrix.tolist() == [[1, 2], [3, 4]]
    matrix[0, 0] = 5  # writable


def test_the_vector_of_one_text_has_one_dimension() -> None:
    assert client_of(rows([1, 2])).embed("m", "a").tolist() == [1, 2]


@pytest.mark.parametrize(
    "body",
    [
        *NO_JSON_OBJECTS,
        "{}",
        '{"data":"x"}',
        '{"data":[7,8]}',
        '{"data":[{"index":0,"embedding":[1,2]},{"index":0,"embedding":[3]}]}',
        '{"data":[{"index":0,"embedding":[1,2]},{"index":2,"embedding":[3,4]}]}',
        '{"data":[{"index":"0","embedding":[1,2]},{"index":1,"embedding":[3,4]}]}',
        '{"data":[{"index":0},{"index":1}]}',
        rows(),
        rows([1, 2]),
        rows([1, 2], [3, 4], [5, 6]),
        rows([1, 2], [3]),
        rows([], []),
        rows("", ""),
        rows(None, None),
        rows([1, "x"], [1, 2]),
        rows([[1], [2]], [[1], [2]]),
        rows([1, 2], "*"),
        rows([1, 2], "é"),
        rows([1, 2], base64.b64encode(b"12345").decode()),
        rows([1, 2], base64_of(1, float("nan"))),
        rows([1, 2], base64_of(1, float("inf"))),
        rows([1, 2], [1, 1e300]),
        '{"data":[{"embedding":[1,1e999]},{"embedding":[1,2]}]}',
    ],
)
def test_vectors_that_cannot_be_used_are_an_upstream_error(body: str) -> None:
    with pytest.raises(UpstreamError, match=r"The reply cannot be used: .*upstream"):
        client_of(body).embed("m", ["a", "b"])


def test_no_vectors_for_no_texts_are_an_upstream_error() -> None:
    with pytest.raises(UpstreamError):
        client_of(rows()).embed("m", [])


CALLS: list[Callable[[Client], object]] = [
    Client.health,
    Client.models,
    lambda client: client.show("a"),
    lambda client: client.delete("a"),
    lambda client: client.unload("a"),
    lambda client: client.gc(),
    lambda client: client.pulls(),
    lambda client: client.pull_status("a"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("body", [*NO_JSON_OBJECTS, "{}"])
def test_other_replies_that_cannot_be_used_are_an_upstream_error(
    call: Callable[[Client], object], body: str
) -> None:
    with pytest.raises(UpstreamError, match="The reply cannot be used"):
        call(client_of(body))


@pytest.mark.parametrize("event", ['{"status":"success"}', '{"progress":1}', "7"])
def test_load_events_that_cannot_be_used_are_an_upstream_error(event: str) -> None:
    with pytest.raises(UpstreamError, match="The reply cannot be used"):
        client_of(f"data: {event}\n\n").load("a", progress=lambda _phase, _value: None)


def test_ipython_hides_most_frames_of_an_error_that_another_one_is_raised_from() -> None:
    client = client_of("")
    client._connection._http = httpx2.Client(
        base_url="http://test.invalid/v1/",
        transport=httpx2.MockTransport(
            lambda _request: httpx2.Response(404, json={"error": {"code": "model_not_found"}})
        ),
    )
    with pytest.raises(PowerError) as raised:
        client.chat("m", "Hello")
    frames = [frame for frame, _line in traceback.walk_tb(raised.value.__traceback__)]
    shown = [f.f_code.co_name for f in frames if "__tracebackhide__" not in f.f_locals]
    assert shown[1:] == ["chat"]  # after the test
