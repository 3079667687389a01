"""The children that the watcher of child processes is told about."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from a3s_power_jupyter.ipc.lifetime import Watcher


def test_a_child_that_the_watcher_could_not_add_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watcher = Watcher()

    def fail() -> NoReturn:
        raise OSError("no process can be started")

    written: list[str] = []
    monkeypatch.setattr(watcher, "_start", fail)
    with pytest.raises(OSError, match="no process"):
        watcher.add(5)
    started: Any = object()
    monkeypatch.setattr(watcher, "_start", lambda: started)
    monkeypatch.setattr(watcher, "_write", written.append)
    watcher.add(6)
    assert written == ["+6\n"], "the id 5 may be that of another process now"
