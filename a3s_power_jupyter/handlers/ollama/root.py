"""Handlers of ``/`` and of unknown routes in ``jupyter power``."""

from __future__ import annotations

from jupyter_server.utils import url_path_join

from ..auth import allowed
from ..system import UnknownRouteHandler
from .errors import OllamaHandler


class RootHandler(OllamaHandler):
    """Tells clients of Ollama that a server runs. Browsers are sent to the list of models."""

    @allowed("read")
    async def get(self) -> None:
        if "text/html" in self.request.headers.get("Accept", ""):
            query = f"?{self.request.query}" if self.request.query else ""
            self.redirect(url_path_join(self.base_url, "v1/models") + query)
        else:
            self.finish("Ollama is running", set_content_type="text/plain")


class UnknownOllamaHandler(OllamaHandler, UnknownRouteHandler):
    """Other routes under ``/api``. A notebook server has its own there."""

    known = (
        "/api/chat, /api/generate, /api/embed, /api/tags, /api/ps, /api/show, /api/pull, "
        "/api/create, /api/copy, /api/delete and /api/version"
    )
