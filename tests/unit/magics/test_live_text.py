"""Test text that is updated while a cell runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from a3s_power_jupyter.magics import live_text
from a3s_power_jupyter.magics.live_text import NotebookText


class Display:
    """Replaces IPython's `display` and the handle it returns."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, bundle: dict[str, str], **_options: Any) -> Display:
        self.update(bundle)
        return self

    def update(self, bundle: dict[str, str], **_options: Any) -> None:
        self.texts.append(bundle["text/markdown"])


def test_a_notebook_is_updated_at_most_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    display, now = Display(), 0.0
    monkeypatch.setattr(live_text, "display", display)
    monkeypatch.setattr(live_text, "time", SimpleNamespace(monotonic=lambda: now))
    with NotebookText() as text:
        for token in range(100):
            now = token / 64
            text.update("x" * (token + 1))
    assert len(display.texts) == 16  # in 99/64 seconds, including the first and the last
    assert display.texts[0] == "x"
    assert display.texts[-1] == "x" * 100
    text.update("x" * 100)
    text.finish()
    assert len(display.texts) == 16
