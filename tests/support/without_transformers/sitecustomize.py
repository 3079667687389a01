"""Hide the packages of the extra `transformers`, for a process with this on its PYTHONPATH."""

from __future__ import annotations

from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

_HIDDEN = {"accelerate", "gguf", "torch", "transformers"}
_find_spec = PathFinder.find_spec


def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
    if name.partition(".")[0] in _HIDDEN:
        return None
    return _find_spec(name, path, target)


PathFinder.find_spec = find_spec  # type: ignore[method-assign]
