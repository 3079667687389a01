"""Handlers of ``/v1/responses``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from ...contract.errors import InvalidParameter, PowerError, ServerBusy, UnsupportedRequestFields
from ...contract.text import quoted
from ...contract.types import (
    ChatRequest,
    Finished,
    GenerationItem,
    Manifest,
)
from ..auth import allowed
from ..base import PowerHandler
from ..event_stream import NamedEventStreamHandler
from ..inference import GenerationHandler
from ..json_body import LARGE_BODY
from .background import MAX_RUNS, BackgroundRun, KeptEvent
from .fields import ALIASES, PARAM_NAMES, REFUSED, ResponseFields
from .pages import read_page
from .replies import ResponseReply
from .requests import ResponseCall, read_response
from .store import ResponseStore, StoredResponse
from .truncation import COUNTED_LENGTH, text_length, truncated


class StoreHandler(PowerHandler):
    """Base class of the handlers that use stored responses."""

    @property
    def responses(self) -> ResponseStore:
        return self.context.responses


class ResponseStreamHandler(NamedEventStreamHandler, StoreHandler):
    """Base class of the handlers that send events of responses."""

    def encode_event(self, event: Any) -> bytes:
        if isinstance(event, KeptEvent):
            return b"event: " + event.type.encode() + b"\ndata: " + bytes(event.json) + b"\n\n"
        return super().encode_event(event)


class CallHandler(GenerationHandler, ResponseStreamHandler):
    """Base class of the handlers that read a request for a response."""

    fields = ResponseFields
    aliases = ALIASES
    refused = REFUSED
    param_names = PARAM_NAMES
    images_field = "input"

    async def read(self, manifest: Manifest, body: dict[str, Any]) -> ResponseCall:
        """Read the request, together with the conversation that it continues."""
        before = body.get("previous_response_id")
        carried, size = self.responses.history(before) if isinstance(before, str) else ([], 0)

        def read() -> ResponseCall:
            return read_response(body, self.responses.item, carried)

        large = size > LARGE_BODY
        call = await (self.context.decoder.run(read) if large else self.decode(read))
        self.check_images(manifest, call.request)
        return call

    async def fitted(self, manifest: Manifest, call: ResponseCall) -> ResponseCall:
        """Return `call` without its oldest messages, if it asks for that and they do not fit."""
        if call.fields.truncation == "disabled":
            return call

        async def count(request: ChatRequest) -> tuple[int, int] | None:
            try:
                rendered = await self.rendered(manifest, request, call.keep_alive)
            except InvalidParameter:
                if text_length(request.messages) > COUNTED_LENGTH:
                    return None
                raise
            num_ctx = rendered.tokenized.num_ctx
            if not num_ctx:
                raise UnsupportedRequestFields(
                    "'truncation' requires the context length of the model, which the upstream of "
                    "this remote model does not tell. Omit it.",
                    param="truncation",
                )
            return rendered.prompt_tokens, num_ctx

        request = await truncated(call.request, count)
        return msgspec.structs.replace(call, request=request)


class ResponsesHandler(CallHandler):
    """``POST /v1/responses``."""

    _reply: ResponseReply

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        call = await self.read(manifest, body)
        self._reply = reply = ResponseReply(call, self.context.response_mark)
        if call.fields.background:
            await self._answer_later(manifest, call, reply)
        elif call.fields.stream:
            await self.stream(self._events(manifest, call, reply))
        else:
            await self.until_disconnect(self._whole(manifest, call, reply))

    def error_events(self, error: PowerError) -> list[Any]:
        return list(self._reply.failed(error))

    async def _items(
        self, manifest: Manifest, call: ResponseCall
    ) -> AsyncGenerator[tuple[int, GenerationItem], None]:
        call = await self.fitted(manifest, call)
        async with aclosing(self.items(manifest, [call.request], call.keep_alive)) as items:
            async for item in items:
                yield item

    async def _events(
        self, manifest: Manifest, call: ResponseCall, reply: ResponseReply
    ) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(self._items(manifest, call)) as items:
            async for _, item in items:
                events = reply.events(item)
                # Before the last event: the client may refer to the response as soon as it has it.
                if isinstance(item, Finished) and call.fields.store:
                    self.responses.add(StoredResponse(reply.response(), call.input))
                for event in events:
                    yield event

    async def _whole(self, manifest: Manifest, call: ResponseCall, reply: ResponseReply) -> None:
        async with aclosing(self._events(manifest, call, reply)) as events:
            async for _ in events:
                pass
        await self.finish_pieces(reply.response())

    async def _answer_later(
        self, manifest: Manifest, call: ResponseCall, reply: ResponseReply
    ) -> None:
        """Start to generate in the background, and reply with the status or the events."""
        if self.responses.keeps_none:
            raise UnsupportedRequestFields(
                "'background' is not supported, because this server keeps no responses "
                "(PowerApp.response_store_mb).",
                param="background",
            )
        if len(self.responses.running()) >= MAX_RUNS:
            raise ServerBusy(
                f"{MAX_RUNS} responses are generated in the background. Wait until one is "
                "complete, or cancel one.",
                retry_after=10,
            )
        run = BackgroundRun(
            reply,
            self._items(manifest, call),
            self._failure,
            keeps_events=call.fields.stream,
            finished=lambda: self.responses.add(stored),
        )
        stored = StoredResponse(reply.response(), call.input, run)
        self.responses.add(stored)
        if call.fields.stream:
            await self.stream(run.events(0))
        else:
            self.finish_json(run.response())

    def _failure(self, error: Exception) -> PowerError:
        self.log_exception(type(error), error, error.__traceback__)
        return self.to_error(error)


class ResponseHandler(ResponseStreamHandler):
    """``/v1/responses/{id}``."""

    @allowed("read")
    async def get(self, response_id: str) -> None:
        """Show a response, or stream the events of one in the background."""
        stored = self.responses.get(response_id)
        if not self.flag("stream"):
            await self.finish_pieces(stored.response)
        elif stored.run is None or not stored.run.keeps_events:
            raise InvalidParameter(
                "Only a response that was requested with both 'background' and 'stream' can be "
                "streamed later. Omit 'stream'.",
                param="stream",
            )
        else:
            await self.stream(stored.run.events(self._start()))

    @allowed("write")
    async def delete(self, response_id: str) -> None:
        """Drop a response. One in progress is stopped."""
        stored = self.responses.get(response_id)
        if stored.run is not None:
            await stored.run.cancel()
        self.responses.delete(response_id)
        self.finish_json({"id": response_id, "object": "response", "deleted": True})

    def _start(self) -> int:
        """Return the number of the first event to send."""
        text = self.get_query_argument("starting_after", "")
        if not text:
            return 0
        if text.isascii() and text.isdecimal() and len(text) < 10:
            return int(text) + 1
        raise InvalidParameter(
            f"starting_after={quoted(text)} must be the sequence_number of an event.",
            param="starting_after",
        )


class CancelHandler(StoreHandler):
    """``POST /v1/responses/{id}/cancel``."""

    @allowed("execute")
    async def post(self, response_id: str) -> None:
        """Stop a response in the background. One that is complete stays as it is."""
        await self.check_no_fields()
        stored = self.responses.get(response_id)
        if stored.run is None:
            raise InvalidParameter(
                "Only a response that was requested with 'background' can be cancelled. To stop "
                "another one, close its connection.",
                param="background",
            )
        await stored.run.cancel()
        self.finish_json(stored.response)


class InputItemsHandler(StoreHandler):
    """``GET /v1/responses/{id}/input_items``."""

    @allowed("read")
    async def get(self, response_id: str) -> None:
        """List the items of the prompt of a response, with those of the responses before it."""
        stored = self.responses.get(response_id)
        before = [] if stored.previous_id is None else self.responses.history(stored.previous_id)[0]
        page = read_page([*before, *stored.input], self.get_query_argument)
        await self.finish_pieces(page)


class InputTokensHandler(CallHandler):
    """``POST /v1/responses/input_tokens``."""

    async def answer(self, manifest: Manifest, body: dict[str, Any]) -> None:
        """Count the tokens of the prompt that a request has."""
        call = await self.read(manifest, body)
        tokens = await self.until_disconnect(self._count(manifest, call))
        self.finish_json({"object": "response.input_tokens", "input_tokens": tokens})

    async def _count(self, manifest: Manifest, call: ResponseCall) -> int:
        call = await self.fitted(manifest, call)
        rendered = await self.rendered(manifest, call.request, call.keep_alive)
        return rendered.prompt_tokens


class CompactHandler(PowerHandler):
    """``POST /v1/responses/compact``."""

    @allowed("execute")
    async def post(self) -> None:
        await self.decode(self.json_body)
        raise UnsupportedRequestFields(
            "The server does not compact conversations. Use truncation with 'auto', or let a model "
            "write a summary and send that as input."
        )
