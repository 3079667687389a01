"""Handlers of Anthropic's routes: messages, and the number of their tokens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from msgspec import UNSET

from ...contract.types import Manifest
from ..event_stream import NamedEventStreamHandler
from ..fields import NO_LIMIT
from ..inference import GenerationHandler, InferenceHandler
from ..system import UnknownRouteHandler
from .content import Event
from .errors import AnthropicErrors
from .fields import PARAM_NAMES, REFUSED, MessageFields
from .replies import MessageReply
from .requests import MessageCall, read_message_call


class MessagesHandler(GenerationHandler, NamedEventStreamHandler, AnthropicErrors):
    fields = MessageFields
    refused = REFUSED
    param_names = PARAM_NAMES
    comment = b'event: ping\ndata: {"type": "ping"}\n\n'

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_message_call(body))
        reply = MessageReply(call, _token_limit(manifest, call))
        if call.stream:
            await self.stream(self._events(manifest, call, reply))
        else:
            await self.until_disconnect(self._whole(manifest, call, reply))

    async def _whole(self, manifest: Manifest, call: MessageCall, reply: MessageReply) -> None:
        async with aclosing(self.items(manifest, [call.request], call.keep_alive)) as items:
            async for _, item in items:
                reply.events(item)
        self.finish_json(reply.result())

    async def _events(
        self, manifest: Manifest, call: MessageCall, reply: MessageReply
    ) -> AsyncGenerator[Event, None]:
        async with aclosing(self.items(manifest, [call.request], call.keep_alive)) as items:
            async for _, item in items:
                for event in reply.events(item):
                    yield event


class CountTokensHandler(InferenceHandler, NamedEventStreamHandler, AnthropicErrors):
    fields = MessageFields
    refused = REFUSED
    param_names = PARAM_NAMES

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_message_call(body))
        rendering = self.rendered(manifest, call.request, call.keep_alive)
        rendered = await self.until_disconnect(rendering)
        self.finish_json({"input_tokens": rendered.prompt_tokens})


class UnknownMessagesHandler(AnthropicErrors, UnknownRouteHandler):
    """Routes of Anthropic's API that do not exist here, such as batches."""


def _token_limit(manifest: Manifest, call: MessageCall) -> int | None:
    """Return the most tokens of an answer; None if it depends on another server."""
    if manifest.format == "remote":
        return None
    limit = call.request.sampling.max_tokens
    if limit is UNSET:
        limit = manifest.request_defaults.max_tokens
    return NO_LIMIT if limit is UNSET else limit
