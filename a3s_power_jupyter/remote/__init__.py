"""Models behind an OpenAI-compatible server: asked over HTTP, in the server process, no worker."""

from __future__ import annotations

from .upstreams import Upstreams

__all__ = ["Upstreams"]
