"""Handlers of OpenAI's routes: chat completions, completions and embeddings."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ...contract.types import Manifest
from ..forwarding import DONE, ForwardingHandler
from ..inference import GenerationHandler
from .chat_replies import ChatReply
from .embeddings import embedding_reply
from .fields import ALIASES, ChatFields, CompletionFields, EmbeddingFields
from .refused import REFUSED
from .replies import CompletionReply, GenerationReply
from .requests import EmbeddingCall, GenerationCall, read_chat, read_completion, read_embedding


class OpenAIHandler(ForwardingHandler):
    aliases = ALIASES
    refused = REFUSED


class TextHandler(GenerationHandler, OpenAIHandler):
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


class EmbeddingsHandler(OpenAIHandler):
    route = "embeddings"
    fields = EmbeddingFields

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_embedding(body))
        await self.until_disconnect(self._embed(manifest, call))

    async def _embed(self, manifest: Manifest, call: EmbeddingCall) -> None:
        embedded = await self.embed(manifest, call.request, call.keep_alive)
        await self.finish_pieces(embedding_reply(call, embedded))
