"""The base class of the handlers of Ollama's API: its errors and its streams."""

from __future__ import annotations

from typing import Any

from ...contract.errors import PowerError
from ..event_stream import LinesHandler


def error_body(error: PowerError) -> dict[str, Any]:
    """Return the message as ``error``, where Ollama's clients look for it, and its details."""
    wire = error.to_wire()
    return {"error": wire.pop("message"), **wire}


class OllamaHandler(LinesHandler):
    """Replies with JSON or with lines of JSON, also to requests without a content type.

    The examples in Ollama's documentation are ``curl -d``, which declares a form. Protection from
    other web pages does not depend on the type: see `AuthHandler`.
    """

    def json_body(self) -> dict[str, Any]:
        """Like `PowerHandler.json_body`, but a body is JSON whatever its type is said to be."""
        self.request.headers["Content-Type"] = "application/json"
        return super().json_body()

    def is_last(self, event: Any) -> bool:
        return bool(event.get("done")) or event.get("status") == "success" or "error" in event

    def error_body(self, error: PowerError) -> dict[str, Any]:
        return error_body(error)
