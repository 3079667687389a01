"""Run requests: on the workers of local models, and on the upstreams of remote ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast

import msgspec
from msgspec import UNSET

from ..contract.parameters import RANDOM_SEED, DefaultParameters
from ..contract.types import (
    ChatRequest,
    CompletionRequest,
    Delta,
    Detokenized,
    DetokenizeRequest,
    Embedded,
    EmbeddingRequest,
    GenerationItem,
    Manifest,
    Ranked,
    Rendered,
    RenderRequest,
    Request,
    RerankRequest,
    Route,
    Sampling,
    Tokenized,
    TokenizeRequest,
    TokenRequest,
)
from ..remote import Upstreams
from ..runtime.interfaces import WorkerHandle
from ..runtime.lease import Lease
from ..runtime.scheduler import Scheduler
from ..runtime.steps import finish
from ..runtime.stream import Stream
from .load_plan import LoadPlanner
from .merging import merge
from .read_ahead import read_ahead

#: The only item of the reply to a request.
Result = TypeVar("Result", Embedded, Ranked)
TokenResult = TypeVar("TokenResult", Tokenized, Detokenized, Rendered)


#: Most texts of one client's request that an upstream generates at once.
MAX_REMOTE = 4


class Inference:
    """Generation, embeddings, reranking and tokens. Local models are loaded first if necessary.

    Attributes
    ----------
    active : int
        Requests in progress, including those that wait for their model.
    """

    def __init__(self, planner: LoadPlanner, scheduler: Scheduler, upstreams: Upstreams) -> None:
        self.active = 0
        self._planner = planner
        self._scheduler = scheduler
        self._upstreams = upstreams

    async def generate(
        self,
        manifest: Manifest,
        requests: Sequence[ChatRequest | CompletionRequest],
        keep_alive: float | None,
    ) -> AsyncGenerator[tuple[int, GenerationItem], None]:
        """Generate the texts of one client's request.

        Yield the parts of all texts as they come, each with the index of its text, and `Finished`
        last for each. The texts are generated concurrently as slots become free, however slowly
        they are read; texts with a seed one after another, because a text beside others may differ.
        If one fails, the others are stopped. Closing the generator stops all and returns once their
        slots are free.

        Parameters
        ----------
        keep_alive : float or None
            Seconds the model stays loaded after its last request; None for the configured time. It
            has no effect on a remote model.

        Raises
        ------
        PowerError
            If the load fails, the worker dies, or the request cannot be served.
        ClientTooSlow
            If too much waits to be read.
        """
        if manifest.format == "remote":
            generation = self._generate_remotely(manifest, requests)
        else:
            generation = self._generate(manifest, requests, keep_alive)
        async with aclosing(read_ahead(generation, _size)) as items:
            async for item in items:
                yield item

    async def _generate(
        self,
        manifest: Manifest,
        requests: Sequence[ChatRequest | CompletionRequest],
        keep_alive: float | None,
    ) -> AsyncGenerator[tuple[int, GenerationItem], None]:
        requests = [with_defaults(request, manifest.request_defaults) for request in requests]
        seeded = any(request.sampling.seed is not UNSET for request in requests)
        async with self._leased(manifest, keep_alive) as lease:
            texts = (_text(lease, request) for request in requests)
            limit = 1 if seeded else min(lease.slots, len(requests))
            async with aclosing(merge(texts, limit)) as items:
                async for item in items:
                    yield item

    async def _generate_remotely(
        self, manifest: Manifest, requests: Sequence[ChatRequest | CompletionRequest]
    ) -> AsyncGenerator[tuple[int, GenerationItem], None]:
        with self._counted():
            texts = (self._upstreams.generate(manifest, request) for request in requests)
            limit = min(MAX_REMOTE, len(requests))
            async with aclosing(merge(texts, limit)) as items:
                async for item in items:
                    yield item

    async def embed(
        self,
        manifest: Manifest,
        request: EmbeddingRequest,
        keep_alive: float | None,
        *,
        on_leased: Callable[[], None] | None = None,
    ) -> Embedded:
        """Compute one L2-normalized vector for each input. Raises as `generate` does.

        Parameters
        ----------
        on_leased : callable or None
            Called when a local model is loaded and begins with the request.
        """
        if manifest.format == "remote":
            with self._counted():
                return await self._upstreams.embed(manifest, request)
        return await self._result(manifest, request, keep_alive, Embedded, on_leased)

    async def rerank(
        self, manifest: Manifest, request: RerankRequest, keep_alive: float | None
    ) -> Ranked:
        """Compute how well each document answers the query. Raises as `generate` does."""
        return await self._result(manifest, request, keep_alive, Ranked)

    async def _result(
        self,
        manifest: Manifest,
        request: Request,
        keep_alive: float | None,
        type_: type[Result],
        on_leased: Callable[[], None] | None = None,
    ) -> Result:
        """Process a request with a reply of one item."""
        async with (
            self._leased(manifest, keep_alive) as lease,
            lease.slot() as worker,
            _submitted(worker, request) as stream,
        ):
            if on_leased is not None:
                on_leased()
            async for item in stream:
                if isinstance(item, type_):
                    return item
        raise RuntimeError(f"the engine ended a request without its {type_.__name__}")

    async def tokenize(
        self, manifest: Manifest, request: TokenizeRequest, keep_alive: float | None
    ) -> Tokenized:
        """Return the tokens of a text, without waiting for a slot. Raises as `generate` does."""
        return await self._token_result(manifest, request, keep_alive, Tokenized)

    async def detokenize(
        self, manifest: Manifest, request: DetokenizeRequest, keep_alive: float | None
    ) -> Detokenized:
        """Return the text of tokens, without waiting for a slot. Raises as `generate` does."""
        return await self._token_result(manifest, request, keep_alive, Detokenized)

    async def render(
        self, manifest: Manifest, request: RenderRequest, keep_alive: float | None
    ) -> Rendered:
        """Return the prompt that a chat would have and its tokens, without waiting for a slot.

        The prompt may be longer than the context. Raises as `generate` does.
        """
        chat = _with_system(request.chat, manifest.request_defaults)
        request = msgspec.structs.replace(request, chat=chat)
        return await self._token_result(manifest, request, keep_alive, Rendered)

    async def _token_result(
        self,
        manifest: Manifest,
        request: TokenRequest,
        keep_alive: float | None,
        type_: type[TokenResult],
    ) -> TokenResult:
        if manifest.format == "remote":
            with self._counted():
                answered = await self._upstreams.answer_tokens(manifest, request)
            return cast(TokenResult, answered)
        plan = self._planner.plan(manifest)
        with self._counted():
            async with (
                self._scheduler.use(plan, keep_alive) as worker,
                _submitted(worker, request) as stream,
            ):
                async for item in stream:
                    if isinstance(item, type_):
                        return item
        raise RuntimeError(f"the engine ended a request without its {type_.__name__}")

    async def forward(
        self, manifest: Manifest, route: Route, body: dict[str, Any]
    ) -> dict[str, Any]:
        """Send a request to a remote model's upstream, unchecked, and return the reply.

        Raises
        ------
        PowerError
            If the upstream cannot be reached, fails, or refuses the request.
        """
        with self._counted():
            return await self._upstreams.reply(manifest, route, body)

    async def forward_stream(
        self, manifest: Manifest, route: Route, body: dict[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Like `forward`, event by event. Closing the generator aborts the upstream's request."""
        with self._counted():
            async with aclosing(self._upstreams.stream(manifest, route, body)) as events:
                async for event in events:
                    yield event

    @asynccontextmanager
    async def _leased(self, manifest: Manifest, keep_alive: float | None) -> AsyncIterator[Lease]:
        plan = self._planner.plan(manifest)
        with self._counted():
            async with self._scheduler.lease(plan, keep_alive) as lease:
                yield lease

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1


