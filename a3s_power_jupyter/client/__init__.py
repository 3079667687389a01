"""Python client of the REST API (runs in kernels)."""

from __future__ import annotations

from ..contract.types import Reading, Timings
from .answers import Reply, Usage
from .chat import ChatStream
from .client import Client, connect
from .health import Health

__all__ = ["ChatStream", "Client", "Health", "Reading", "Reply", "Timings", "Usage", "connect"]
