"""``%power`` and ``%%power``: local models in notebooks and IPython terminals."""

from __future__ import annotations

from .magics import load, unload

__all__ = ["load", "unload"]
