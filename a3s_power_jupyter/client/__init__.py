"""Python client of the REST API (runs in kernels)."""

from __future__ import annotations

from ..contract.types import Reading, Timings
from .client import Client, connect
from .results import ChatStream, Health, Reply, Usage

__all__ = ["ChatStream", "Client", "Health", "Reading", "Reply", "Timings", "Usage", "connect"]
