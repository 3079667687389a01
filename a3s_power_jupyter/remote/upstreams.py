"""The upstreams of remote models: asking them, and knowing whether they answer."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from ..contract.errors import (
    PowerError,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from ..contract.types import Manifest, Route, Upstream
from .body import outgoing, upstream_of
from .responses import (
    MAX_ERROR_BYTES,
    MAX_REPLY_BYTES,
    decode_reply,
    no_api,
    read_events,
    read_limited,
    refusal,
)

if TYPE_CHECKING:
    import httpx2

#: Seconds until a connection has to stand, and until a check has to be answered.
CONNECT_TIMEOUT = 10.0
CHECK_TIMEOUT = 10.0
#: Seconds for which an answer tells that the next one will come too.
FRESH = 15.0


class UpstreamHealth(msgspec.Struct):
    """How an upstream stands with us.

    Attributes
    ----------
    answers : whether it did when last asked; None before that.
    error : why it did not.
    checked : of the last answer or failure, on the monotonic clock.
    last_used_at : unix seconds of the last request's end.
    active : requests under way.
    context_length : tokens, where the upstream says it.
    """

    answers: bool | None = None
    error: PowerError | None = None
    checked: float = -FRESH
    last_used_at: float | None = None
    active: int = 0
    context_length: int | None = None


class Upstreams:
    """All upstreams of one server; methods are called on its event loop.

    Parameters
    ----------
    timeout
        Seconds between two bytes of an answer.
    changed
        Called with a model's name when its upstream stands otherwise than before.
    """

    def __init__(self, timeout: float, changed: Callable[[str], None]) -> None:
        self._timeout = timeout
        self._changed = changed
        self._client: httpx2.AsyncClient | None = None
        self._health: dict[str, tuple[Upstream, UpstreamHealth]] = {}
        self._checks: dict[str, asyncio.Task[None]] = {}

    def health(self, manifest: Manifest) -> UpstreamHealth:
        """What is known; a model that was registered anew, with another upstream, begins anew."""
        upstream = upstream_of(manifest)
        known = self._health.get(manifest.name)
        if known is None or known[0] != upstream:
            known = (upstream, UpstreamHealth())
            self._health[manifest.name] = known
        return known[1]

    def forget(self, name: str) -> None:
        """The model was deleted, or is to count as unloaded."""
        self._health.pop(name, None)
        self._changed(name)

    def refresh(self, manifest: Manifest) -> None:
        """Check in the background whether the upstream answers, unless that is known."""
        name = manifest.name
        if name in self._checks or time.monotonic() - self.health(manifest).checked < FRESH:
            return
        check = asyncio.ensure_future(self._refresh(manifest))
        self._checks[name] = check
        check.add_done_callback(lambda _task: self._checks.pop(name, None))

    async def check(self, manifest: Manifest) -> None:
        """Ask the upstream which models it has.

        Raises
        ------
        PowerError
            It does not answer, or does not have the model.
        """
        health = self.health(manifest)
        with self._told(manifest.name, health):
            models = await asyncio.wait_for(self._models(manifest), CHECK_TIMEOUT)
            health.context_length = _find(upstream_of(manifest), models)

    async def reply(self, manifest: Manifest, route: Route, body: dict[str, Any]) -> dict[str, Any]:
        """The upstream's whole answer, under our name of the model.

        Raises
        ------
        PowerError
        """
        async with self._post(manifest, route, body) as response:
            answer = await decode_reply(await read_limited(response.aiter_bytes(), MAX_REPLY_BYTES))
        return _renamed(answer, manifest)

    async def stream(
        self, manifest: Manifest, route: Route, body: dict[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The upstream's events, each as it arrives; closing the generator ends the request there.

        Raises
        ------
        PowerError
        """
        async with self._post(manifest, route, body) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise no_api("no event stream")
            async with aclosing(read_events(response.aiter_bytes())) as events:
                async for event in events:
                    yield _renamed(event, manifest)

    async def close(self) -> None:
        for check in [*self._checks.values()]:
            check.cancel()
        if self._client is not None:
            await self._client.aclose()

    # ------------------------------------------------------------ asking

    @asynccontextmanager
    async def _post(
        self, manifest: Manifest, route: Route, body: dict[str, Any]
    ) -> AsyncIterator[httpx2.Response]:
        upstream, health = upstream_of(manifest), self.health(manifest)
        health.active += 1
        self._changed(manifest.name)
        try:
            content = msgspec.json.encode(outgoing(manifest, route, body))
            with self._told(manifest.name, health):
                request = self._request("POST", upstream, route, content)
                async with self._sent(request) as response:
                    yield response
        finally:
            health.active -= 1
            health.last_used_at = time.time()
            self._changed(manifest.name)

    async def _models(self, manifest: Manifest) -> dict[str, Any] | None:
        """The reply of ``GET /models``; None where the upstream has no such route."""
        request = self._request("GET", upstream_of(manifest), "models", None)
        try:
            async with self._sent(request) as response:
                body = await read_limited(response.aiter_bytes(), MAX_REPLY_BYTES)
        except _NoRoute:
            return None
        return await decode_reply(body)

    def _request(
        self, method: str, upstream: Upstream, route: str, content: bytes | None
    ) -> httpx2.Request:
        # The answer is read event by event: compression would hold them back.
        headers = {"Accept-Encoding": "identity", **_authorization(upstream)}
        if content is not None:
            headers["Content-Type"] = "application/json"
        url = f"{upstream.base_url.rstrip('/')}/{route}"
        return self._http().build_request(method, url, content=content, headers=headers)

    @asynccontextmanager
    async def _sent(self, request: httpx2.Request) -> AsyncIterator[httpx2.Response]:
        """The response, once its head is there and says success; redirects are not followed,
        since the key would go with them."""
        import httpx2

        try:
            response = await self._http().send(request, stream=True)
            try:
                if not response.is_success:
                    body = await _beginning(response)
                    if response.status_code == 404 and request.method == "GET":
                        raise _NoRoute
                    raise refusal(response.status_code, dict(response.headers), body)
                yield response
            finally:
                await response.aclose()
        except httpx2.TimeoutException:
            raise UpstreamTimeout(
                f"The upstream {request.url.host} did not answer in time. Ask again, or raise "
                "PowerApp.remote_timeout."
            ) from None
        except httpx2.ConnectError as error:
            raise UpstreamUnreachable(
                f"The upstream {request.url.host} cannot be reached: {error}. Is it running, and "
                "is base_url right?"
            ) from None
        except httpx2.TransportError as error:
            raise UpstreamError(
                f"The connection to the upstream {request.url.host} broke: "
                f"{str(error) or type(error).__name__}. Ask again."
            ) from None

    def _http(self) -> httpx2.AsyncClient:
        if self._client is None:
            import httpx2

            self._client = httpx2.AsyncClient(
                timeout=httpx2.Timeout(self._timeout, connect=CONNECT_TIMEOUT),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
                follow_redirects=False,
            )
        return self._client

    # ------------------------------------------------------------ knowing

    async def _refresh(self, manifest: Manifest) -> None:
        with suppress(PowerError):  # `_told` has kept it for whoever lists the model
            await self.check(manifest)

    @contextmanager
    def _told(self, name: str, health: UpstreamHealth) -> Iterator[None]:
        """Note in `health` how the block ended. What the upstream refuses is an answer too."""
        before = (health.answers, health.error and health.error.message)
        try:
            yield
        except TimeoutError:
            error = UpstreamTimeout(f"The upstream did not answer in {CHECK_TIMEOUT:g} seconds.")
            health.answers, health.error = False, error
            raise error from None
        except PowerError as error:
            if error.status >= 500:
                health.answers, health.error = False, error
            raise
        else:
            health.answers, health.error = True, None
        finally:
            health.checked = time.monotonic()
            if before != (health.answers, health.error and health.error.message):
                self._changed(name)


