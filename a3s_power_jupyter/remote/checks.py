"""Check that the upstreams of remote models answer and have the model."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..contract.errors import PowerError, UpstreamError, UpstreamTimeout
from ..contract.text import quoted, shortened
from ..contract.types import Manifest, Upstream
from .body import upstream_of
from .health import HealthTracker, ServerHealth
from .responses import MAX_LIST_BYTES, decode_reply, read_limited
from .transport import RouteMissing

if TYPE_CHECKING:
    import httpx2

#: Seconds a check may take.
CHECK_TIMEOUT = 10.0


class UpstreamChecks:
    """The checks of all upstreams.

    Parameters
    ----------
    send : callable
        Sends a request to an upstream: the manifest, the method, the base URL and the route.
    """

    def __init__(
        self,
        health: HealthTracker,
        send: Callable[[Manifest, str, str, str], AbstractAsyncContextManager[httpx2.Response]],
    ) -> None:
        self._health = health
        self._send = send
        self._checks: dict[tuple[str, str], asyncio.Task[None]] = {}

    def refresh(self, manifest: Manifest) -> None:
        """Start to check upstreams in the background whose last result is outdated."""
        now = self._health.clock()
        for server in self._health.get(manifest).servers:
            at = (manifest.name, server.base_url)
            if at in self._checks or server.is_fresh(now):
                continue
            check = asyncio.ensure_future(self._check_quietly(manifest, server))
            self._checks[at] = check
            check.add_done_callback(partial(self._forget_check, at))

    async def check(self, manifest: Manifest) -> None:
        """Ask the upstream for its models.

        Raises
        ------
        PowerError
            If the upstream does not answer, or does not list the model; of several, if this is so
            for each.
        """
        health = self._health.get(manifest)
        await asyncio.gather(*(self._check_quietly(manifest, server) for server in health.servers))
        if not health.answers and health.error is not None:
            raise health.error

    def stop(self) -> None:
        """Cancel the checks in progress."""
        for check in [*self._checks.values()]:
            check.cancel()

    def _forget_check(self, at: tuple[str, str], _check: asyncio.Task[None]) -> None:
        self._checks.pop(at, None)

    async def _models(self, manifest: Manifest, base_url: str) -> dict[str, Any] | None:
        """Return the reply of ``GET /models``, or None if the upstream has no such route."""
        try:
            async with self._send(manifest, "GET", base_url, "models") as response:
                body = await read_limited(response, MAX_LIST_BYTES)
        except RouteMissing:
            return None
        return await decode_reply(body)

    async def _check_quietly(self, manifest: Manifest, server: ServerHealth) -> None:
        """Ask a server for its models, and record whether it answers."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                models = await self._models(manifest, server.base_url)
            server.context_length = _context_length(upstream_of(manifest), models)
        except TimeoutError:
            late = UpstreamTimeout("The upstream did not answer in time.")
            self._health.failed(manifest, server, late)
        except PowerError as error:
            self._health.failed(manifest, server, error)
        else:
            self._health.answered(manifest, server)


def _context_length(upstream: Upstream, models: dict[str, Any] | None) -> int | None:
    """Return the context length the upstream states for its model.

    It is ``max_model_len`` of vLLM and SGLang, and ``meta.n_ctx`` of llama.cpp's server.

    Raises
    ------
    UpstreamError
        If the upstream lists its models and this one is not among them. An empty list does not
        count: ``transformers serve`` lists only models in its cache, and loads others.
    """
    rows = models.get("data") if models is not None else None
    if not isinstance(rows, list) or not rows:
        return None
    known = {name: row for row in rows if isinstance(row, dict) for name in _names(row)}
    if upstream.model not in known:
        names = ", ".join(map(shortened, heapq.nsmallest(10, known))) or "none"
        raise UpstreamError(f"The upstream has no model {quoted(upstream.model)}. It has: {names}.")
    row = known[upstream.model]
    meta = row.get("meta")
    length = row.get("max_model_len", meta.get("n_ctx") if isinstance(meta, dict) else None)
    return length if isinstance(length, int) and 0 < length < 2**31 else None


def _names(row: dict[str, Any]) -> list[str]:
    """Return the names of a listed model: llama.cpp has aliases, Ollama a tag to leave out."""
    name, aliases = row.get("id"), row.get("aliases")
    if not isinstance(name, str):
        return []
    others = aliases if isinstance(aliases, list) else []
    names = [name, *(alias for alias in others if isinstance(alias, str))]
    return [*names, name.removesuffix(":latest")]
