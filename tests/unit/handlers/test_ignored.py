"""Test naming the ignored fields of requests. The names are untrusted."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.handlers.ignored import MAX_HEADER, describe, header_value, ignored_fields
from a3s_power_jupyter.handlers.openai.fields import ALIASES, ChatFields, EmbeddingFields
from a3s_power_jupyter.handlers.openai.refused import REFUSED


def ignored(**body: Any) -> list[str]:
    return list(ignored_fields({"model": "m"} | body, ChatFields, ALIASES, REFUSED))


def test_fields_that_are_read_or_null_are_not_named() -> None:
    read = {"messages": [], "temperature": 1, "repetition_penalty": 1, "modalities": ["text"]}
    assert ignored(**read, cache_prompt=None, stream_options={"include_usage": True}) == []


def test_ignored_fields_are_named_in_their_order() -> None:
    assert ignored(user="ada", cache_prompt=True, stream_options={"x": 1, "y": None}) == [
        "user",
        "cache_prompt",
        "stream_options.x",
    ]
    assert list(ignored_fields({"repetition_penalty": 1}, EmbeddingFields)) == [
        "repetition_penalty"
    ]


@pytest.mark.parametrize(
    ("names", "header"),
    [
        ([], ""),
        (["a", "stream_options.b-c"], "a, stream_options.b-c"),
        (["a, b", "c\r\nSet-Cookie: d", "\0"], "a%2C%20b, c%0D%0ASet-Cookie%3A%20d, %00"),
        (["ü", "\ud800", ""], '%C3%BC, %3F, ""'),
        (["x" * 100], "x" * 64),
    ],
)
def test_names_in_the_header_are_encoded(names: list[str], header: str) -> None:
    assert header_value(iter(names)) == header
    assert header.isascii()


def test_the_header_is_short() -> None:
    names = [f"{i}{'é' * 1000}" for i in range(100_000)]
    header = header_value(iter(names))
    assert len(header) <= MAX_HEADER + 5
    assert header.endswith(", ...")
    assert len(describe(iter(names), ChatFields)) < 10_000


def test_the_log_has_suggestions_and_no_control_characters() -> None:
    text = describe(iter(["temprature", "a\nb", "xyz"]), ChatFields)
    assert text == r"'temprature' (did you mean 'temperature'?), 'a\nb', 'xyz'"
