"""Read untrusted replies of upstreams: JSON objects, event streams and errors."""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from ..contract.errors import (
    BY_CODE,
    ContextLengthExceeded,
    InvalidParameter,
    PowerError,
    ServerBusy,
    UnsupportedRequestFields,
    UpstreamError,
    UpstreamLoop,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnauthorized,
)
from ..contract.retry_after import parse_retry_after
from ..contract.sse import EventParser
from ..contract.types import Route
from .overflow import is_overflow

if TYPE_CHECKING:
    import httpx2

#: Most bytes of a whole reply; those of embeddings fit the vectors of 2,048 texts as JSON.
MAX_REPLY_BYTES: dict[Route, int] = {
    "embeddings": 256 * 1024 * 1024,
    "chat/completions": 64 * 1024 * 1024,
    "completions": 64 * 1024 * 1024,
    "rerank": 64 * 1024 * 1024,
}
#: Most bytes of a list of models, and of one event.
MAX_LIST_BYTES = 8 * 1024 * 1024
MAX_EVENT_BYTES = 16 * 1024 * 1024
#: Bytes of an error reply to read, and characters of its message to show.
MAX_ERROR_BYTES = 64 * 1024
MAX_MESSAGE = 500

#: Bytes of JSON above which it is decoded in a thread.
LARGE_JSON = 256 * 1024

#: A word of ASCII characters, such as a key, that may be incomplete.
_LAST_WORD = re.compile(r"[\x21-\x7e]+\Z")

_NO_OBJECT = "something other than a JSON object"

#: Shown in place of a message if the upstream sends none.
NO_REASON = "it gives no reason."

#: How messages about a request begin that may have the status 500: of FastAPI about a body that is
#: invalid, and of llama.cpp's server about images for a model without vision.
_INVALID = re.compile(r"\d+ validation errors?:|(image|audio|video) input is not supported")

#: Errors that are passed on to the client if the upstream is an A3S Power server.
_SHARED = (InvalidParameter, UnsupportedRequestFields)


async def read_limited(response: httpx2.Response, limit: int) -> bytearray:
    """Read a whole reply.

    Raises
    ------
    UpstreamError
        If it is larger than `limit` bytes, or not text.
    """
    announced = response.headers.get("content-length", "")
    body, is_utf8 = bytearray(), codecs.getincrementaldecoder("utf-8")().decode
    if not announced.isdecimal() or int(announced[:20]) <= limit:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > limit:
                break
            try:
                is_utf8(chunk)
            except UnicodeDecodeError:
                raise not_an_api(_NO_OBJECT) from None
        else:
            return body
    raise UpstreamError(f"The upstream's reply is larger than {limit:,} bytes.")


async def decode_reply(body: bytes | bytearray) -> dict[str, Any]:
    """Decode the JSON object of a list or an event.

    Raises
    ------
    UpstreamError
        If it is not a JSON object.
    """
    return await _in_thread_if_large(_json_object, body)


async def split_reply(body: bytearray) -> dict[str, Any]:
    """Decode the names of a whole reply's fields, and check the syntax of their values.

    The values remain JSON, because as Python objects they can take 20 times the memory of their
    text. Only ``usage`` is decoded.

    Raises
    ------
    UpstreamError
        If it is not a JSON object.
    """
    reply = await _in_thread_if_large(_raw_object, body)
    usage = reply.get("usage")
    if usage is not None and len(bytes(usage)) <= MAX_ERROR_BYTES:
        with suppress(msgspec.DecodeError):  # a number of thousands of digits is passed on
            reply["usage"] = msgspec.json.decode(usage)
    return reply


async def _in_thread_if_large(
    decode: Callable[[bytes | bytearray], dict[str, Any] | None], body: bytes | bytearray
) -> dict[str, Any]:
    is_large = len(body) > LARGE_JSON
    value = await asyncio.to_thread(decode, body) if is_large else decode(body)
    if value is None:
        raise not_an_api(_NO_OBJECT)
    return value


