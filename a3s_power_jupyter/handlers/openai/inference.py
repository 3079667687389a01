"""Asking a model: chat, completions and embeddings as OpenAI has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, ClassVar, TypeVar

from ...contract.errors import InvalidParameter
from ...contract.types import Delta, Finished, Route
from .. import metrics
from ..auth import allowed
from ..sse import EventStreamHandler
from .merge import merge
from .replies import ChatReply, CompletionReply, GenerationItem, GenerationReply, embedding_reply
from .requests import EmbeddingCall, GenerationCall, read_chat, read_completion, read_embedding

#: Bytes of vectors above which their JSON is made in a thread.
LARGE_VECTORS = 256 * 1024

#: Bytes of a request above which it is decoded in a thread.
LARGE_BODY = 256 * 1024

T = TypeVar("T")

DONE = b"data: [DONE]\n\n"


class InferenceHandler(EventStreamHandler):
    """A route that a remote model's upstream has, too."""

    route: ClassVar[Route]

    async def decoded(self, decode: Callable[[], T]) -> T:
        """What `decode` makes of the body; in a thread where the body is long."""
        if len(self._body) > LARGE_BODY:
            return await asyncio.to_thread(decode)
        return decode()

    async def forwarded(self, body: dict[str, Any]) -> bool:
        """Answer with what the upstream says; False where the model is not a remote one."""
        name = body.get("model")
        if not isinstance(name, str) or not await self.service.is_remote(name):
            return False
        with metrics.ACTIVE_REQUESTS.track_inprogress(), metrics.INFERENCE_DURATION.time():
            if body.get("stream"):
                await self.stream(self._forwarded_events(name, body), end=DONE)
            else:
                forwarding = self.service.forward(name, self.route, body)
                reply = await self.until_disconnect(forwarding)
                _count_usage(name, reply)
                self.finish_json(reply)
        return True

    async def _forwarded_events(
        self, name: str, body: dict[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        started = time.monotonic()
        first = True
        async with aclosing(self.service.forward_stream(name, self.route, body)) as events:
            async for event in events:
                if first and event.get("choices"):
                    first = False
                    metrics.TTFT.observe(time.monotonic() - started)
                _count_usage(name, event)
                yield event


def _count_usage(name: str, reply: dict[str, Any]) -> None:
    """Count the tokens of a reply that states them."""
    usage = reply.get("usage")
    if not isinstance(usage, dict):
        return
    counters = {"prompt_tokens": metrics.PROMPT_TOKENS, "completion_tokens": metrics.TOKENS}
    for field, counter in counters.items():
        tokens = usage.get(field)
        if isinstance(tokens, int) and tokens > 0:
            counter.labels(name).inc(tokens)


class GenerationHandler(InferenceHandler):
    async def answer(self, call: GenerationCall, reply: GenerationReply) -> None:
        """Generate every choice of `call`, streamed or whole."""
        if call.stream:
            await self.stream(self._chunks(call, reply), end=DONE)
        else:
            await self.until_disconnect(self._take_all(call, reply))
            self.finish_json(reply.result())

    async def _take_all(self, call: GenerationCall, reply: GenerationReply) -> None:
        async with aclosing(self._items(call)) as items:
            async for index, item in items:
                reply.add(index, item)

    async def _chunks(
        self, call: GenerationCall, reply: GenerationReply
    ) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(self._items(call)) as items:
            async for index, item in items:
                chunk = reply.add(index, item)
                if chunk is not None:
                    yield chunk
        if call.include_usage:
            yield reply.usage_chunk()

    async def _items(
        self, call: GenerationCall
    ) -> AsyncGenerator[tuple[int, GenerationItem], None]:
        """The items of all choices, counted on their way."""
        started = time.monotonic()
        first = True
        sources = [
            self.service.generate(call.model, request, call.keep_alive) for request in call.requests
        ]
        with metrics.ACTIVE_REQUESTS.track_inprogress(), metrics.INFERENCE_DURATION.time():
            async with aclosing(merge(sources)) as items:
                async for index, item in items:
                    if first and isinstance(item, Delta):
                        first = False
                        metrics.TTFT.observe(time.monotonic() - started)
                    if isinstance(item, Finished):
                        metrics.TOKENS.labels(call.model).inc(item.completion_tokens)
                        metrics.PROMPT_TOKENS.labels(call.model).inc(item.prompt_tokens)
                    yield index, item


class ChatCompletionsHandler(GenerationHandler):
    route = "chat/completions"

    @allowed("execute")
    async def post(self) -> None:
        body = await self.decoded(self.json_body)
        if await self.forwarded(body):
            return
        call = await self.decoded(lambda: read_chat(body))
        if call.has_images:
            await self._require_vision(call.model)
        await self.answer(call, ChatReply(call))

    async def _require_vision(self, name: str) -> None:
        model = await self.service.model(name)
        if "vision" not in model.capabilities:
            raise InvalidParameter(
                f"The model {name!r} has no vision; send text only.", param="messages"
            )


class CompletionsHandler(GenerationHandler):
    route = "completions"

    @allowed("execute")
    async def post(self) -> None:
        body = await self.decoded(self.json_body)
        if await self.forwarded(body):
            return
        call = read_completion(body)
        await self.answer(call, CompletionReply(call))


class EmbeddingsHandler(InferenceHandler):
    route = "embeddings"

    @allowed("execute")
    async def post(self) -> None:
        body = await self.decoded(self.json_body)
        if await self.forwarded(body):
            return
        call = read_embedding(body)
        self.finish_json(await self.until_disconnect(self._embed(call)))

    async def _embed(self, call: EmbeddingCall) -> dict[str, Any]:
        with metrics.ACTIVE_REQUESTS.track_inprogress(), metrics.INFERENCE_DURATION.time():
            embedded = await self.service.embed(call.model, call.request, call.keep_alive)
        metrics.PROMPT_TOKENS.labels(call.model).inc(embedded.prompt_tokens)
        if len(embedded.vectors) > LARGE_VECTORS:
            return await asyncio.to_thread(embedding_reply, call, embedded)
        return embedding_reply(call, embedded)
