"""Forward requests to the upstreams of remote models, and check that they answer."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from ..contract.errors import PowerError, UpstreamError
from ..contract.text import quoted, shortened
from ..contract.types import (
    ChatRequest,
    CompletionRequest,
    Embedded,
    EmbeddingRequest,
    GenerationItem,
    Manifest,
    Route,
    TokenItem,
    TokenRequest,
    Upstream,
)
from .body import outgoing, upstream_of
from .chunks import ChunkReader
from .health import HealthTracker, UpstreamHealth
from .keys import UpstreamKeys
from .requests import written
from .responses import (
    MAX_LIST_BYTES,
    MAX_REPLY_BYTES,
    decode_reply,
    not_an_api,
    read_events,
    read_limited,
    split_reply,
)
from .tokens import answer_remotely
from .transport import RouteMissing, UpstreamTransport
from .vectors import read_embeddings

if TYPE_CHECKING:
    import httpx2

#: Seconds a check may take.
CHECK_TIMEOUT = 10.0


class Upstreams:
    """The upstreams of one server. All methods are called on its event loop.

    Parameters
    ----------
    timeout : float
        Seconds an upstream may stay silent during a reply.
    key_pattern : str
        Regular expression for the names of environment variables with keys.
    changed : callable
        Called with a model's name when the health of its upstream changes.
    used : callable
        Called with a model's name when a request begins or ends, which can happen at any rate.
    """

    def __init__(
        self,
        timeout: float,
        key_pattern: str,
        changed: Callable[[str], None],
        used: Callable[[str], None],
    ) -> None:
        self._keys = UpstreamKeys(key_pattern)
        self._transport = UpstreamTransport(timeout, self._keys)
        self._health = HealthTracker(changed, used, self._keys.redactor)
        self._checks: dict[str, asyncio.Task[None]] = {}

    def check_key(self, upstream: Upstream) -> None:
        """Check that the key of an upstream may be sent; raises `InvalidParameter` if not."""
        self._keys.check(upstream)

    def health(self, manifest: Manifest) -> UpstreamHealth:
        """Return what is known of a model's upstream."""
        return self._health.get(manifest)

    def forget(self, name: str) -> None:
        """Drop what is known, because the model was deleted or is to be shown as unloaded."""
        self._health.forget(name)

    def refresh(self, manifest: Manifest) -> None:
        """Start to check the upstream in the background if the last result is outdated."""
        name = manifest.name
        if name in self._checks or self.health(manifest).is_fresh:
            return
        check = asyncio.ensure_future(self._check_quietly(manifest))
        self._checks[name] = check
        check.add_done_callback(lambda _: self._checks.pop(name, None))

    async def check(self, manifest: Manifest) -> None:
        """Ask the upstream for its models.

        Raises
        ------
        PowerError
            If the upstream does not answer, or does not list the model.
        """
        with self._health.outcome(manifest):
            models = await asyncio.wait_for(self._models(manifest), CHECK_TIMEOUT)
            length = _context_length(upstream_of(manifest), models)
            self.health(manifest).context_length = length

    async def reply(self, manifest: Manifest, route: Route, body: dict[str, Any]) -> dict[str, Any]:
        """Forward a request and return the reply, with the local name of the model.

        Values other than ``usage`` are `msgspec.Raw`.

        Raises
        ------
        PowerError
            If the upstream cannot be reached, fails, or refuses the request.
        """
        async with self._post(manifest, route, body) as response:
            reply = await read_limited(response, MAX_REPLY_BYTES[route])
            return _renamed(await split_reply(reply), manifest)

    async def stream(
        self, manifest: Manifest, route: Route, body: dict[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Forward a request and yield the events of the reply as they arrive.

        Closing the generator aborts the upstream's request. Raises as `reply` does.
        """
        async with self._post(manifest, route, body) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise not_an_api("something other than an event stream")
            async with aclosing(read_events(response.aiter_raw())) as events:
                async for event in events:
                    yield _renamed(event, manifest)

    async def generate(
        self, manifest: Manifest, request: ChatRequest | CompletionRequest
    ) -> AsyncGenerator[GenerationItem, None]:
        """Send a request of any dialect, and yield the items of the answer as they arrive.

        Closing the generator aborts the upstream's request.

        Raises
        ------
        UnsupportedRequestFields
            If the request asks for something that the upstream's API does not have.
        PowerError
            As `reply`, or if the reply is not an answer.
        """
        route, body = await _written(request)
        reader = ChunkReader()
        with _without_param():
            async with aclosing(self.stream(manifest, route, body)) as events:
                async for event in events:
                    for item in reader.read(event):
                        yield item
        for item in reader.end():
            yield item

    async def embed(self, manifest: Manifest, request: EmbeddingRequest) -> Embedded:
        """Send a request for embeddings of any dialect. Raises as `generate` does."""
        route, body = await _written(request)
        with _without_param():
            reply = await self.reply(manifest, route, body)
        return await read_embeddings(reply, len(request.inputs))

    async def answer_tokens(self, manifest: Manifest, request: TokenRequest) -> TokenItem:
        """Answer a request about tokens.

        Raises
        ------
        UnsupportedRequestFields
            If the upstream has no routes for it.
        PowerError
            As `reply`.
        """
        upstream = upstream_of(manifest)
        base_url = upstream.base_url.rstrip("/").removesuffix("/v1")
        beside = msgspec.structs.replace(upstream, base_url=base_url)

        async def ask(route: str, body: dict[str, Any]) -> dict[str, Any] | None:
            content = msgspec.json.encode({"model": upstream.model, **body})
            try:
                async with self._transport.send(
                    "POST", beside, route, content, optional=True
                ) as response:
                    return await decode_reply(await read_limited(response, MAX_LIST_BYTES))
            except RouteMissing:
                return None

        with self._health.request(manifest), _without_param():
            return await answer_remotely(ask, request)

    async def close(self) -> None:
        for check in [*self._checks.values()]:
            check.cancel()
        await self._transport.close()

    @asynccontextmanager
    async def _post(
        self, manifest: Manifest, route: Route, body: dict[str, Any]
    ) -> AsyncIterator[httpx2.Response]:
        upstream = upstream_of(manifest)
        content = msgspec.json.encode(outgoing(manifest, route, body))
        with self._health.request(manifest):
            async with self._transport.send("POST", upstream, route, content) as response:
                yield response

    async def _models(self, manifest: Manifest) -> dict[str, Any] | None:
        """Return the reply of ``GET /models``, or None if the upstream has no such route."""
        try:
            async with self._transport.send("GET", upstream_of(manifest), "models") as response:
                body = await read_limited(response, MAX_LIST_BYTES)
        except RouteMissing:
            return None
        return await decode_reply(body)

    async def _check_quietly(self, manifest: Manifest) -> None:
        with suppress(PowerError):  # `UpstreamHealth.error` has it
            await self.check(manifest)


@contextmanager
def _without_param() -> Iterator[None]:
    """Remove the field from errors: it is one of the upstream's API, not of the client's."""
    try:
        yield
    except PowerError as error:
        error.param = None
        raise


async def _written(
    request: ChatRequest | CompletionRequest | EmbeddingRequest,
) -> tuple[Route, dict[str, Any]]:
    """Return the route and the body of a request; images are encoded in a thread."""
    if isinstance(request, ChatRequest) and request.images:
        return await asyncio.to_thread(written, request)
    return written(request)


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


def _renamed(reply: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    """Replace the upstream's name of the model in a reply."""
    if "model" in reply:
        reply["model"] = manifest.name
    return reply
