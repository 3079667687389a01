"""Handlers of what Ollama has and this server does not."""

from __future__ import annotations

from typing import ClassVar

from ...contract.errors import BodyTooLarge, RouteNotFound
from ..auth import allowed
from .errors import OllamaHandler


class RefusedHandler(OllamaHandler):
    """Answers each POST with the same error. The body is not read.

    Attributes
    ----------
    advice : str
        What is not supported, and what to do instead.
    """

    advice: ClassVar[str]

    @allowed("write")
    async def post(self, *args: str, **kwargs: str) -> None:
        raise RouteNotFound(self.advice)

    def _too_large(self) -> BodyTooLarge:
        """Return the same error for files that are larger than a body may be."""
        return BodyTooLarge(self.advice)


class PushHandler(RefusedHandler):
    advice = "Models cannot be pushed from here. Upload their files with 'hf upload'."


class BlobHandler(RefusedHandler):
    """``/api/blobs/{digest}``, to which clients upload the files of ``/api/create``."""

    advice = (
        "Files cannot be uploaded. Copy them to the server and register them with POST /v1/models, "
        "or pull the model."
    )

    @allowed("read")
    async def head(self, *args: str, **kwargs: str) -> None:
        """Reply that there is no such blob."""
        raise RouteNotFound(self.advice)


class SignoutHandler(RefusedHandler):
    advice = "This server has no account at ollama.com. Nothing is to be signed out."
