"""Answers of real servers in each dialect, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.dialects import ANSWERED, DIALECTS, QUESTION, Answer, Dialect
from support.servers import error_code, events_of

from .conftest import Far

CALL = ("get_weather", {"city": "Oslo"})
CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Oslo", "Paris"]}},
    "required": ["city"],
    "additionalProperties": False,
}
COUNTING = "1, 2, 3, 4, 5, 6, 7,"

in_dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
whole_or_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def is_forwarded(dialect: Dialect) -> bool:
    """Return whether the request and the reply are passed on, not translated."""
    return dialect.name == "chat completions"


def check_counts(far: Far, dialect: Dialect, answer: Answer, *, stream: bool) -> None:
    """Check that there are counts, unless the upstream has none: translated requests stream."""
    if far.kind.counts_streams or (is_forwarded(dialect) and not stream):
        assert answer.prompt_tokens > 200
        assert answer.completion_tokens > 5
    else:
        assert (answer.prompt_tokens, answer.completion_tokens) == (0, 0)


@whole_or_streamed
@in_dialects
def test_a_call_of_a_tool(far: Far, dialect: Dialect, stream: bool) -> None:
    answer = dialect.ask(far.api, far.name, QUESTION, stream=stream)
    check_counts(far, dialect, answer, stream=stream)
    if far.kind.calls == "read":
        assert (answer.text, answer.calls) == ("", [CALL])
    else:
        assert json.dumps(CALL[1]) in answer.text
        assert not answer.calls


@whole_or_streamed
@pytest.mark.parametrize(
    "dialect", [d for d in DIALECTS if d.choice("x")], ids=lambda dialect: dialect.name
)
def test_a_call_that_is_demanded(far: Far, dialect: Dialect, stream: bool) -> None:
    choice = dialect.choice("get_weather")
    if far.kind.calls != "ignored":
        answer = dialect.ask(far.api, far.name, QUESTION, stream=stream, **choice)
        assert (answer.text, answer.calls) == ("", [CALL])
        return
    body = dialect.body(QUESTION) | choice | {"stream": stream}
    reply = far.post(dialect.path, body)
    assert ("has ignored tool_choice" in reply.text) is not is_forwarded(dialect)
    assert reply.status_code == (200 if stream or is_forwarded(dialect) else 502)


@whole_or_streamed
@in_dialects
def test_the_result_of_a_tool(far: Far, dialect: Dialect, stream: bool) -> None:
    if is_forwarded(dialect) and not far.kind.takes_null:
        body = dialect.body(ANSWERED) | {"stream": stream}
        assert error_code(far.post(dialect.path, body)) == "upstream_refused"
        for message in body["messages"]:
            message["content"] = message["content"] or ""
        assert far.post(dialect.path, body).is_success
        return
    answer = dialect.ask(far.api, far.name, ANSWERED, stream=stream)
    assert answer.text.strip() == "It is 5 degrees in Oslo."
    assert not answer.calls
    check_counts(far, dialect, answer, stream=stream)


@whole_or_streamed
@in_dialects
def test_a_schema(far: Far, dialect: Dialect, stream: bool) -> None:
    fields = dialect.schema(CITY)
    body = dialect.body([("user", "Name a city.")]) | fields | {"stream": stream}
    del body["tools"]
    if far.kind.schema == "kept":
        reply = far.api.post(dialect.path, json=body | {"model": far.name})
        assert reply.is_success, reply.text
        answer = dialect.streamed(reply) if stream else dialect.whole(reply.json())
        assert json.loads(answer.text)["city"] in ("Oslo", "Paris")
        return
    reply = far.post(dialect.path, body)
    if far.kind.schema == "refused":
        assert (reply.status_code, error_code(reply)) == (400, "upstream_refused")
        assert "response_format" in reply.text
    else:
        assert ("has ignored the schema" in reply.text) is not is_forwarded(dialect)


def test_a_schema_in_the_form_of_llama_cpp_python(far: Far) -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "Name a city."}]}
    body["response_format"] = {"type": "json_object", "schema": CITY}
    if far.kind.schema == "refused":
        reply = far.post("v1/chat/completions", body).raise_for_status().json()
        assert json.loads(reply["choices"][0]["message"]["content"])["city"] in ("Oslo", "Paris")


def test_texts_are_completed(far: Far) -> None:
    body = {"prompt": COUNTING, "max_tokens": 8, "temperature": 0}
    expected = " 8, 9, 1"
    whole = far.post("v1/completions", body).raise_for_status().json()
    assert whole["choices"][0]["text"] == expected
    assert (whole["model"], whole["usage"]["completion_tokens"]) == (far.name, 8)
    reply = far.post("v1/completions", body | {"stream": True}).raise_for_status()
    events: list[Any] = [*events_of(reply)]
    texts = [choice["text"] for event in events for choice in event["choices"]]
    assert "".join(texts) == expected
    assert len(texts) > 4
    options = {"num_predict": 8, "temperature": 0}
    body = {"prompt": COUNTING, "raw": True, "options": options}
    lines = far.post("api/generate", body).raise_for_status().text.splitlines()
    assert "".join(json.loads(line)["response"] for line in lines) == expected
    reply = far.post("api/generate", body | {"stream": False}).raise_for_status()
    assert (reply.json()["response"], reply.json()["done_reason"]) == (expected, "length")


def test_log_probabilities(far: Far) -> None:
    messages = [{"role": "user", "content": "Name a city."}]
    body = {"messages": messages, "max_tokens": 4, "logprobs": True, "top_logprobs": 2}
    body["temperature"] = 0  # llama-cpp-python adds the token if it is not one of the two
    reply = far.post("v1/chat/completions", body).raise_for_status().json()
    found = (reply["choices"][0].get("logprobs") or {}).get("content") or []
    assert [len(token["top_logprobs"]) for token in found] == (
        [2, 2, 2, 2] if far.kind.has_logprobs else []
    )
    options = {"num_predict": 4}
    line = {"messages": messages, "logprobs": True, "options": options, "stream": False}
    ollama = far.post("api/chat", line)
    if far.kind.has_logprobs:
        assert len(ollama.raise_for_status().json()["logprobs"]) == 4
    else:
        assert "has no log probabilities" in ollama.json()["error"]


def test_tokens_are_counted(far: Far) -> None:
    messages = [{"role": "user", "content": "Name a city."}]
    counted = far.post("v1/messages/count_tokens", {"messages": messages})
    tokens = far.post("v1/tokenize", {"content": "Hello"})
    if not far.kind.has_tokens:
        assert error_code(counted) == error_code(tokens) == "unsupported_request_fields"
        return
    assert tokens.raise_for_status().json()["tokens"] == [19556]
    text = far.post("v1/detokenize", {"tokens": [19556]}).raise_for_status().json()
    assert "Hello" in text.values()
    reply = far.post("v1/chat/completions", {"messages": messages, "max_tokens": 1}).json()
    assert counted.raise_for_status().json()["input_tokens"] == reply["usage"]["prompt_tokens"]


def test_the_context_length_is_shown(far: Far) -> None:
    loaded = far.api.post(f"v1/models/{far.name}/load", json={}).raise_for_status().json()
    assert loaded["state"] == "loaded"
    assert loaded.get("context_length") == (4096 if far.kind.states_context else None)
