"""Helpers shared by the engines."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.engine.base import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\nsecond"), "first"),
        (ValueError("\n  indented"), "indented"),
        (
            ValueError("Invalid field 'x':\n    TypeError: not a number\nmore"),
            "Invalid field 'x': TypeError: not a number",
        ),
        (MemoryError(), "MemoryError"),
        (ValueError("x" * 1000), "x" * 300),
    ],
)
def test_first_line_of_an_error(error: Exception, line: str) -> None:
    assert first_line(error) == line
