"""Python client of the REST API (runs in kernels)."""

from __future__ import annotations

from ..contract.types import Reading, Timings
from .answers import Reply
from .calls import ToolCall
from .chat import ChatStream, Piece
from .client import Client, connect
from .health import Health
from .ranking import Match, Ranking
from .search_methods import HubModels, Repository
from .tool_loop import Round, ToolReply
from .tools import ToolResult
from .usage import Usage

__all__ = [
    "ChatStream",
    "Client",
    "Health",
    "HubModels",
    "Match",
    "Piece",
    "Ranking",
    "Reading",
    "Reply",
    "Repository",
    "Round",
    "Timings",
    "ToolCall",
    "ToolReply",
    "ToolResult",
    "Usage",
    "connect",
]
