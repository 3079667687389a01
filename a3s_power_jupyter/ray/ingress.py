"""The entrance to the replicas: an ASGI app that forwards every request to one of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx2
import msgspec
from ray.exceptions import RayActorError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
)

from ..contract.errors import BodyTooLarge, PowerError, RouteNotFound, ServerBusy, from_wire
from .headers import Headers, has_token, header, request_headers
from .listing import is_listing, joined
from .replica import Head
from .replies import error_reply, is_anthropic, json_reply
from .sessions import session_of

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

LOG = logging.getLogger("ray.serve")

#: Replicas that a request is sent to before it fails, if each ends before it answers.
_ATTEMPTS = 3

#: Seconds after which a client tries again if all replicas are busy.
_RETRY_AFTER = 2

#: Bytes of a body above which it is decoded in a thread.
_LARGE_BODY = 256 * 1024

#: Seconds for what all replicas say of their models.
_LIST_TIMEOUT = 20

#: What is raised if a replica ends, or cannot be reached, during a request.
_LOST = (RayActorError, ReplicaUnavailableError, httpx2.TransportError)

_METRICS = (
    "Each replica counts by itself. The metrics of the application are those of Ray: see the "
    "metrics export port of Ray's nodes."
)


class Ingress:
    """Forwards requests through a handle of the deployment `Replica`.

    Parameters
    ----------
    replicas : ray.serve.handle.DeploymentHandle
    token : str
        The token that clients send. Bodies of requests without it are not kept.
    limit : int
        Maximum size of a request's body, in bytes.
    """

    def __init__(self, replicas: Any, token: str, limit: int) -> None:
        self._replicas = replicas
        self._token = token
        self._limit = limit

    def __serve_build_asgi_app__(self) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        """Return the app. Ray Serve calls this."""

        # A function: uvicorn would take a method for an app of ASGI 2.
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await _lifespan(receive, send)
            elif scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            else:
                await self._answer(scope, receive, send)

        return app

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = request_headers(scope["headers"])
        try:
            if scope["path"] == "/metrics":
                raise RouteNotFound(_METRICS)
            body = await self._body(scope, headers, receive)
            fields = await _decoded(body) if scope["method"] == "POST" else {}
            session = session_of(scope["path"], header(headers, b"x-session-id"), fields)
            if self._asks_all(scope, headers) and await self._answer_all(scope, send):
                return
            model = fields.get("model")
            call = (
                scope["method"],
                _url(scope),
                headers,
                body,
                model if isinstance(model, str) else "",
            )
            await self._forward(call, session, send)
        except PowerError as error:
            await _reply(send, *error_reply(error, scope["path"], headers))

    async def _body(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        """Receive the body. Without a valid token, it is discarded, and the replica refuses.

        Raises
        ------
        BodyTooLarge
            If it exceeds the limit. The rest is received and discarded.
        """
        query = scope["query_string"].decode("latin-1")
        keep = has_token(headers, query, self._token)
        body = bytearray()
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError
            piece = message.get("body", b"")
            size += len(piece)
            more = message.get("more_body", False)
            if keep and size <= self._limit:
                body += piece
            else:
                body.clear()
        if keep and size > self._limit:
            raise BodyTooLarge(
                f"The body is larger than {self._limit / 2**20:g} MB, the limit set by "
                "max_request_mb."
            )
        return bytes(body)

    def _asks_all(self, scope: Scope, headers: Headers) -> bool:
        """Return whether all replicas are asked. Anthropic's API has the models in pages."""
        return (
            is_listing(scope["method"], scope["path"])
            and not is_anthropic(headers)
            and has_token(headers, scope["query_string"].decode("latin-1"), self._token)
        )

    async def _answer_all(self, scope: Scope, send: Send) -> bool:
        """Send what all replicas say of their models, and return whether one of them did."""
        try:
            found = await self._replicas.broadcast("read", _url(scope)).results_async(
                timeout_s=_LIST_TIMEOUT, return_exceptions=True
            )
        except (DeploymentUnavailableError, TimeoutError):
            return False
        replies = [each for each in found if not isinstance(each, Exception)]
        if not replies:
            return False
        status, content = joined(scope["path"], replies)
        await _reply(send, status, *json_reply(content))
        return True

    async def _forward(self, call: tuple[Any, ...], session: str, send: Send) -> None:
        """Send a request to a replica, and its reply to the client.

        Raises
        ------
        PowerError
            If there is no reply. If it ends too early, the connection to the client breaks.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            pieces = self._replicas.options(stream=True, session_id=session).forward.remote(*call)
            begun = False
            try:
                head = await _head(pieces)
                begun = True
                await _send_reply(send, head, pieces)
                return
            except BackPressureError:
                raise ServerBusy(
                    "All replicas are busy. Try again later.", retry_after=_RETRY_AFTER
                ) from None
            except _LOST as error:
                if begun:
                    raise
                LOG.warning(
                    "A replica was lost before it answered (attempt %d): %s", attempt, error
                )
                if attempt == _ATTEMPTS:
                    raise ServerBusy(
                        "The replicas ended before they answered. Try again later; their logs "
                        "have the reason.",
                        retry_after=_RETRY_AFTER,
                    ) from None
            finally:
                pieces.cancel()  # does nothing after the end


async def _head(pieces: AsyncIterator[Any]) -> Head:
    """Return the status and the headers of a reply.

    Raises
    ------
    PowerError
        If the replica yields one, as JSON, in their place.
    """
    first = await anext(pieces)
    if isinstance(first, dict):
        raise from_wire(first)
    status, headers = first
    return int(status), headers


async def _send_reply(send: Send, head: Head, pieces: AsyncIterator[bytes]) -> None:
    await send({"type": "http.response.start", "status": head[0], "headers": head[1]})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _reply(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _decoded(body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON object, or nothing if it is none: the replica says why."""
    if len(body) > _LARGE_BODY:
        return await asyncio.to_thread(_fields, body)
    return _fields(body)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _url(scope: Scope) -> str:
    """Return the path as the client encoded it, and the query."""
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(scope["path"])
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
