"""The engine for embedding models of transformers and sentence-transformers."""

from __future__ import annotations

from .engine import EmbeddingEngine

__all__ = ["EmbeddingEngine"]
