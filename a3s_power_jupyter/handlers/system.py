"""Handlers of the server's health, its events, and unknown routes."""

from __future__ import annotations

from typing import ClassVar

from ..contract.errors import RouteNotFound
from ..contract.text import quoted
from .auth import allowed
from .base import PowerHandler
from .event_stream import EventStreamHandler


class HealthHandler(PowerHandler):
    @allowed("read")
    async def get(self) -> None:
        """Reply with the health of the server. Configuration problems are among its hints."""
        health = await self.service.health()
        health["hints"] = [*self.context.problems, *health.get("hints", [])]
        self.finish_json(health)


class EventsHandler(EventStreamHandler):
    @allowed("read")
    async def get(self) -> None:
        """Stream a snapshot, then every change, until the client disconnects."""
        await self.stream(self.service.events.stream())


class UnknownRouteHandler(PowerHandler):
    """Replies 404 in JSON to requests that match no other route, after authentication.

    Attributes
    ----------
    known : str
        The routes that exist.
    """

    known: ClassVar[str] = (
        "/v1/models..., /v1/chat/completions, /v1/completions, /v1/responses..., /v1/messages, "
        "/v1/embeddings, /v1/rerank, /v1/tokenize, /v1/hub/..., /v1/assistant/..., /v1/events and "
        "/v1/health"
    )

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if not self._refused and self.request.method != "OPTIONS":
            self.refuse(RouteNotFound(self._no_route()))

    def _no_route(self) -> str:
        path = self.request.path
        if "/v1/v1/" in path:  # Anthropic's clients add /v1 to their base URL, OpenAI's do not
            return f"There is no route {quoted(path)}. Remove /v1 from the client's base URL."
        return f"There is no route {quoted(path)}. The routes are {self.known}."
