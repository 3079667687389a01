"""The errors of cells as text for a model."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.magics.failures import MAX_ERROR, as_text


class Silent(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    "error",
    [
        Exception("x" * 1_000_000 + "the end"),
        SyntaxError("x" * 1_000_000 + "the end", ("f", 1, 1, "y" * 1_000_000, 1, 2)),
        ExceptionGroup("several", [ValueError("x" * 1_000_000)] * 10 + [KeyError("the end")]),
    ],
)
def test_a_long_error_is_cut_in_the_middle(error: Exception) -> None:
    text = as_text(error)
    assert len(text) < MAX_ERROR + 100
    assert "\n[...]\n" in text
    assert "the end" in text


def test_an_error_without_text_has_its_type() -> None:
    assert "Silent" in as_text(Silent())
