"""What is on disk: manifests, blobs, and what the headers of model files say."""

from __future__ import annotations

from .model_store import ModelStore

__all__ = ["ModelStore"]
