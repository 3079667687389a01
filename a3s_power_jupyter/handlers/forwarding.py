"""The base class of handlers that pass the requests of a remote model on to its upstream."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar

from ..contract.types import Manifest, Route
from ..contract.usage import read_usage
from . import metrics
from .event_stream import EventStreamHandler
from .inference import InferenceHandler

#: The end of a stream.
DONE = b"data: [DONE]\n\n"


class ForwardingHandler(InferenceHandler, EventStreamHandler):
    """Base class: forwards a remote model's requests, and leaves a local model's to `answer`."""

    route: ClassVar[Route]

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
                count_usage(manifest.name, reply)
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
                count_usage(manifest.name, event)
                yield event


def count_usage(name: str, reply: dict[str, Any]) -> None:
    """Add the ``usage`` of an upstream's reply, if it has one, to the metrics."""
    usage = read_usage(reply.get("usage"))
    counts = (
        (metrics.PROMPT_TOKENS, usage.prompt_tokens),
        (metrics.CACHED_TOKENS, usage.cached_tokens),
        (metrics.TOKENS, usage.completion_tokens),
    )
    for counter, tokens in counts:
        if tokens:
            counter.labels(name).inc(tokens)
