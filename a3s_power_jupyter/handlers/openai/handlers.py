"""Handlers of OpenAI's routes: chat completions, completions and embeddings."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar

from ...contract.types import Manifest, Route
from ...contract.usage import read_usage
from .. import metrics
from ..event_stream import EventStreamHandler
from ..inference import GenerationHandler, InferenceHandler
from .chat_replies import ChatReply
from .embeddings import embedding_reply
from .fields import ALIASES, ChatFields, CompletionFields, EmbeddingFields
from .refused import REFUSED
from .replies import CompletionReply, GenerationReply
from .requests import EmbeddingCall, GenerationCall, read_chat, read_completion, read_embedding

DONE = b"data: [DONE]\n\n"


class ForwardingHandler(InferenceHandler, EventStreamHandler):
    """Base class: forwards a remote model's requests, and leaves a local model's to `answer`."""

    route: ClassVar[Route]
    aliases = ALIASES
    refused = REFUSED

    async def respond(self, manifest: Manifest, body: dict[str, Any]) -> None:
        if manifest.format == "remote":
            await self._forward(manifest, body)
        else:
            await super().respond(manifest, body)

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


class TextHandler(GenerationHandler, ForwardingHandler):
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
        async with aclosing(self.items(manifest, call.requests, call.keep_alive)) as items:
            async for index, item in items:
                reply.add(index, item)
        await self.finish_pieces(reply.result())

    async def _chunks(
        self, manifest: Manifest, call: GenerationCall, reply: GenerationReply
    ) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(self.items(manifest, call.requests, call.keep_alive)) as items:
            async for index, item in items:
                for chunk in reply.chunks(index, item):
                    yield chunk
        if call.include_usage:
            yield reply.usage_chunk()


class ChatCompletionsHandler(TextHandler):
    route = "chat/completions"
    fields = ChatFields

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_chat(body))
        await self.generate(manifest, call, ChatReply(call))


class CompletionsHandler(TextHandler):
    route = "completions"
    fields = CompletionFields

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_completion(body))
        await self.generate(manifest, call, CompletionReply(call))


class EmbeddingsHandler(ForwardingHandler):
    route = "embeddings"
    fields = EmbeddingFields

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_embedding(body))
        await self.until_disconnect(self._embed(manifest, call))

    async def _embed(self, manifest: Manifest, call: EmbeddingCall) -> None:
        embedded = await self.embed(manifest, call.request, call.keep_alive)
        await self.finish_pieces(embedding_reply(call, embedded))


def _count_usage(name: str, reply: dict[str, Any]) -> None:
    """Add the ``usage`` of an upstream's reply, if it has one, to the metrics."""
    usage = read_usage(reply.get("usage"))
    metrics.PROMPT_TOKENS.labels(name).inc(usage.prompt_tokens)
    metrics.CACHED_TOKENS.labels(name).inc(usage.cached_tokens)
    metrics.TOKENS.labels(name).inc(usage.completion_tokens)
