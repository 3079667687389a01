"""A replica: the runtime of one ``jupyter power``, as a deployment of Ray Serve."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2
from ray import serve

from ..contract.errors import PowerError
from .arguments import Arguments
from .first_use import FirstUse
from .headers import Headers, reply_headers
from .listing import Reply
from .power_server import PowerServer

#: Ray Serve writes this logger to the log of the replica.
LOG = logging.getLogger("ray.serve")

#: Seconds to connect, and for a check of the replica's health or what it says of its models.
_CONNECT_TIMEOUT, _HEALTH_TIMEOUT = 10.0, 20.0

#: The status and the headers of a reply.
Head = tuple[int, Headers]


class Replica:
    """Starts ``jupyter power`` and forwards requests to it.

    If that server ends, this process ends too, so that Ray replaces it.
    """

    def __init__(self, arguments: Arguments, token: str, environment: dict[str, str]) -> None:
        mark = serve.get_replica_context().replica_id.unique_id
        variables = {**environment, **arguments.environment(), "JUPYTER_TOKEN": token}
        options = [
            f"--PowerApp.max_request_mb={arguments.max_request_mb}",
            f"--PowerApp.response_mark={mark}",
            *arguments.options,
        ]
        if arguments.memory_limit:
            options.append(f"--PowerApp.memory_limit={arguments.memory_limit}")
        self._server = PowerServer(options, variables, LOG, _end_process)
        key = self._server.wait_until_ready(token)
        self._mark = (b"x-power-replica", mark.encode())
        self._client = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(
                uds=self._server.socket, limits=httpx2.Limits(max_connections=None)
            ),
            base_url="http://localhost",
            # The server logs in whoever sends the token, by a cookie. It is not for other clients.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx2.Timeout(None, connect=_CONNECT_TIMEOUT),
        )
        self._authorization = {"Authorization": f"Bearer {key}"}
        self._first_use = FirstUse(
            arguments.models, arguments.pull_wait_s, self._client, self._authorization, LOG
        )

    async def forward(
        self, method: str, url: str, headers: Headers, body: bytes, model: str
    ) -> AsyncIterator[Head | bytes | dict[str, Any]]:
        """Send a request to the server, and yield the head of its reply, then the body's pieces.

        When the generator is closed or cancelled, the connection is closed, which stops the
        generation. If the model is not there yet, an error, as JSON, is all that is yielded.
        """
        try:
            await self._first_use.prepare(model)
        except PowerError as error:
            yield error.to_wire()
            return
        request = self._client.build_request(
            method, url, headers=_without_defaults(headers), content=body
        )
        reply = await self._client.send(request, stream=True)
        try:
            yield reply.status_code, [*reply_headers(reply.headers.raw), self._mark]
            async for piece in reply.aiter_raw():
                yield piece
        finally:
            await reply.aclose()

    async def read(self, url: str) -> Reply:
        """Return the server's reply to a ``GET`` of what it says of its models.

        Raises
        ------
        httpx2.HTTPError
            If there is none.
        json.JSONDecodeError
            If it is not JSON.
        """
        reply = await self._client.get(url, headers=self._authorization, timeout=_HEALTH_TIMEOUT)
        return Reply(reply.status_code, reply.json())

    async def check_health(self) -> None:
        """Raise an exception if the server does not answer. Ray Serve calls this."""
        reply = await self._client.get(
            "/v1/health", headers=self._authorization, timeout=_HEALTH_TIMEOUT
        )
        reply.raise_for_status()

    def __del__(self) -> None:
        """End the server. Ray Serve calls this once all requests are answered."""
        if server := self.__dict__.pop("_server", None):
            server.stop()


def _without_defaults(headers: Headers) -> Any:
    """Return headers in the form that httpx sends as they are."""
    names = {name for name, _ in headers}
    # The client would add its own, such as an encoding that the caller does not understand.
    defaults = [(b"accept-encoding", b"identity"), (b"accept", b"*/*"), (b"user-agent", b"")]
    return headers + [pair for pair in defaults if pair[0] not in names]


def _end_process(status: int) -> None:
    LOG.error("jupyter power has ended with status %s. This replica ends, too.", status)
    logging.shutdown()
    os._exit(1)
