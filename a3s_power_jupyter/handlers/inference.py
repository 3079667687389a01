"""Base classes of the handlers that run models, for all dialects."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from copy import copy
from typing import Any, ClassVar

import msgspec

from ..contract.errors import InvalidParameter, PowerError
from ..contract.types import (
    ChatRequest,
    CompletionRequest,
    Delta,
    Embedded,
    EmbeddingRequest,
    GenerationItem,
    Manifest,
    Rendered,
    RenderRequest,
)
from . import metrics
from .auth import allowed
from .event_stream import StreamHandler
from .fields import Refused, missing_field, wrong_value
from .ignored import HEADER, describe, header_value, ignored_fields
from .model_names import find

#: The place after the first name of a path such as ``input[3].content``.
_END_OF_NAME = re.compile(r"(?=[.\[#])")

#: The path of the schema of a function in a `ChatRequest`, and the part of it that dialects have
#: another name for.
_TOOL_SCHEMA = re.compile(r"(tools\[\d+\]\.)(function\.parameters)(?=#|$)")


#: A path is that of the files of the model, and no field of a request to it.
_OF_MODELS = {"path": "model"}


@contextmanager
def own_names(names: Mapping[str, str]) -> Iterator[None]:
    """Let errors of the service name the fields of the dialect, which `names` has."""
    try:
        yield
    except PowerError as error:
        param = own_path(error.param or "", {**_OF_MODELS, **names})
        if param == (error.param or ""):
            raise
        own = copy(error)  # which other requests may raise, too
        own.param = param
        raise own from error


def own_path(path: str, names: Mapping[str, str]) -> str:
    """Return the path of a field as the dialect writes it."""
    if schema := _TOOL_SCHEMA.match(path):
        start, name = schema.groups()
        return f"{start}{names.get(name, name)}{path[schema.end() :]}"
    name, *rest = _END_OF_NAME.split(path, maxsplit=1)
    return "".join([names.get(name, name), *rest])


class InferenceHandler(StreamHandler):
    """Base class: finds the model of a request, and names the fields that have no effect.

    Attributes
    ----------
    fields : type
        The fields that a request may have. Others are ignored.
    aliases : dict
        Other names of fields, as for `read_fields`.
    refused : Refused
        Fields that are refused, unless they request nothing.
    param_names : dict
        What the dialect calls fields that errors of the service name: those of `ChatRequest`,
        `Sampling` and so on; ``function.parameters`` is the schema of a function.
    images_field : str
        The field that an error about images names.
    """

    fields: ClassVar[type[msgspec.Struct]]
    aliases: ClassVar[Mapping[str, str]] = {}
    refused: ClassVar[Refused] = {}
    param_names: ClassVar[Mapping[str, str]] = {}
    images_field: ClassVar[str] = "messages"

    @allowed("execute")
    async def post(self) -> None:
        with self.context.answering():
            body = await self.decode(self.json_body)
            await self.respond(await self.find_manifest(self.model_name(body)), body)

    def model_name(self, body: dict[str, Any]) -> str:
        """Return the name of the model in a request, or raise `InvalidParameter`."""
        name = body.get("model")
        if name is None:
            raise missing_field("model", body)
        if not isinstance(name, str) or not name:
            raise wrong_value("model", "the name of a model", name)
        return name

    async def find_manifest(self, name: str) -> Manifest:
        """Return the manifest of the model that a request names, with or without ``:latest``.

        Raises
        ------
        ModelNotFound
            If there is no such model.
        """
        with own_names({"name": "model"}):
            return await find(self.service.catalog, name)

    async def respond(self, manifest: Manifest, body: dict[str, Any]) -> None:
        """Name the ignored fields, and reply."""
        self.name_ignored(body)
        await self.answer(manifest, body)

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        """Read the request `body` and reply to it."""
        raise NotImplementedError

    def name_ignored(self, body: dict[str, Any]) -> None:
        """Name the ignored fields of `body` in a header of the reply, and in the log."""
        if header := header_value(self._ignored(body)):
            self.set_header(HEADER, header)
            if self.log.isEnabledFor(logging.DEBUG):
                names = describe(self._ignored(body), self.fields_of(body))
                self.log.debug("POST %s: ignored the fields %s", self.template, names)

    def _ignored(self, body: dict[str, Any]) -> Iterator[str]:
        return ignored_fields(body, self.fields_of(body), self.aliases, self.refused)

    def fields_of(self, body: dict[str, Any]) -> type[msgspec.Struct]:
        """Return `fields`, or those of a route with several kinds of requests."""
        return self.fields

    def check_images(self, manifest: Manifest, request: ChatRequest | CompletionRequest) -> None:
        """Raise `InvalidParameter` if there are images, and the model is known not to see any."""
        images = isinstance(request, ChatRequest) and bool(request.images)
        if images and manifest.format != "remote" and "vision" not in manifest.capabilities:
            raise InvalidParameter(
                f"The model {manifest.name!r} does not support images. Send text only.",
                param=self.images_field,
            )

    async def embed(
        self,
        manifest: Manifest,
        request: EmbeddingRequest,
        keep_alive: float | None,
        *,
        on_leased: Callable[[], None] | None = None,
    ) -> Embedded:
        """Compute embeddings, and update the metrics. `on_leased` is as for `Inference.embed`."""
        with (
            metrics.ACTIVE_REQUESTS.track_inprogress(),
            metrics.INFERENCE_DURATION.time(),
            own_names(self.param_names),
        ):
            embedded = await self.service.inference.embed(
                manifest, request, keep_alive, on_leased=on_leased
            )
        metrics.PROMPT_TOKENS.labels(manifest.name).inc(embedded.prompt_tokens)
        return embedded

    async def rendered(
        self,
        manifest: Manifest,
        chat: ChatRequest,
        keep_alive: float | None,
        *,
        with_pieces: bool = False,
    ) -> Rendered:
        """Return the prompt of a chat. Raises as `GenerationHandler.items`."""
        self.check_images(manifest, chat)
        request = RenderRequest(chat, with_pieces=with_pieces)
        with own_names(self.param_names):
            return await self.service.inference.render(manifest, request, keep_alive)


class GenerationHandler(InferenceHandler):
    """Base class of the handlers with replies that are generated."""

    async def items(
        self,
        manifest: Manifest,
        requests: Sequence[ChatRequest | CompletionRequest],
        keep_alive: float | None,
    ) -> AsyncGenerator[tuple[int, GenerationItem], None]:
        """Generate an answer to each of `requests`, and update the metrics.

        Yields the items of all answers as they come, each with the index of its request.

        Raises
        ------
        InvalidParameter
            If there are images, and the model does not support them.
        PowerError
            As `Inference.generate`.
        """
        for request in requests:
            self.check_images(manifest, request)
        started = time.monotonic()
        first = True
        counts = metrics.TokenCounts(manifest.name)
        answers = self.service.inference.generate(manifest, requests, keep_alive)
        with (
            metrics.ACTIVE_REQUESTS.track_inprogress(),
            metrics.INFERENCE_DURATION.time(),
            own_names(self.param_names),
        ):
            async with aclosing(answers) as items:
                async for index, item in items:
                    if first and isinstance(item, Delta):
                        first = False
                        metrics.TTFT.observe(time.monotonic() - started)
                    counts.add(index, item)
                    yield index, item
