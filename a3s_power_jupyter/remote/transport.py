"""Send HTTP requests to upstreams, with their keys, and turn failures into errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from ..contract import hops
from ..contract.errors import (
    BadRequest,
    PowerError,
    UpstreamError,
    UpstreamLoop,
    UpstreamTimeout,
    UpstreamUnreachable,
    shutting_down,
)
from ..contract.loopback import is_loopback
from ..contract.text import unstopped
from .responses import MAX_ERROR_BYTES, cut, refusal

if TYPE_CHECKING:
    import httpx2

#: Seconds to wait for a connection, and if there are other upstreams. The latter is enough for a
#: second try of the operating system.
CONNECT_TIMEOUT = 10.0
SHORT_CONNECT_TIMEOUT = 4.0
#: Seconds to read the body of an error.
ERROR_TIMEOUT = 10.0

#: Statuses of requests for a route that a server does not have.
_NO_ROUTE = (404, 405, 501)


class RouteMissing(Exception):
    """The upstream has no such route, which it need not have.

    Parameters
    ----------
    error : PowerError
        To be raised if there is no other upstream.
    """

    def __init__(self, error: PowerError) -> None:
        super().__init__(error.message)
        self.error = error


class UpstreamTransport:
    """The HTTP clients for all upstreams.

    Parameters
    ----------
    timeout : float
        Seconds an upstream may stay silent during a reply.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._closed = False
        self._clients: dict[bool, httpx2.AsyncClient] = {}  # by whether the upstream is local

    @asynccontextmanager
    async def send(
        self,
        method: str,
        url: str,
        key: str | None,
        content: bytes | None = None,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request and yield the successful response, whose body is not read yet.

        Redirects are not followed, because the key would be sent along.

        Raises
        ------
        RouteMissing
            If a GET request is answered with 404, or a POST request with 404, 405 or 501, unless
            it is the model that is missing.
        PowerError
            If the upstream cannot be reached, breaks the connection or refuses the request, here
            or while the caller reads the body. `HealthTracker.failed` removes the key from it.
        """
        import httpx2

        # Without compression, each event is delivered as soon as the upstream sends it.
        headers = {"Accept-Encoding": "identity", hops.HEADER: str(_next_hop())}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        if content is not None:
            headers["Content-Type"] = "application/json"
        if self._closed:
            raise shutting_down()
        client = self._client_for(url)
        timeout = httpx2.Timeout(self._timeout, connect=connect_timeout)
        request = client.build_request(
            method, url, content=content, headers=headers, timeout=timeout
        )
        with self._errors_of(request, connect_timeout):
            # The timeouts of httpx2 begin again with each byte of the head.
            async with asyncio.timeout(connect_timeout + self._timeout):
                response = await _begun(client, request)
            try:
                if not response.is_success:
                    body = await _beginning(response)
                    fields = dict(response.headers)
                    error = refusal(response.status_code, fields, body, has_key=key is not None)
                    missing = (404,) if method == "GET" else _NO_ROUTE
                    # Any other error of 404 says that the model is missing.
                    is_route = isinstance(error, BadRequest) or response.status_code == 501
                    if response.status_code in missing and is_route:
                        raise RouteMissing(error)
                    raise error
                if response.headers.get("content-encoding", "identity").lower() != "identity":
                    raise UpstreamError(
                        "The upstream compresses its reply although the request excludes it, so "
                        "that its size is unknown. Disable compression there."
                    )
                yield response
            finally:
                await response.aclose()

    async def close(self) -> None:
        self._closed = True
        for client in self._clients.values():
            await client.aclose()

    @contextmanager
    def _errors_of(self, request: httpx2.Request, connect_timeout: float) -> Iterator[None]:
        """Turn the exceptions of the HTTP client into errors of the contract."""
        import httpx2

        try:
            yield
        except httpx2.ConnectTimeout:
            raise UpstreamUnreachable(
                f"Could not connect to the upstream {request.url.host} within "
                f"{connect_timeout:g} seconds. Check that it is running and that base_url is "
                "correct."
            ) from None
        except (httpx2.TimeoutException, TimeoutError):
            raise UpstreamTimeout(
                f"The upstream {request.url.host} did not answer in time. Try again, or increase "
                "PowerApp.remote_timeout."
            ) from None
        except httpx2.ConnectError as error:
            raise UpstreamUnreachable(
                f"Could not connect to the upstream {request.url.host}: {_reason(error)}. Check "
                "that it is running and that base_url is correct."
            ) from None
        except httpx2.HTTPError as error:
            if self._closed:
                raise shutting_down() from None
            raise UpstreamError(
                f"Lost the connection to the upstream {request.url.host}: "
                f"{_reason(error)}. Try again."
            ) from None

    def _client_for(self, url: str) -> httpx2.AsyncClient:
        """Return the client for a URL: with the environment's proxies, unless it is local."""
        import httpx2

        try:
            is_local = is_loopback(httpx2.URL(url).host)
            if is_local not in self._clients:
                # A cookie of the upstream would log in requests that have another key, or none.
                no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
                self._clients[is_local] = httpx2.AsyncClient(
                    trust_env=not is_local,
                    cookies=no_cookies,
                    verify=httpx2.create_ssl_context(),  # with the environment's certificates
                    limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
                    follow_redirects=False,
                )
        except httpx2.InvalidURL:
            raise UpstreamUnreachable(
                "The base_url of the upstream, or a proxy in the environment, is not a valid URL."
            ) from None
        except (ValueError, ImportError):  # may quote the proxy's password
            raise UpstreamUnreachable(
                "A proxy in the environment cannot be used. Write it as http://host:port."
            ) from None
        return self._clients[is_local]


async def _begun(client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
    """Send a request and return the response, whose body is not read yet.

    A server may close an idle connection while it is used again. The request is then sent on
    another one; nothing is changed by a request, should the server have received it.
    """
    import httpx2

    is_new = False

    async def trace(event: str, _info: dict[str, Any]) -> None:
        nonlocal is_new
        is_new = is_new or event == "connection.connect_tcp.started"

    request.extensions["trace"] = trace
    while True:
        try:
            return await client.send(request, stream=True)
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
            if is_new:
                raise


def _next_hop() -> int:
    """Return how many servers have forwarded a request once this one has.

    Raises
    ------
    UpstreamLoop
        If those are too many.
    """
    forwarded = hops.HOPS.get()
    if forwarded >= hops.MAX_HOPS:
        raise UpstreamLoop(
            f"The request was forwarded {forwarded} times. A remote model leads back to itself: "
            "correct the base_url of one of its servers."
        )
    return forwarded + 1


def _reason(error: httpx2.HTTPError) -> str:
    """Return the message of an error as a phrase, which may quote what the upstream sent."""
    return unstopped(cut(str(error))) or type(error).__name__


async def _beginning(response: httpx2.Response) -> bytes:
    """Read at most `MAX_ERROR_BYTES` of the body, and what arrives within `ERROR_TIMEOUT`."""
    body = bytearray()
    with suppress(TimeoutError):
        async with asyncio.timeout(ERROR_TIMEOUT):
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) >= MAX_ERROR_BYTES:
                    break
    return bytes(body[:MAX_ERROR_BYTES])
