"""Pulls: models that come from the hub."""

from __future__ import annotations

from typing import Any

from ..contract.errors import PowerError
from ..contract.parameters import check
from ..contract.types import PullRequest
from .auth import allowed
from .base import PowerHandler
from .event_stream import EventStreamHandler
from .models import ModelHandler


class PullsHandler(ModelHandler, EventStreamHandler):
    """``/v1/models/pull``; DELETE is about a model that is called ``pull``."""

    @allowed("read")
    async def get(self, name: str) -> None:
        """All pulls, by name."""
        self.finish_json({"object": "list", "data": await self.service.pulls.all()})

    @allowed("write")
    async def post(self, name: str) -> None:
        """Pull a model: a stream of events, or, with `background`, the status at once."""
        request = check(self.json_body(), PullRequest)
        if request.background:
            self.finish_json(await self.service.pulls.pull_in_background(request), status=202)
        else:
            await self.stream(self.service.pulls.pull(request))

    def error_event(self, error: PowerError) -> dict[str, Any]:
        return {"status": "error", "error": error.to_wire()}


class PullHandler(PowerHandler):
    @allowed("read")
    async def get(self, name: str) -> None:
        """A model whose name begins with ``pull/``; the pull has ``/status``."""
        self.finish_json(await self.service.catalog.model(f"pull/{name}"))

    @allowed("write")
    async def delete(self, name: str) -> None:
        """Cancel a pull; ``?keep_partial=true`` keeps what was downloaded."""
        keep = self.flag("keep_partial")
        self.finish_json(await self.service.pulls.cancel(name, keep_partial=keep))


class PullStatusHandler(PowerHandler):
    @allowed("read")
    async def get(self, name: str) -> None:
        self.finish_json(await self.service.pulls.status(name))


class PausePullHandler(PowerHandler):
    @allowed("write")
    async def post(self, name: str) -> None:
        """Stop a pull; the same pull takes it up again."""
        self.finish_json(await self.service.pulls.pause(name))
