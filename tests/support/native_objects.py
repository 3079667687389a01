"""Count the native objects of llama.cpp that are created and freed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest


class NativeObjects:
    """The objects that exist, by the function that frees them.

    Parameters
    ----------
    functions : dict
        Functions that create objects -> the function that frees them, all of `module`.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, module: Any, functions: dict[str, str]
    ) -> None:
        self.alive: Counter[str] = Counter()
        self.created = 0
        for create, free in functions.items():
            monkeypatch.setattr(module, create, self._counted(getattr(module, create), free, 1))
        for free in set(functions.values()):
            monkeypatch.setattr(module, free, self._counted(getattr(module, free), free, -1))

    def _counted(self, function: Any, free: str, step: int) -> Any:
        def call(*arguments: Any) -> Any:
            result = function(*arguments)
            if step < 0 or result:
                self.alive[free] += step
                self.created += max(step, 0)
            return result

        return call

    @property
    def count(self) -> int:
        assert min(self.alive.values(), default=0) >= 0, "an object was freed twice"
        return self.alive.total()
