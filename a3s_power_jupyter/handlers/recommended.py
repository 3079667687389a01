"""Handler of ``/v1/hub/recommended``."""

from __future__ import annotations

from ..contract.parameters import LoadParameters, check
from .auth import allowed
from .base import PowerHandler


class RecommendedHandler(PowerHandler):
    @allowed("read")
    async def get(self) -> None:
        """List models to begin with, and say which of their quantizations fit this machine."""
        num_ctx = self.get_query_argument("num_ctx", "")
        # A text that is not a number is refused with the message for other types.
        value = int(num_ctx) if num_ctx.isdecimal() and len(num_ctx) < 12 else num_ctx
        parameters = check({"num_ctx": value} if num_ctx else {}, LoadParameters)
        given = parameters.num_ctx
        self.finish_json(
            await self.service.recommended.models(given if isinstance(given, int) else None)
        )
