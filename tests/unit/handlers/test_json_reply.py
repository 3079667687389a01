"""Test encoding replies, and events of streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest

from a3s_power_jupyter.handlers.json_reply import encode_line, encode_pieces

#: All characters at which `str.splitlines` ends a line, and some that are close to them in UTF-8.
TEXT = "a\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029 \x84\u2027\xc5\\u2028\U0001f600"


def test_the_pieces_are_the_json_of_the_value() -> None:
    value = {"a": [1, {"b": None}], 'quoted "key"': {}, "é": {"c": {"d": 0.5}}, "e": "text"}
    assert msgspec.json.decode(b"".join(encode_pieces(value))) == value
    assert b"".join(encode_pieces([1, 2])) == b"[1,2]"


def test_iterators_are_arrays() -> None:
    value = {
        "none": iter([]),
        "one": iter([1]),
        "nested": ({"n": iter(range(n))} for n in range(3)),
    }
    assert msgspec.json.decode(b"".join(encode_pieces(value))) == {
        "none": [],
        "one": [1],
        "nested": [{"n": []}, {"n": [0]}, {"n": [0, 1]}],
    }


def test_items_are_made_one_at_a_time() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    pieces = encode_pieces({"items": items()})
    assert made == []
    while next(pieces) != b"1":
        pass
    assert made == [0, 1]


@pytest.mark.parametrize("value", [TEXT, {TEXT: [TEXT]}, msgspec.Raw(msgspec.json.encode(TEXT))])
def test_an_event_is_one_line_for_all_clients(value: Any) -> None:
    line = encode_line(value)
    assert len(line.decode().splitlines()) == 1
    assert json.loads(line) == msgspec.json.decode(msgspec.json.encode(value))
    reply = httpx2.Response(200, content=line + b"\n" + line + b"\n")
    assert [*reply.iter_lines()] == [line.decode()] * 2
