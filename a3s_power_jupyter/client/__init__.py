"""Python client of the REST API (runs in kernels)."""

from __future__ import annotations

from .client import Client, connect
from .results import ChatStream, Health, Reply, Usage

__all__ = ["ChatStream", "Client", "Health", "Reply", "Usage", "connect"]
