"""Send HTTP requests to upstreams, with their keys, and turn failures into errors."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from msgspec import UNSET

from ..contract.errors import (
    InvalidParameter,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from ..contract.redaction import Redactor, clean_token
from ..contract.types import Upstream
from .responses import MAX_ERROR_BYTES, refusal

if TYPE_CHECKING:
    import httpx2

#: Seconds to wait for a connection.
CONNECT_TIMEOUT = 10.0


class RouteMissing(Exception):
    """The upstream has no such route (404 to a GET request)."""


class UpstreamTransport:
    """One HTTP client for all upstreams.

    Parameters
    ----------
    timeout : float
        Seconds an upstream may stay silent during a reply.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._client: httpx2.AsyncClient | None = None

    def redactor(self, upstream: Upstream) -> Redactor:
        """Return a function that removes the key of `upstream` from texts."""
        return Redactor(_raw_key(upstream))

    @asynccontextmanager
    async def send(
        self, method: str, upstream: Upstream, route: str, content: bytes | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request and yield the successful response, whose body is not read yet.

        Redirects are not followed, because the key would be sent along.

        Raises
        ------
        RouteMissing
            If a GET request is answered with 404.
        PowerError
            If the upstream cannot be reached, breaks the connection or refuses the request, here
            or while the caller reads the body. `HealthTracker.outcome` removes the key from it.
        """
        import httpx2

        # Without compression, each event is delivered as soon as the upstream sends it.
        headers = {"Accept-Encoding": "identity", **_authorization(upstream)}
        if content is not None:
            headers["Content-Type"] = "application/json"
        client = self._open()
        url = f"{upstream.base_url.rstrip('/')}/{route}"
        request = client.build_request(method, url, content=content, headers=headers)
        try:
            response = await client.send(request, stream=True)
            try:
                if not response.is_success:
                    body = await _beginning(response)
                    if response.status_code == 404 and method == "GET":
                        raise RouteMissing
                    raise refusal(response.status_code, dict(response.headers), body)
                yield response
            finally:
                await response.aclose()
        except httpx2.TimeoutException:
            raise UpstreamTimeout(
                f"The upstream {request.url.host} did not answer in time. Try again, or increase "
                "PowerApp.remote_timeout."
            ) from None
        except httpx2.ConnectError as error:
            raise UpstreamUnreachable(
                f"Could not connect to the upstream {request.url.host}: {error}. Check that it is "
                "running and that base_url is correct."
            ) from None
        except httpx2.HTTPError as error:
            raise UpstreamError(
                f"Lost the connection to the upstream {request.url.host}: "
                f"{str(error) or type(error).__name__}. Try again."
            ) from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _open(self) -> httpx2.AsyncClient:
        if self._client is None:
            import httpx2

            self._client = httpx2.AsyncClient(
                timeout=httpx2.Timeout(self._timeout, connect=CONNECT_TIMEOUT),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
                follow_redirects=False,
            )
        return self._client


async def _beginning(response: httpx2.Response) -> bytes:
    """Read at most `MAX_ERROR_BYTES` of the body."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= MAX_ERROR_BYTES:
            break
    return bytes(body[:MAX_ERROR_BYTES])


def _raw_key(upstream: Upstream) -> str | None:
    return None if upstream.api_key_env is UNSET else os.environ.get(upstream.api_key_env)


def _authorization(upstream: Upstream) -> dict[str, str]:
    """Return the header with the key, which is read from the environment for each request."""
    if upstream.api_key_env is UNSET:
        return {}
    try:
        key = clean_token(_raw_key(upstream), f"The value of {upstream.api_key_env}")
    except InvalidParameter as error:
        raise UpstreamUnauthorized(error.message) from None
    if key is None:
        raise UpstreamUnauthorized(
            f"The environment variable {upstream.api_key_env} is not set in the notebook server. "
            "Set it and restart the server."
        )
    return {"Authorization": f"Bearer {key}"}
