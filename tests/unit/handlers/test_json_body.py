"""Test decoding the bodies of requests."""

from __future__ import annotations

import gc
import json
import re
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3s_power_jupyter.contract.errors import InvalidJSON, InvalidParameter
from a3s_power_jupyter.handlers import json_body
from a3s_power_jupyter.handlers.json_body import LARGE_BODY, LIMITS, decode_body, decode_object


def test_an_object() -> None:
    assert decode_object(b' {"a": [1, {"b": null}]} ') == {"a": [1, {"b": None}]}
    assert decode_object(bytearray(b"{}")) == {}


@pytest.mark.parametrize(
    "body", [b"[]", b"1", b"{", b'{"a": 1e999}', b'{"a": ' + b"9" * 5000 + b"}", b'{"a": NaN}']
)
def test_other_bodies(body: bytes) -> None:
    with pytest.raises(InvalidJSON) as caught:
        decode_object(body)
    assert len(caught.value.message) < 200
    assert gc.isenabled()


@pytest.mark.parametrize("body", [b'{"a": 1}', b"", b" \n"])
def test_a_byte_order_mark_is_skipped(body: bytes) -> None:
    plain = decode_body(bytearray(body), "application/json")
    assert decode_body(bytearray(b"\xef\xbb\xbf" + body), "application/json") == plain
    with pytest.raises(InvalidJSON):
        decode_body(b"\xef\xbb\xbf" * 2 + b"{}", "application/json")


@pytest.mark.parametrize(
    "body",
    [b'{"a": "\xff"}', b'{"\xc3": 1}', b'{"a": "\xed\xa0\x80"}', b"{}\xff", b"\xff\xfe{\0}\0"],
)
def test_other_encodings_than_utf8(body: bytes) -> None:
    for padding in (b"", b" " * LARGE_BODY):
        with pytest.raises(InvalidJSON):
            decode_object(body + padding)


def test_a_body_that_is_not_utf8_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidJSON, match="Encode it as UTF-8"):
        decode_object(b'{"a": "\xff"}')


def test_deep_nesting() -> None:
    with pytest.raises(InvalidJSON, match="nested too deeply"):
        decode_object(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert gc.isenabled()


PADDING = b'"' + b"x" * LARGE_BODY + b'"'

#: Values of which a body may have the number that `LIMITS` has.
REPEATED = {
    "values": b"1",
    "arrays and objects": b"{}",
    "fields": b'{"b":1,"c":1,"d":1}',
    "decimal points": b"1.5",
    "numbers with an exponent": b"1.5e300",
    "numbers of more than 100 characters": b"1" * 101,
}


def array(value: bytes, count: int) -> bytes:
    return b'{"a":[' + PADDING + (b"," + value) * count + b"]}"


@pytest.mark.parametrize("what", LIMITS)
def test_values_that_take_long_to_decode_are_limited(what: str) -> None:
    limit = LIMITS[what]
    with pytest.raises(InvalidParameter, match=what):
        decode_object(array(REPEATED[what], limit + 1))


@pytest.mark.parametrize("what", ["values", "arrays and objects", "decimal points"])
def test_as_many_values_as_allowed(what: str) -> None:
    count = LIMITS[what] - 10
    assert len(decode_object(array(REPEATED[what], count))["a"]) == count + 1


@pytest.mark.parametrize(
    "text", ["[" * 200_000, ':,{"' * 200_000, "\\" * 300_001, '"\\"' * 99_999, "1e9 é\n" * 200_000]
)
@pytest.mark.parametrize("shift", range(3))
def test_texts_are_not_limited(text: str, shift: int) -> None:
    body = json.dumps({"a": "x" * shift, text: [text, "", 1]}).encode()
    assert len(body) > LARGE_BODY
    assert decode_object(body) == {"a": "x" * shift, text: [text, "", 1]}


@given(
    st.recursive(
        st.text() | st.integers(-9, 9), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_structure_is_counted_outside_of_strings(value: object) -> None:
    """In pieces of every size, as many values are found as there are without any string."""
    body = msgspec.json.encode([value, value])
    expected = re.sub(rb'"(\\.|[^"\\])*"', b"", body)
    for size in (1, 2, 3, 7):
        assert b"".join(json_body._outside_strings(body, size)) == expected


def test_the_garbage_collector_does_not_run_while_a_body_is_decoded() -> None:
    runs: list[str] = []

    def count(phase: str, info: dict[str, int]) -> None:
        runs.append(phase)

    body = b'{"a": [' + b",".join([b"[]"] * 100_000) + b"]}"
    gc.callbacks.append(count)
    try:
        decode_object(body)
    finally:
        gc.callbacks.remove(count)
    assert len(runs) <= 4  # one collection when it is enabled again, not hundreds
    assert gc.isenabled()


def test_the_garbage_collector_is_on_after_concurrent_decodes() -> None:
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(decode_object, [array(b"[]", 1)] * 2000))
    assert gc.isenabled()
