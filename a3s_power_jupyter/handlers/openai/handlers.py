"""Handlers of OpenAI's routes: chat completions, completions and embeddings."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar

import msgspec

from ...contract.errors import InvalidParameter
from ...contract.types import Delta, Finished, GenerationItem, Manifest, Route
from .. import metrics
from ..auth import allowed
from ..event_stream import EventStreamHandler
from .chat_replies import ChatReply
from .embeddings import embedding_reply
from .fields import ChatFields, CompletionFields, EmbeddingFields
from .ignored import HEADER, describe, header_value, ignored_fields
from .replies import CompletionReply, GenerationReply
from .requests import EmbeddingCall, GenerationCall, read_chat, read_completion, read_embedding

DONE = b"data: [DONE]\n\n"


class InferenceHandler(EventStreamHandler):
    """Base class: forwards a remote model's requests, and leaves a local model's to `answer`.

    Attributes
    ----------
    fields : type
        The fields that a request for a local model may have. Others are ignored.
    """

    route: ClassVar[Route]
    fields: ClassVar[type[msgspec.Struct]]

    @allowed("execute")
    async def post(self) -> None:
        body = await self.decode(self.json_body)
        manifest = await self._manifest(body)
        if manifest.format == "remote":
            await self._forward(manifest, body)
        else:
            self._name_ignored(body)
            await self.answer(manifest, body)

    def _name_ignored(self, body: dict[str, Any]) -> None:
        """Name the ignored fields of `body` in a header of the reply, and in the log."""
        if header := header_value(ignored_fields(body, self.fields)):
            self.set_header(HEADER, header)
            if self.log.isEnabledFor(logging.DEBUG):
                names = describe(ignored_fields(body, self.fields), self.fields)
                self.log.debug("POST %s: ignored the fields %s", self.template, names)

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        """Reply to the request `body` for a local model."""
        raise NotImplementedError

    async def _manifest(self, body: dict[str, Any]) -> Manifest:
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise InvalidParameter("'model' must be the name of a model.", param="model")
        return await self.service.catalog.manifest(name)

    async def _forward(self, manifest: Manifest, body: dict[str, Any]) -> None:
        with metrics.ACTIVE_REQUESTS.track_inprogress(), metrics.INFERENCE_DURATION.time():
            if body.get("stream"):
                await self.stream(self._forwarded_events(manifest, body), end=DONE)
            else:
                forwarding = self.service.inference.forward(manifest, self.route, body)
                reply = await self.until_disconnect(forwarding)
                _count_usage(manifest.name, reply)
                self.finish_json(reply)

    async def _forwarded_events(
        self, manifest: Manifest, body: dict[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        started = time.monotonic()
        first = True
        events = self.service.inference.forward_stream(manifest, self.route, body)
        async with aclosing(events):
            async for event in events:
                if first and event.get("choices"):
                    first = False
                    metrics.TTFT.observe(time.monotonic() - started)
                _count_usage(manifest.name, event)
                yield event


class GenerationHandler(InferenceHandler):
    """Base class of the handlers whose replies are text."""

    async def generate(
        self, manifest: Manifest, call: GenerationCall, reply: GenerationReply
    ) -> None:
        """Generate every choice of `call` and send the reply, streamed if `call` asks for it."""
        if call.stream:
            await self.stream(self._chunks(manifest, call, reply), end=DONE)
        else:
            await self.until_disconnect(self._whole(manifest, call, reply))

    async def _whole(
        self, manifest: Manifest, call: GenerationCall, reply: GenerationReply
    ) -> None:
        async with aclosing(self._items(manifest, call)) as items:
            async for index, item in items:
                reply.add(index, item)
        await self.finish_pieces(reply.result())

    async def _chunks(
        self, manifest: Manifest, call: GenerationCall, reply: GenerationReply
    ) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(self._items(manifest, call)) as items:
            async for index, item in items:
                for chunk in reply.chunks(index, item):
                    yield chunk
        if call.include_usage:
            yield reply.usage_chunk()

    async def _items(
        self, manifest: Manifest, call: GenerationCall
    ) -> AsyncGenerator[tuple[int, GenerationItem], None]:
        """Yield the items of all choices, each with its choice's index, and update the metrics."""
        started = time.monotonic()
        first = True
        choices = self.service.inference.generate(manifest, call.requests, call.keep_alive)
        with metrics.ACTIVE_REQUESTS.track_inprogress(), metrics.INFERENCE_DURATION.time():
            async with aclosing(choices) as items:
                async for index, item in items:
                    if first and isinstance(item, Delta):
                        first = False
                        metrics.TTFT.observe(time.monotonic() - started)
                    if isinstance(item, Finished):
                        metrics.TOKENS.labels(manifest.name).inc(item.completion_tokens)
                        metrics.PROMPT_TOKENS.labels(manifest.name).inc(item.prompt_tokens)
                        metrics.CACHED_TOKENS.labels(manifest.name).inc(item.cached_tokens)
                    yield index, item


class ChatCompletionsHandler(GenerationHandler):
    route = "chat/completions"
    fields = ChatFields

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_chat(body))
        if call.has_images and "vision" not in manifest.capabilities:
            raise InvalidParameter(
                f"The model {manifest.name!r} does not support images. Send text only.",
                param="messages",
            )
        await self.generate(manifest, call, ChatReply(call))


class CompletionsHandler(GenerationHandler):
    route = "completions"
    fields = CompletionFields

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_completion(body))
        await self.generate(manifest, call, CompletionReply(call))


class EmbeddingsHandler(InferenceHandler):
    route = "embeddings"
    fields = EmbeddingFields

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_embedding(body))
        await self.until_disconnect(self._embed(manifest, call))

    async def _embed(self, manifest: Manifest, call: EmbeddingCall) -> None:
        with metrics.ACTIVE_REQUESTS.track_inprogress(), metrics.INFERENCE_DURATION.time():
            embedded = await self.service.inference.embed(manifest, call.request, call.keep_alive)
        metrics.PROMPT_TOKENS.labels(manifest.name).inc(embedded.prompt_tokens)
        await self.finish_pieces(embedding_reply(call, embedded))


def _count_usage(name: str, reply: dict[str, Any]) -> None:
    """Add the ``usage`` of an upstream's reply, if it has one, to the metrics."""
    usage = reply.get("usage")
    if not isinstance(usage, dict):
        return
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    counts = (
        (metrics.PROMPT_TOKENS, usage.get("prompt_tokens")),
        (metrics.CACHED_TOKENS, cached),
        (metrics.TOKENS, usage.get("completion_tokens")),
    )
    for counter, tokens in counts:
        if isinstance(tokens, int) and 0 < tokens < 2**31:
            counter.labels(name).inc(tokens)
