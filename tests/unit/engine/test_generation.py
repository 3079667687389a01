"""Text streams: stop strings and characters that span tokens."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.engine.generation import TextStream


@pytest.mark.parametrize(
    ("pieces", "stop", "sent"),
    [
        (["a", "b"], (), ["a", "b", ""]),
        (["he", "ll", "o"], ("llo",), ["he", "", "", ""]),
        (["x\n", "\n", "y"], ("\n\n",), ["x", "", "", ""]),
        (["ab", "ac"], ("abd",), ["", "abac", ""]),
        (["one STO", "P two"], ("STOP",), ["one ", "", ""]),
        (["a STO"], ("STOP",), ["a ", "STO"]),
    ],
)
def test_text_is_held_back_only_while_it_may_be_a_stop_string(
    pieces: list[str], stop: tuple[str, ...], sent: list[str]
) -> None:
    stream = TextStream(stop)
    got = ["" if stream.stopped else stream.push(piece.encode()) for piece in pieces]
    assert [*got, stream.finish()] == sent


def test_bytes_are_held_back_until_their_character_is_complete() -> None:
    stream = TextStream(())
    dog = "🐶".encode()
    assert [stream.push(dog[i : i + 1]) for i in range(4)] == ["", "", "", "🐶"]
    stream.push(dog[:2])
    assert stream.finish() == "\ufffd"
