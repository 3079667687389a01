"""Embedding models as transformers and sentence-transformers keep them."""

from __future__ import annotations

from .engine import EmbeddingEngine

__all__ = ["EmbeddingEngine"]
