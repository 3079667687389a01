"""Replies that no replica gives, such as errors in the form of the client's API."""

from __future__ import annotations

from typing import Any

import msgspec

from ..contract.errors import PowerError
from ..handlers.anthropic import errors as anthropic
from ..handlers.ollama import errors as ollama
from .headers import Headers, header


def error_reply(error: PowerError, path: str, headers: Headers) -> tuple[int, Headers, bytes]:
    """Return the status, the headers and the body of the reply to a request that fails.

    Parameters
    ----------
    error : PowerError
    path : str
        The decoded path of the request.
    headers : list
        The headers of the request.
    """
    reply, body = json_reply(_body(error, path, headers))
    if error.retry_after is not None:
        reply.append((b"retry-after", str(error.retry_after).encode()))
    return error.status, reply, body


def is_anthropic(headers: Headers) -> bool:
    """Return whether a request is one of Anthropic's API, which shares paths with OpenAI's."""
    return bool(header(headers, anthropic.VERSION.encode()))


def json_reply(content: dict[str, Any]) -> tuple[Headers, bytes]:
    """Return the headers and the body of a reply with this content."""
    body = msgspec.json.encode(content)
    length = str(len(body)).encode()
    return [(b"content-type", b"application/json"), (b"content-length", length)], body


def _body(error: PowerError, path: str, headers: Headers) -> dict[str, Any]:
    if path.startswith("/api/"):
        return ollama.error_body(error)
    if path.startswith("/v1/messages") or is_anthropic(headers):
        return anthropic.error_body(error, anthropic.new_request_id())
    return {"error": error.to_wire()}
