"""Errors of real servers, with our codes in each dialect."""

from __future__ import annotations

from typing import Any

from support.dialects import QUESTION, Dialect
from support.model_files import PNG
from support.servers import error_code

from .conftest import DIRECTORY_CONTEXT, Far
from .kinds import CONTEXT
from .test_answers import in_dialects, whole_or_streamed

#: A text that is longer than the context of any of the servers.
LONG = "word " * (CONTEXT + 100)


@whole_or_streamed
@in_dialects
def test_a_prompt_that_is_too_long(far: Far, dialect: Dialect, stream: bool) -> None:
    body = dialect.body([("user", LONG if far.kind.overflow else "word " * DIRECTORY_CONTEXT)])
    reply = far.post(dialect.path, body | {"stream": stream})
    if far.kind.overflow:
        assert (reply.status_code, error_code(reply)) == (400, "context_length_exceeded")
    else:
        assert reply.is_success, reply.text  # with a text that is not to be trusted


@whole_or_streamed
def test_a_text_to_complete_that_is_too_long(far: Far, stream: bool) -> None:
    if far.kind.overflow:
        reply = far.post("v1/completions", {"prompt": LONG, "max_tokens": 5, "stream": stream})
        assert (reply.status_code, error_code(reply)) == (400, "context_length_exceeded")


@whole_or_streamed
@in_dialects
def test_a_model_that_the_server_does_not_have(far: Far, dialect: Dialect, stream: bool) -> None:
    far.register("other", model="none")
    body = dialect.body(QUESTION) | {"model": "other", "stream": stream}
    reply = far.api.post(dialect.path, json=body)
    if far.kind.other_model is None:
        assert reply.is_success, reply.text  # by the model that it has
    else:
        assert error_code(reply) == far.kind.other_model


def test_a_missing_model_is_noticed_when_it_is_loaded(far: Far) -> None:
    far.register("other", model="none")
    reply = far.api.post("v1/models/other/load", json={})
    assert (reply.status_code, error_code(reply)) == (502, "upstream_error")
    assert f"It has: {far.server.model}" in reply.json()["error"]["message"]
    assert far.api.get("v1/models/other").json()["state"] == "failed"


@whole_or_streamed
@in_dialects
def test_a_wrong_key(far: Far, dialect: Dialect, stream: bool) -> None:
    far.register("locked", key="WRONG_KEY")
    body = dialect.body(QUESTION) | {"model": "locked", "stream": stream}
    reply = far.api.post(dialect.path, json=body)
    if far.kind.has_keys:
        assert (reply.status_code, error_code(reply)) == (502, "upstream_unauthorized")
        assert "sk-" not in reply.text
        load = far.api.post("v1/models/locked/load", json={})
        assert error_code(load) == "upstream_unauthorized"
    else:
        assert reply.is_success, reply.text


@whole_or_streamed
def test_an_image_for_a_model_without_vision(far: Far, stream: bool) -> None:
    text = {"type": "text", "text": "What is this?"}
    image: dict[str, Any] = {"type": "image_url"}
    image["image_url"] = {"url": f"data:image/png;base64,{PNG}"}
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    limits = {"max_tokens": 4, "stream": stream}
    for path, part in (
        ("v1/chat/completions", image),
        ("v1/messages", {"type": "image", "source": source}),
    ):
        messages = [{"role": "user", "content": [text, part]}]
        reply = far.post(path, {"messages": messages, **limits})
        if far.kind.image is None:
            assert reply.is_success, reply.text  # about the text alone
        else:
            assert error_code(reply) == far.kind.image, reply.text


def test_a_sampling_parameter_that_openai_does_not_have(far: Far) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    reply = far.post("v1/messages", {"messages": messages, "max_tokens": 4, "top_k": 3})
    if far.kind.has_top_k:
        assert reply.is_success, reply.text
    else:
        assert error_code(reply) == "upstream_refused"
        assert "top_k" in reply.json()["error"]["message"]


def test_a_wrong_value(far: Far) -> None:
    """It is the upstream's to refuse it. All do, with our code."""
    reply = far.post("v1/chat/completions", {"messages": "Hi", "max_tokens": 4})
    assert error_code(reply) in ("upstream_refused", "invalid_parameter", "upstream_error")
    assert reply.status_code != 500
