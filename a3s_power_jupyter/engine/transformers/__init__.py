"""Models as transformers runs them: those that are not GGUF and are not made into it."""

from __future__ import annotations

from .engine import TransformersEngine

__all__ = ["TransformersEngine"]
