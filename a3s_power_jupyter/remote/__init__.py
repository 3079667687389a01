"""Forward the requests of remote models to OpenAI-compatible servers."""

from __future__ import annotations

from .upstreams import Upstreams

__all__ = ["Upstreams"]
