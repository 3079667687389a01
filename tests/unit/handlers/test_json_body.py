"""Test decoding the bodies of requests."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from a3s_power_jupyter.contract.errors import InvalidJSON, InvalidParameter
from a3s_power_jupyter.handlers.json_body import MAX_BRACKETS, decode_object


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


def test_deep_nesting() -> None:
    with pytest.raises(InvalidJSON):
        decode_object(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert gc.isenabled()


def test_the_number_of_brackets_is_limited() -> None:
    most = b'{"a": [' + b",".join([b"[]"] * (MAX_BRACKETS - 2)) + b"]}"
    assert len(decode_object(most)["a"]) == MAX_BRACKETS - 2
    for piece in (b"[]", b"{}"):
        with pytest.raises(InvalidParameter, match="1,048,576 opening brackets"):
            decode_object(b'{"a": [' + b",".join([piece] * MAX_BRACKETS) + b"]}")


def test_the_garbage_collector_does_not_run_while_a_body_is_decoded() -> None:
    runs: list[str] = []

    def count(phase: str, info: dict[str, int]) -> None:
        runs.append(phase)

    body = b'{"a": [' + b",".join([b"[]"] * 500_000) + b"]}"
    gc.callbacks.append(count)
    try:
        decode_object(body)
    finally:
        gc.callbacks.remove(count)
    assert len(runs) <= 4  # one collection when it is enabled again, not hundreds
    assert gc.isenabled()


def test_the_garbage_collector_is_on_after_concurrent_decodes() -> None:
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(decode_object, [b'{"a": [[], {}]}'] * 2000))
    assert gc.isenabled()
