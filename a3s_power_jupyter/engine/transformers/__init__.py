"""The engine for chat and vision models in safetensors, on transformers."""

from __future__ import annotations

from .engine import TransformersEngine

__all__ = ["TransformersEngine"]
