"""The client: a runtime of some Jupyter server, reached over REST."""

from __future__ import annotations

from .client import Client, connect
from .results import ChatStream, Reply, Usage

__all__ = ["ChatStream", "Client", "Reply", "Usage", "connect"]
