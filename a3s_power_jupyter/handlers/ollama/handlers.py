"""Handlers of Ollama's routes for chats, completions and embeddings."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar

from ...contract.errors import ModelBusy, UnsupportedRequestFields
from ...contract.parameters import LoadParameters
from ...contract.types import Embedded, Manifest
from ..inference import GenerationHandler, InferenceHandler, own_names
from .calls import Call
from .chat import read_chat
from .clock import Clock
from .embed import EmbedCall, embed_reply, embeddings_reply, read_embed, read_embeddings
from .errors import OllamaHandler
from .fields import PARAM_NAMES, REFUSED, ChatFields, EmbeddingsFields, EmbedFields, GenerateFields
from .generate import read_generate
from .names import find
from .replies import ChatReply, GenerateReply, GenerationReply


class ModelHandler(OllamaHandler, InferenceHandler):
    """Base class: finds models by Ollama's names, and loads or unloads them on request."""

    def initialize(self, template: str) -> None:
        super().initialize(template)
        self.clock = Clock()

    async def find_manifest(self, name: str) -> Manifest:
        return await find(self.service, name)

    async def keep(self, manifest: Manifest, keep_alive: float | None) -> str:
        """Load a model, or unload it if `keep_alive` is 0, and return Ollama's word for that.

        A model in use is unloaded when it is idle, unless a request in progress has its own
        `keep_alive`.
        """
        if keep_alive != 0:
            await self._load(manifest.name, keep_alive)
            return "load"
        try:
            await self.service.loading.unload(manifest.name)
        except ModelBusy:
            await self._load(manifest.name, 0)
        return "unload"

    async def _load(self, name: str, keep_alive: float | None) -> None:
        loading = self.service.loading.load(name, LoadParameters(), keep_alive)
        with own_names(self.param_names):
            async with aclosing(loading) as progress:
                async for _event in progress:
                    pass


class TextHandler(ModelHandler, GenerationHandler):
    """Base class of the handlers with replies that are generated."""

    refused = REFUSED
    reply_type: ClassVar[type[GenerationReply]]

    def read(self, body: dict[str, Any]) -> Call:
        """Read the body of a request."""
        raise NotImplementedError

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: self.read(body))
        reply = self.reply_type(call.model, self.clock)
        if call.thinks:
            self._check_thinking(manifest)
        if not call.requests:
            done = await self.until_disconnect(self.keep(manifest, call.keep_alive))
            self.finish_json(reply.without_answer(done))
        elif call.stream:
            await self.stream(self._lines(manifest, call, reply))
        else:
            await self.until_disconnect(self._whole(manifest, call, reply))

    def _check_thinking(self, manifest: Manifest) -> None:
        """Raise `UnsupportedRequestFields` if the model is known not to think, as Ollama does."""
        known = self.service.catalog.describe(manifest).capabilities
        if manifest.format != "remote" and "reasoning" not in known:
            raise UnsupportedRequestFields(
                f"The model {manifest.name!r} does not support thinking: its chat template has no "
                "thoughts. Omit 'think'.",
                param="think",
            )

    async def _lines(
        self, manifest: Manifest, call: Call, reply: GenerationReply
    ) -> AsyncGenerator[dict[str, Any], None]:
        items = self.items(manifest, call.requests, call.keep_alive)
        async with aclosing(items):
            async for _index, item in items:
                for line in reply.lines(item):
                    yield line

    async def _whole(self, manifest: Manifest, call: Call, reply: GenerationReply) -> None:
        items = self.items(manifest, call.requests, call.keep_alive)
        async with aclosing(items):
            async for _index, item in items:
                reply.add(item)
        await self.finish_pieces(reply.result())


class ChatHandler(TextHandler):
    fields = ChatFields
    param_names = PARAM_NAMES | {"prompt": "messages"}
    reply_type = ChatReply

    def read(self, body: dict[str, Any]) -> Call:
        return read_chat(body)


class GenerateHandler(TextHandler):
    fields = GenerateFields
    param_names = PARAM_NAMES | {"messages": "prompt"}
    images_field = "images"
    reply_type = GenerateReply

    def read(self, body: dict[str, Any]) -> Call:
        return read_generate(body)


class VectorsHandler(ModelHandler):
    """Base class of the handlers of embeddings."""

    async def embedded(self, manifest: Manifest, call: EmbedCall) -> Embedded | None:
        """Return the vectors; None if there are no texts, so that the model is only loaded."""
        if manifest.format == "remote":
            self.clock.is_loaded()
        if call.inputs:
            return await self.embed(
                manifest, call.request, call.keep_alive, on_leased=self.clock.is_loaded
            )
        await self.keep(manifest, call.keep_alive)
        return None


class EmbedHandler(VectorsHandler):
    fields = EmbedFields

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_embed(body))
        await self.until_disconnect(self._reply(manifest, call))

    async def _reply(self, manifest: Manifest, call: EmbedCall) -> None:
        embedded = await self.embedded(manifest, call)
        await self.finish_pieces(embed_reply(call, embedded, self.clock))


class EmbeddingsHandler(VectorsHandler):
    """The older route, for one text."""

    fields = EmbeddingsFields
    param_names: ClassVar[Mapping[str, str]] = {"input": "prompt"}

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.decode(lambda: read_embeddings(body))
        embedded = await self.until_disconnect(self.embedded(manifest, call))
        self.finish_json(embeddings_reply(embedded))