def not_an_api(what: str) -> UpstreamError:
    return UpstreamError(
        f"The upstream answered with {what}. Check that its base_url is that of an "
        "OpenAI-compatible API; it usually ends in /v1."
    )


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the JSON events of an event stream as they arrive, up to ``[DONE]``.

    Raises
    ------
    NothingSent
        If the stream ends without an event.
    ContextLengthExceeded
        If an event is this error.
    UpstreamError
        If an event is not JSON, is too large or is another error, or if the stream ends early:
        without the reason why the answer is complete.
    """
    parser = EventParser()
    finished = received = False
    async for chunk in chunks:
        events = parser.feed(chunk)
        if parser.pending_bytes > MAX_EVENT_BYTES:
            raise UpstreamError(
                f"An event from the upstream is larger than {MAX_EVENT_BYTES:,} bytes."
            )
        for data in events:
            if data.strip() == b"[DONE]":
                if not finished:
                    raise _ended_early()
                return
            event = await decode_reply(data)
            if event.get("error"):
                raise _failure(event)
            finished = finished or _has_finish_reason(event)
            received = True
            yield event
    if not received:
        raise NothingSent("The upstream's reply is empty. Its log may have the reason.")
    if not finished:
        raise _ended_early()


class NothingSent(UpstreamError):
    """The upstream ended a stream before its first event."""


def _ended_early() -> UpstreamError:
    return UpstreamError("The upstream's reply ended before it was complete. Try again.")


def _failure(event: dict[str, Any]) -> PowerError:
    message = _message(event) or NO_REASON
    if is_overflow(_error_of(event), message):
        return ContextLengthExceeded(f"The upstream refused the request: {message}")
    return UpstreamError(f"The upstream failed during the reply: {message}")


def _has_finish_reason(event: dict[str, Any]) -> bool:
    choices = event.get("choices")
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
    )


def refusal(
    status: int, headers: dict[str, str], body: bytes, *, has_key: bool = True
) -> PowerError:
    """Return the error for an upstream's reply with an HTTP status other than success.

    401 and 403 concern this server's key for the upstream, not the client's credentials, so
    they become `UpstreamUnauthorized`.
    """
    reply = _json_object(body) or {}
    message = _message(reply) or NO_REASON
    if status in (401, 403):
        if not has_key:
            return UpstreamUnauthorized(
                f"The upstream wants a key: {message.rstrip('.')}. Set upstream.api_key_env to a "
                "variable of this server that has it."
            )
        return UpstreamUnauthorized(
            f"The upstream rejected this server's key: {message.rstrip('.')}. Check "
            "upstream.api_key_env."
        )
    if is_overflow(_error_of(reply), message):
        return ContextLengthExceeded(message, param=_param(reply))
    if _error_of(reply).get("code") == UpstreamLoop.code:
        return UpstreamLoop(message)
    if status in (429, 503):
        retry_after = parse_retry_after(headers.get("retry-after", ""))
        return ServerBusy(f"The upstream is busy: {message}", retry_after=retry_after)
    if status in (408, 504):
        return UpstreamTimeout(f"The upstream timed out: {message}")
    if status == 404 and _lacks_model(reply, message):
        return UpstreamError(f"The upstream does not have the model: {message}")
    if 400 <= status < 500 or status == 501 or _INVALID.match(message):
        return _bad_request(reply, message)
    if 300 <= status < 400 and "location" in headers:
        return _redirect(status, headers["location"])
    return UpstreamError(f"The upstream failed with HTTP status {status}: {message}")


def _redirect(status: int, location: str) -> UpstreamError:
    target = cut(re.split("[?#]", location)[0])  # a query or a fragment may have a secret
    return UpstreamError(
        f"The upstream redirects to {target} (HTTP status {status}), and redirects are not "
        "followed. Check that base_url is the address at which the API itself answers."
    )


def _lacks_model(reply: dict[str, Any], message: str) -> bool:
    code = _error_of(reply).get("code")
    return code == "model_not_found" or (code != "route_not_found" and "model" in message.lower())


def _bad_request(reply: dict[str, Any], message: str) -> PowerError:
    code = _error_of(reply).get("code")
    shared = BY_CODE.get(code) if isinstance(code, str) else None
    if shared in _SHARED:
        return shared(message, param=_param(reply))
    return UpstreamRefused(f"The upstream refused the request: {message}")


def _error_of(reply: dict[str, Any]) -> dict[str, Any]:
    """Return the object with the code of an error: ``error``, or the reply in older vLLM."""
    error = reply.get("error", reply)
    return error if isinstance(error, dict) else {}


def _param(reply: dict[str, Any]) -> str | None:
    param = _error_of(reply).get("param")
    return param if isinstance(param, str) else None


def _raw_object(body: bytes | bytearray) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _json_object(body: bytes | bytearray) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _message(reply: dict[str, Any]) -> str:
    """Return the message of an error reply.

    OpenAI has it in ``error.message``; FastAPI and gateways in ``error``, ``message`` or
    ``detail``.
    """
    error = reply.get("error")
    if isinstance(error, dict):
        error = error.get("message")
    for message in (error, reply.get("message"), reply.get("detail")):
        if isinstance(message, str) and message.strip():
            return cut(message.strip())
    return ""


def cut(message: str, limit: int = MAX_MESSAGE) -> str:
    """Cut a long message between words, so that no part of a key in it remains."""
    if len(message) <= limit:
        return message
    return _LAST_WORD.sub("", message[:limit]).rstrip() + " ..."
