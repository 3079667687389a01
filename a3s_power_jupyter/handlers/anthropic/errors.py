"""The errors of Anthropic's API."""

from __future__ import annotations

import uuid
from typing import Any

from ...contract.errors import PowerError, ServerBusy, UnsupportedRequestFields
from ..error_replies import ErrorHandler

#: The header with the identifier of a reply, as clients show it.
REQUEST_ID = "request-id"

#: The header that all of Anthropic's clients send.
VERSION = "anthropic-version"

#: Anthropic's code for a request that needs a conversation to be kept by the server. After it, the
#: runner of tools in Anthropic's package sends all messages.
THREADS_UNSUPPORTED = "thread_unsupported_request"

#: Anthropic's types of errors by status. Others of less than 500 are ``invalid_request_error``.
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


def new_request_id() -> str:
    return f"req_{uuid.uuid4().hex}"


def error_body(error: PowerError, request_id: str) -> dict[str, Any]:
    """Return the JSON of an error: Anthropic's fields, and ours beside them.

    ``details.error_code`` is where Anthropic's clients look for a code.
    """
    wire = error.to_wire()
    refuses_threads = isinstance(error, UnsupportedRequestFields) and error.param == "thread"
    details = {"error_code": THREADS_UNSUPPORTED if refuses_threads else error.code}
    return {
        "type": "error",
        "error": wire | {"type": _type(error), "details": details},
        "request_id": request_id,
    }


def _type(error: PowerError) -> str:
    if isinstance(error, ServerBusy):
        return "overloaded_error"
    fallback = "api_error" if error.status >= 500 else "invalid_request_error"
    return _TYPES.get(error.status, fallback)


class AnthropicErrors(ErrorHandler):
    """A handler with errors in Anthropic's shape. Each reply has an identifier."""

    @property
    def is_anthropic(self) -> bool:
        """Whether the reply has the form of Anthropic's API."""
        return True

    @property
    def request_id(self) -> str:
        made: str = self.__dict__.setdefault("_request_id", new_request_id())
        return made

    def set_default_headers(self) -> None:
        super().set_default_headers()
        if self.is_anthropic:
            self.set_header(REQUEST_ID, self.request_id)

    def error_body(self, error: PowerError) -> dict[str, Any]:
        if not self.is_anthropic:
            return super().error_body(error)
        return error_body(error, self.request_id)


class SharedRoute(AnthropicErrors):
    """A handler of a path that is also one of OpenAI's API. A header tells which one is meant."""

    @property
    def is_anthropic(self) -> bool:
        return VERSION in self.request.headers
