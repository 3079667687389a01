"""Forward requests to the upstreams of remote models, and check that they answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from ..contract.conversation import conversation_key
from ..contract.errors import PowerError, UnsupportedRequestFields
from ..contract.types import (
    ChatRequest,
    CompletionRequest,
    Embedded,
    EmbeddingRequest,
    GenerationItem,
    Manifest,
    RenderRequest,
    Route,
    TokenItem,
    TokenizeRequest,
    TokenRequest,
    Upstream,
)
from .answer_check import AnswerCheck
from .attempts import Attempts
from .body import for_one_token, outgoing, upstream_of
from .checks import UpstreamChecks
from .chunks import ChunkReader
from .health import HealthTracker, ModelHealth
from .keys import UpstreamKeys
from .requests import written
from .responses import (
    MAX_LIST_BYTES,
    MAX_REPLY_BYTES,
    NothingSent,
    decode_reply,
    not_an_api,
    read_events,
    read_limited,
    split_reply,
)
from .tokens import answer_remotely
from .transport import (
    CONNECT_TIMEOUT,
    SHORT_CONNECT_TIMEOUT,
    RouteMissing,
    UpstreamTransport,
)
from .vectors import read_embeddings

if TYPE_CHECKING:
    import httpx2


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
    failed : callable
        Called with a model's name and an error code when an upstream did not answer a request.
    """

    def __init__(
        self,
        timeout: float,
        key_pattern: str,
        changed: Callable[[str], None],
        used: Callable[[str], None],
        failed: Callable[[str, str], None],
    ) -> None:
        self._keys = UpstreamKeys(key_pattern)
        self._transport = UpstreamTransport(timeout)
        self._health = HealthTracker(changed, used, failed, self._keys.redactor)
        self._checks = UpstreamChecks(self._health, self._send)

    def check_key(self, upstream: Upstream) -> None:
        """Check that the key of an upstream may be sent; raises `InvalidParameter` if not."""
        self._keys.check(upstream)

    def health(self, manifest: Manifest) -> ModelHealth:
        """Return what is known of a model's upstream."""
        return self._health.get(manifest)

    def forget(self, name: str) -> None:
        """Drop what is known, because the model was deleted or is to be shown as unloaded."""
        self._health.forget(name)

    def refresh(self, manifest: Manifest) -> None:
        """Start to check upstreams in the background whose last result is outdated."""
        self._checks.refresh(manifest)

    async def check(self, manifest: Manifest) -> None:
        """Ask the upstream for its models. Raises as `UpstreamChecks.check` does."""
        await self._checks.check(manifest)

    async def reply(self, manifest: Manifest, route: Route, body: dict[str, Any]) -> dict[str, Any]:
        """Forward a request and return the reply, with the local name of the model.

        Values other than ``usage`` are `msgspec.Raw`.

        Raises
        ------
        PowerError
            If the upstream cannot be reached, fails, or refuses the request.
        """
        content, attempts = self._begin(manifest, route, body)
        for attempt in attempts:
            with attempt:
                async with self._post(manifest, attempt.base_url, route, content) as response:
                    reply = await read_limited(response, MAX_REPLY_BYTES[route])
                    return _renamed(await split_reply(reply), manifest)
        raise attempts.error

    async def stream(
        self, manifest: Manifest, route: Route, body: dict[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Forward a request and yield the events of the reply as they arrive.

        Closing the generator aborts the upstream's request. Raises as `reply` does.
        """
        content, attempts = self._begin(manifest, route, body)
        for attempt in attempts:
            with attempt:
                async with aclosing(
                    self._events(manifest, attempt.base_url, route, content)
                ) as events:
                    async for event in events:
                        attempt.commit()
                        yield _renamed(event, manifest)
                return
        raise attempts.error

    async def _events(
        self, manifest: Manifest, base_url: str, route: Route, content: bytes
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of one upstream's reply.

        A server that begins the reply before it has read the prompt can only end it when the prompt
        is too long, and tells the reason if the reply is not streamed. Nothing was generated then.
        """
        try:
            async with self._post(manifest, base_url, route, content) as response:
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise not_an_api("something other than an event stream")
                async with aclosing(read_events(response.aiter_raw())) as events:
                    async for event in events:
                        yield event
        except NothingSent:
            async with self._post(manifest, base_url, route, for_one_token(content)):
                raise

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
            As `reply`, or if the reply is not an answer, or shows that the upstream has ignored a
            part of the request.
        """
        route, body = await _written(request)
        logprobs = request.sampling.logprobs
        reader = ChunkReader(alternatives=0 if logprobs is msgspec.UNSET else logprobs)
        check = AnswerCheck(request)
        with _without_param():
            async with aclosing(self.stream(manifest, route, body)) as events:
                async for event in events:
                    for item in reader.read(event):
                        check.read(item)
                        yield item
        for item in reader.end():
            check.read(item)
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
        self._refresh_several(manifest)
        attempts = Attempts(self._health, manifest, _key_of_tokens(manifest, request))
        for attempt in attempts:
            with attempt:
                try:
                    with _without_param():
                        return await self._answer_tokens(manifest, attempt.base_url, request)
                except UnsupportedRequestFields as error:
                    raise RouteMissing(error) from None
        raise attempts.error

    async def _answer_tokens(
        self, manifest: Manifest, base_url: str, request: TokenRequest
    ) -> TokenItem:
        model = upstream_of(manifest).model
        beside = base_url.rstrip("/").removesuffix("/v1")

        async def ask(route: str, body: dict[str, Any]) -> dict[str, Any] | None:
            content = msgspec.json.encode({"model": model, **body})
            try:
                async with self._post(manifest, beside, route, content) as response:
                    return await decode_reply(await read_limited(response, MAX_LIST_BYTES))
            except RouteMissing:
                return None

        return await answer_remotely(ask, request)

    async def close(self) -> None:
        self._checks.stop()
        await self._transport.close()

    def _begin(
        self, manifest: Manifest, route: Route, body: dict[str, Any]
    ) -> tuple[bytes, Attempts]:
        """Return the content of a request for the upstream, and the attempts to send it."""
        self._refresh_several(manifest)
        sent = outgoing(manifest, route, body)
        attempts = Attempts(self._health, manifest, conversation_key(sent))
        return msgspec.json.encode(sent), attempts

    def _refresh_several(self, manifest: Manifest) -> None:
        """Check those of several upstreams in the background that no request is sent to."""
        if len(self.health(manifest).servers) > 1:
            self.refresh(manifest)

    def _post(
        self, manifest: Manifest, base_url: str, route: str, content: bytes
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        return self._send(manifest, "POST", base_url, route, content)

    def _send(
        self,
        manifest: Manifest,
        method: str,
        base_url: str,
        route: str,
        content: bytes | None = None,
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        upstream = upstream_of(manifest)
        return self._transport.send(
            method,
            f"{base_url.rstrip('/')}/{route}",
            self._keys.key_of(upstream),
            content,
            connect_timeout=CONNECT_TIMEOUT
            if len(upstream.base_urls) == 1
            else SHORT_CONNECT_TIMEOUT,
        )


def _key_of_tokens(manifest: Manifest, request: TokenRequest) -> str:
    """Return the key of the conversation that a request about tokens belongs to."""
    body: dict[str, Any] = {"model": upstream_of(manifest).model}
    if isinstance(request, TokenizeRequest):
        body["prompt"] = request.text
    elif isinstance(request, RenderRequest):
        body["messages"] = request.chat.messages
    return conversation_key(body)


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


def _renamed(reply: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    """Replace the upstream's name of the model in a reply."""
    if "model" in reply:
        reply["model"] = manifest.name
    return reply