class _NoRoute(Exception):
    """The upstream has no ``/models``: it answers, and does not say what it has."""


async def _beginning(response: httpx2.Response) -> bytes:
    """As much of an error's body as is worth looking at."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= MAX_ERROR_BYTES:
            break
    return bytes(body[:MAX_ERROR_BYTES])


def _authorization(upstream: Upstream) -> dict[str, str]:
    """The key, read from the environment at each request and kept nowhere.

    Raises
    ------
    UpstreamUnauthorized
        The variable is not set.
    """
    if upstream.api_key_env is UNSET:
        return {}
    key = os.environ.get(upstream.api_key_env, "").strip()
    if not key:
        raise UpstreamUnauthorized(
            f"The environment variable {upstream.api_key_env} is not set for the notebook server. "
            "Set it and start the server again."
        )
    return {"Authorization": f"Bearer {key}"}


def _find(upstream: Upstream, models: dict[str, Any] | None) -> int | None:
    """The context length that the upstream states for its model (vLLM's ``max_model_len``).

    Raises
    ------
    UpstreamError
        It lists its models, and this one is not among them.
    """
    rows = models.get("data") if models is not None else None
    if not isinstance(rows, list):
        return None
    known = {row["id"]: row for row in rows if isinstance(row, dict) and "id" in row}
    if upstream.model not in known:
        names = ", ".join(sorted(map(str, known))[:10]) or "none"
        raise UpstreamError(f"The upstream has no model {upstream.model!r}. It has: {names}.")
    length = known[upstream.model].get("max_model_len")
    return length if isinstance(length, int) and 0 < length < 2**31 else None


def _renamed(answer: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    if "model" in answer:
        answer["model"] = manifest.name
    return answer
