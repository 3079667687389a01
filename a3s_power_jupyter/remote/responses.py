"""What comes back from an upstream: JSON, events, and errors, none of which is trusted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec

from ..contract.errors import (
    BY_CODE,
    ContextLengthExceeded,
    InvalidParameter,
    PowerError,
    ServerBusy,
    UnsupportedRequestFields,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnauthorized,
)
from ..contract.sse import EventParser

#: Bytes of a whole reply, and of one event; vectors of 2,048 texts as JSON stay below.
MAX_REPLY_BYTES = 256 * 1024 * 1024
MAX_EVENT_BYTES = 16 * 1024 * 1024
#: Bytes of an error's body that are looked at, and characters of its message that are shown.
MAX_ERROR_BYTES = 64 * 1024
MAX_MESSAGE = 500

#: Bytes above which JSON is decoded in a thread.
LARGE_JSON = 256 * 1024

#: Errors of the contract that mean the same for the client when an upstream of our kind says them.
_SHARED = (ContextLengthExceeded, InvalidParameter, UnsupportedRequestFields)


async def read_limited(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    """All of `chunks`, at most `limit` bytes.

    Raises
    ------
    UpstreamError
        There are more.
    """
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise UpstreamError(f"The upstream's reply is larger than {limit:,} bytes.")
    return bytes(body)


async def decode_reply(body: bytes) -> dict[str, Any]:
    """The JSON object of a whole reply.

    Raises
    ------
    UpstreamError
    """
    if len(body) > LARGE_JSON:
        return await asyncio.to_thread(_decode, body)
    return _decode(body)


def _decode(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise no_api("no JSON object")
    return value


def no_api(what: str) -> UpstreamError:
    return UpstreamError(
        f"The upstream answered with {what}. Is its base_url the one of an OpenAI-compatible API "
        "(it mostly ends in /v1)?"
    )


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any], None]:
    """The JSON events of an SSE reply, each as soon as it is whole, until ``[DONE]``.

    Raises
    ------
    UpstreamError
        The stream ended before its end, an event is no JSON, or it was an error.
    """
    parser = EventParser()
    finished = False
    async for chunk in chunks:
        events = parser.feed(chunk)
        if parser.pending_bytes > MAX_EVENT_BYTES:
            raise UpstreamError(f"An event of the upstream is over {MAX_EVENT_BYTES:,} bytes.")
        for data in events:
            if data.strip() == b"[DONE]":
                return
            event = await decode_reply(data)
            if event.get("error"):
                raise UpstreamError(f"The upstream broke off: {_message(event)}")
            finished = finished or _ends(event)
            yield event
    if not finished:
        raise UpstreamError("The upstream ended its stream in the middle of the answer. Ask again.")


def _ends(event: dict[str, Any]) -> bool:
    choices = event.get("choices")
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
    )


def refusal(status: int, headers: dict[str, str], body: bytes) -> PowerError:
    """The error of the contract for a reply that is none of success.

    What an upstream says of credentials is about the server's key for it, never about the
    client's, so it is no 401 or 403 of ours.
    """
    said = _message(_object(body)) or "it does not say why."
    if status in (401, 403):
        return UpstreamUnauthorized(
            f"The upstream refused this server's key: {said} Look at upstream.api_key_env."
        )
    if status in (429, 503):
        return ServerBusy(f"The upstream is busy: {said}", retry_after=_seconds(headers))
    if status in (408, 504):
        return UpstreamTimeout(f"The upstream gave up waiting: {said}")
    if 400 <= status < 500:
        return _refused(_object(body), said)
    return UpstreamError(f"The upstream failed with HTTP status {status}: {said}")


def _refused(body: dict[str, Any], said: str) -> PowerError:
    error = body.get("error")
    if isinstance(error, dict):
        code, param = error.get("code"), error.get("param")
        shared = BY_CODE.get(code) if isinstance(code, str) else None
        if shared in _SHARED:
            return shared(said, param=param if isinstance(param, str) else None)
    return UpstreamRefused(f"The upstream refused the request: {said}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _message(body: dict[str, Any]) -> str:
    """What an error body says: OpenAI's ``error.message``, or a plain ``error``, ``message`` or
    ``detail``, as FastAPI and gateways have it."""
    error = body.get("error")
    if isinstance(error, dict):
        error = error.get("message")
    for said in (error, body.get("message"), body.get("detail")):
        if isinstance(said, str) and said.strip():
            return said.strip()[:MAX_MESSAGE]
    return ""


def _seconds(headers: dict[str, str]) -> int | None:
    value = headers.get("retry-after", "")
    return min(int(value), 3600) if value.isascii() and value.isdecimal() and value else None
