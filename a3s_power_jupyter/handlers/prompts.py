"""Handler of ``/v1/assistant/prompts``."""

from __future__ import annotations

from .auth import allowed
from .base import PowerHandler


class PromptsHandler(PowerHandler):
    @allowed("read")
    async def get(self) -> None:
        """Reply with the prompts of the assistant."""
        self.finish_json(self.service.prompts.get())
