"""Handler of ``/v1/hub/recommended``."""

from __future__ import annotations

from .auth import allowed
from .base import PowerHandler
from .hub import MAX_NUM_CTX, MIN_NUM_CTX


class RecommendedHandler(PowerHandler):
    @allowed("read")
    async def get(self) -> None:
        """List models to begin with, and say which of their quantizations fit this machine."""
        num_ctx = self.number("num_ctx", MIN_NUM_CTX, MAX_NUM_CTX)
        self.finish_json(await self.service.recommended.models(num_ctx))
