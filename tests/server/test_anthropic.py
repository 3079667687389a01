"""``/v1/messages`` and its neighbours with a real server and a real model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.servers import Server

#: Every build of the model answers this in English.
QUESTION = "What is the capital city of France? Answer in one short English sentence."
USER = {"role": "user", "content": QUESTION}
VERSION = {"anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.client(**VERSION, **{"x-api-key": server.token}) as client:
        yield client


def ask(api: httpx2.Client, model: str, **fields: Any) -> dict[str, Any]:
    body = {"model": model, "max_tokens": 30, "messages": [USER], "temperature": 0}
    reply = api.post("v1/messages", json=body | fields)
    assert reply.status_code == 200, reply.text
    assert reply.headers["request-id"].startswith("req_")
    message: dict[str, Any] = reply.json()
    return message


def text_of(message: dict[str, Any]) -> str:
    [block] = message["content"]
    assert block["type"] == "text"
    return str(block["text"])


def length(message: dict[str, Any]) -> int:
    usage = message["usage"]
    return int(usage["input_tokens"] + usage["cache_read_input_tokens"])


def test_a_message(api: httpx2.Client, smollm2: str) -> None:
    blocks = [{"type": "text", "text": QUESTION, "cache_control": {"type": "ephemeral"}}]
    message = ask(api, smollm2, messages=[{"role": "user", "content": blocks}])
    assert "Paris" in text_of(message)
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert 3 <= message["usage"]["output_tokens"] < 30


def test_a_stream_has_named_events(api: httpx2.Client, smollm2: str) -> None:
    body: dict[str, Any] = {"model": smollm2, "max_tokens": 5, "messages": [USER], "stream": True}
    body["temperature"] = 0
    reply = api.post("v1/messages", json=body)
    assert reply.headers["content-type"] == "text/event-stream"
    pairs = [event.split("\n") for event in reply.text.strip().split("\n\n")]
    names = [name.removeprefix("event: ") for name, _ in pairs]
    events = [json.loads(data.removeprefix("data: ")) for _, data in pairs]
    assert [event["type"] for event in events] == names
    assert names[:2] == ["message_start", "content_block_start"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(names[2:-3]) == {"content_block_delta"}
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"
    assert events[-2]["usage"]["output_tokens"] == 5


def test_the_end_of_an_answer(api: httpx2.Client, smollm2: str) -> None:
    stopped = ask(api, smollm2, stop_sequences=["Rome", "Paris"])
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "Paris")
    assert "Paris" not in json.dumps(stopped["content"])
    nothing = ask(api, smollm2, max_tokens=0)
    assert (nothing["content"], nothing["stop_reason"]) == ([], "max_tokens")
    assert nothing["usage"]["output_tokens"] == 0


def test_an_answer_that_is_begun(api: httpx2.Client, smollm2: str) -> None:
    begun = {"role": "assistant", "content": [{"type": "text", "text": "The capital is the city"}]}
    assert "Paris" in text_of(ask(api, smollm2, messages=[USER, begun], max_tokens=8))


def test_a_schema_and_a_tool(api: httpx2.Client, smollm2: str) -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Rome", "Paris"]}}}
    schema |= {"required": ["city"], "additionalProperties": False}
    format_ = {"type": "json_schema", "schema": schema}
    message = ask(api, smollm2, output_config={"format": format_})
    assert json.loads(text_of(message)) == {"city": "Paris"}
    tool = {"name": "name_city", "input_schema": schema}
    message = ask(api, smollm2, tools=[tool], tool_choice={"type": "any"}, max_tokens=60)
    [block] = message["content"]
    assert (block["type"], block["name"], block["input"]) == (
        "tool_use", "name_city", {"city": "Paris"},
    )  # fmt: skip
    assert message["stop_reason"] == "tool_use"


def test_a_count_is_the_length_of_the_prompt(api: httpx2.Client, smollm2: str) -> None:
    tool = {"name": "f", "input_schema": {"type": "object", "properties": {"a": {}}}}
    for fields in ({}, {"system": "Be brief."}, {"tools": [tool]}):
        body = {"model": smollm2, "messages": [USER], **fields}
        reply = api.post("v1/messages/count_tokens", json=body)
        assert reply.json() == {"input_tokens": length(ask(api, smollm2, max_tokens=1, **fields))}


def test_ignored_fields_are_named(api: httpx2.Client, smollm2: str) -> None:
    body = {"model": smollm2, "max_tokens": 1, "messages": [USER], "metadata": {"user_id": "a"}}
    reply = api.post("v1/messages?beta=true", json=body)
    assert reply.headers["X-Power-Ignored"] == "metadata"


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "kind", "code"),
    [
        ("messages", {}, {"x-api-key": "wrong"}, 401, "authentication_error", "unauthorized"),
        ("messages", {}, {}, 400, "invalid_request_error", "invalid_parameter"),
        ("messages", {"model": "no"}, {}, 404, "not_found_error", "model_not_found"),
        ("messages", {"tools": [{"type": "web_search_20250305"}]}, {}, 400,
         "invalid_request_error", "unsupported_request_fields"),
        ("messages/count_tokens", {"model": "no"}, {}, 404, "not_found_error", "model_not_found"),
        ("messages/batches", {}, {}, 404, "not_found_error", "route_not_found"),
        ("messages", None, {"Content-Type": "text/plain"}, 415, "invalid_request_error",
         "unsupported_media_type"),
    ],
)  # fmt: skip
def test_errors_have_the_shape_of_anthropic(
    server: Server, smollm2: str, path: str, body: Any, headers: dict[str, str], status: int,
    kind: str, code: str,
) -> None:  # fmt: skip
    if body:
        body = {"model": smollm2, "messages": [USER]} | body
    content = b"text" if body is None else json.dumps(body).encode()
    given = {"x-api-key": server.token, "Content-Type": "application/json"} | headers
    with server.client(**given) as client:
        reply = client.post(f"v1/{path}", content=content)
    error = reply.json()
    assert (reply.status_code, error["type"]) == (status, "error")
    assert (error["error"]["type"], error["error"]["code"]) == (kind, code)
    assert error["error"]["details"] == {"error_code": code}
    assert error["request_id"] == reply.headers["request-id"]


def test_an_error_before_the_first_event_has_its_status(api: httpx2.Client, smollm2: str) -> None:
    long = {"role": "user", "content": "word " * 20_000}
    reply = api.post("v1/messages", json={"model": smollm2, "messages": [long], "stream": True})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "context_length_exceeded"


def test_a_base_url_with_v1_gets_a_hint(api: httpx2.Client) -> None:
    reply = api.post("v1/v1/messages", json={"model": "m", "messages": [USER]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "route_not_found")
    assert "Remove /v1 from the client's base URL" in reply.json()["error"]["message"]


def test_models_have_the_form_that_the_client_knows(
    api: httpx2.Client, server: Server, smollm2: str
) -> None:
    with server.api() as openai:
        [model] = [m for m in openai.get("v1/models").json()["data"] if m["id"] == smollm2]
        assert (model["object"], "type" in model) == ("model", False)
        assert "request-id" not in openai.get("v1/models").headers
        page = api.get("v1/models?limit=1000").json()
        assert page["has_more"] is False
        [info] = [m for m in page["data"] if m["id"] == smollm2]
        assert api.get(f"v1/models/{smollm2}").json() == info
        assert (info["type"], info["display_name"]) == ("model", smollm2)
        missing = api.get("v1/models/nope").json()
        assert missing["error"]["type"] == "not_found_error"
        assert openai.get("v1/models/nope").json()["error"]["code"] == "model_not_found"
