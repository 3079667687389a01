"""Handler of the version of Ollama's API."""

from __future__ import annotations

from ... import __version__
from ..auth import allowed
from .errors import OllamaHandler

#: The version of Ollama with this API. Clients refuse servers with an older one than they need.
OLLAMA_VERSION = "0.14.0"


class VersionHandler(OllamaHandler):
    @allowed("read")
    async def get(self) -> None:
        """Reply with the version of the API, and of this server."""
        self.finish_json({"version": OLLAMA_VERSION, "a3s_power": __version__})
