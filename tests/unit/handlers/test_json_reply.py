"""Test encoding replies in pieces."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from a3s_power_jupyter.handlers.json_reply import encode_pieces


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
