"""Store models on disk: manifests, blobs and readers of model files."""

from __future__ import annotations

from .model_store import ModelStore

__all__ = ["ModelStore"]
