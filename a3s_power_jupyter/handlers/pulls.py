"""Handlers of ``/v1/models/pull``."""

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
    """``/v1/models/pull``. DELETE, which `ModelHandler` defines, deletes a model named ``pull``."""

    @allowed("read")
    async def get(self, name: str) -> None:
        """List all pulls, sorted by name."""
        self.finish_json({"object": "list", "data": await self.service.pulls.all()})

    @allowed("write")
    async def post(self, name: str) -> None:
        """Pull a model and stream its events, or reply with its status if `background` is set."""
        request = await self.decode(lambda: check(self.json_body(), PullRequest))
        if request.background:
            self.finish_json(await self.service.pulls.pull_in_background(request), status=202)
        else:
            await self.stream(self.service.pulls.pull(request))

    def error_events(self, error: PowerError) -> list[Any]:
        return [{"status": "error", **self.error_body(error)}]


class PullHandler(PowerHandler):
    @allowed("read")
    async def get(self, name: str) -> None:
        """Show a model with a name that begins with ``pull/``."""
        self.finish_json(await self.service.catalog.model(f"pull/{name}"))

    @allowed("write")
    async def delete(self, name: str) -> None:
        """Cancel a pull; ``?keep_partial=true`` keeps the downloaded bytes."""
        keep = self.flag("keep_partial")
        self.finish_json(await self.service.pulls.cancel(name, keep_partial=keep))


class PullStatusHandler(PowerHandler):
    @allowed("read")
    async def get(self, name: str) -> None:
        self.finish_json(await self.service.pulls.status(name))


class PausePullHandler(PowerHandler):
    @allowed("write")
    async def post(self, name: str) -> None:
        """Pause a pull; the same pull request resumes it."""
        await self.check_no_fields()
        self.finish_json(await self.service.pulls.pause(name))
