"""Text that changes in place while a cell runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from a3s_power_jupyter.magics import live
from a3s_power_jupyter.magics.live import NotebookLive


class Display:
    """A stand-in for IPython's `display`, and for the handle that it returns."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, bundle: dict[str, str], **_options: Any) -> Display:
        self.update(bundle)
        return self

    def update(self, bundle: dict[str, str], **_options: Any) -> None:
        self.texts.append(bundle["text/markdown"])


def test_a_notebook_is_updated_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, now = Display(), 0.0
    monkeypatch.setattr(live, "display", shown)
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: now))
    with NotebookLive() as place:
        for token in range(100):
            now = token / 64
            place.update("x" * (token + 1))
    assert len(shown.texts) == 16  # in 99/64 seconds, the first and the last included
    assert shown.texts[0] == "x"
    assert shown.texts[-1] == "x" * 100
    place.update("x" * 100)
    place.end()
    assert len(shown.texts) == 16
