"""Test the removal of control sequences."""

from __future__ import annotations

import time

import pytest

from a3s_power_jupyter.contract.errors import ModelNotFound, from_wire
from a3s_power_jupyter.contract.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc é 中 \u2028", "a\tb\nc é 中 \u2028"),
        ("a\r\nb\x00c\x08\x7f", "a\nbc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;2;1;2;3mred\x1b[?25l", "red"),
        ("\x9b31mred\x9b0m", "red"),
        ("\x1b]0;title\x07a\x1b]52;c;aGk=\x1b\\b", "ab"),
        ("\x1b]8;;https://a.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\a\x90q\x9cb", "ab"),
        ("\x1b(B\x1b=\x1bca\x1b7", "a"),
        ("a\x1b]0;never ends", "a]0;never ends"),
        ("a\x1b[\nb", "a[\nb"),
        ("\x1b\x1b[31m\x1b", ""),
        ("\x1b]0;\x1b[31m\x07a", "]0;a"),
        ("\x80\x85\x9f a", " a"),
    ],
)
def test_control_sequences_are_removed(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "piece", ["\x1b", "\x1b[", "\x1b]", "\x1b]a", "\x9d\x9b", "\x1b[1;", "\x90 "]
)
def test_removal_is_linear(piece: str) -> None:
    started = time.perf_counter()
    printable(piece * 300_000)
    assert time.perf_counter() - started < 3


def test_messages_of_errors_are_printable() -> None:
    error = from_wire({"code": "model_not_found", "message": "No \x1b]0;x\x07model\x1b[2J 'a'."})
    assert isinstance(error, ModelNotFound)
    assert str(error) == error.message == error.to_wire()["message"] == "No model 'a'."