async def _text(
    lease: Lease, request: ChatRequest | CompletionRequest
) -> AsyncGenerator[GenerationItem, None]:
    async with lease.slot() as worker, _submitted(worker, request) as items:
        async for item in items:
            if isinstance(item, GenerationItem):
                yield item


def _size(item: tuple[int, GenerationItem]) -> int:
    """Return roughly the bytes that an item takes in memory and in a reply."""
    _, part = item
    if not isinstance(part, Delta):
        return 200
    alternatives = sum(1 + len(row.top) for row in part.logprobs or [])
    text = len(part.text) + len(part.reasoning)
    calls = sum(200 + len(call.arguments) for call in part.tool_calls)
    return 200 + text + calls + 200 * alternatives


@asynccontextmanager
async def _submitted(
    worker: WorkerHandle, request: Request | TokenRequest
) -> AsyncIterator[Stream]:
    stream = worker.submit(request)
    try:
        yield stream
    finally:
        await finish(stream.close())


#: Sampling fields that a registered model may set in its `default_parameters`.
_SAMPLING_DEFAULTS = tuple(
    field for field in Sampling.__struct_fields__ if field in DefaultParameters.__struct_fields__
)


def with_defaults(
    request: ChatRequest | CompletionRequest, defaults: DefaultParameters
) -> ChatRequest | CompletionRequest:
    """Fill in the model's defaults: unset sampling fields, and a chat's missing system prompt.

    The seed of the result is that of the request's choice, or UNSET for a random one.
    """
    values = {
        field: getattr(defaults, field)
        for field in _SAMPLING_DEFAULTS
        if getattr(request.sampling, field) is UNSET and getattr(defaults, field) is not UNSET
    }
    if "stop" in values:
        stop = values["stop"]
        values["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    if "dry_sequence_breakers" in values:
        values["dry_sequence_breakers"] = tuple(values["dry_sequence_breakers"])
    sampling = _seeded(msgspec.structs.replace(request.sampling, **values))
    if isinstance(request, CompletionRequest):
        return msgspec.structs.replace(request, sampling=sampling)
    return _with_system(msgspec.structs.replace(request, sampling=sampling), defaults)


def _with_system(chat: ChatRequest, defaults: DefaultParameters) -> ChatRequest:
    if defaults.system is UNSET or any(m.get("role") == "system" for m in chat.messages):
        return chat
    messages = [{"role": "system", "content": defaults.system}, *chat.messages]
    return msgspec.structs.replace(chat, messages=messages)


def _seeded(sampling: Sampling) -> Sampling:
    """Replace `RANDOM_SEED` by UNSET, and add the choice to any other seed."""
    seed = sampling.seed
    if seed is not UNSET:
        seed = UNSET if seed == RANDOM_SEED else seed + sampling.choice
    return msgspec.structs.replace(sampling, seed=seed, choice=0)
