"""A service without models for tests of the handlers, selected with ``PowerApp.service_class``.

The name of a model selects its behavior. ``endless`` generates until it is stopped, ``dies`` fails
with `WorkerDied`, ``busy`` and ``long`` are refused, ``bug`` raises an unexpected exception, and
``silent`` waits before each step until it is pinned.
"""

from __future__ import annotations

import asyncio
import gc
import os
import struct
import tracemalloc
from array import array
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    PullStateNotFound,
    ServerBusy,
    WorkerDied,
)
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    Delta,
    Embedded,
    GenerationItem,
    HubModel,
    HubPage,
    HubRepository,
    HubToken,
    Manifest,
    Model,
    PullRequest,
    PullStatus,
    Started,
    TokenLogprob,
)
from a3s_power_jupyter.handlers import event_stream
from a3s_power_jupyter.service.merging import merge
from support.fake_models import FakeCatalog, FakeCopies, FakeHeaders, FakeLocalModels
from support.items import finished

#: Bytes of the blocks that `UncollectedService` counts.
LARGE_BLOCK = 500_000


def pull(name: str) -> PullStatus:
    return PullStatus(name, "pulling", started_at=1.0, completed=5, total=10, phase="downloading")


class FakeService:
    def __init__(self, settings: object, log: object, metrics: object) -> None:
        self.settings = settings
        self.calls: list[Any] = []
        self.catalog = FakeCatalog()
        self.pulls = FakePulls()
        self.headers = FakeHeaders()
        self.local_models = FakeLocalModels()
        self.copies = FakeCopies()
        self.inference = FakeInference(self.calls)
        self.loading = FakeLoading(self.catalog, self.inference, self.calls)
        self.events = FakeEvents(self.catalog)
        self.hub = FakeHub()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    @property
    def active_requests(self) -> int:
        return self.inference.active

    async def health(self) -> dict[str, Any]:
        """Return the health and the state of this service for tests to check."""
        return {
            "status": "ok",
            "hints": [],
            "calls": self.calls,
            "lookups": self.catalog.lookups,
            "active": self.active_requests,
            "generated_bytes": self.inference.generated_bytes,
            "settings": {key: str(value) for key, value in vars(self.settings).items()},
        }


class UncollectedService(FakeService):
    """Runs without the garbage collector, and counts the large blocks of memory in use."""

    async def start(self) -> None:
        gc.disable()
        tracemalloc.start()

    async def health(self) -> dict[str, Any]:
        traces = tracemalloc.take_snapshot().traces
        sizes = [trace.size for trace in traces if trace.size > LARGE_BLOCK]
        return await super().health() | {"large_blocks": sizes}


class FakePulls:
    @staticmethod
    def model_name(reference: str) -> str:
        return reference.removeprefix("hf.co/")

    async def pull(self, request: PullRequest) -> AsyncGenerator[dict[str, Any], None]:
        yield {"status": "resolving"}
        if request.name == "dies":
            raise WorkerDied("The process of the pull ended.")
        yield {"status": "success", "id": request.name, "object": "model", "created": 1}

    async def pull_in_background(self, request: PullRequest) -> PullStatus:
        return pull(request.name)

    async def all(self) -> list[PullStatus]:
        return [pull("org/repo:Q4_K_M")]

    async def status(self, name: str) -> PullStatus:
        if name not in ("gc", "org/repo:Q4_K_M"):
            raise PullStateNotFound(f"There is no pull of {name!r}.", param="name")
        return pull(name)

    async def pause(self, name: str) -> PullStatus:
        return msgspec.structs.replace(await self.status(name), status="paused")

    async def cancel(self, name: str, *, keep_partial: bool = False) -> PullStatus:
        status = await self.status(name)
        return msgspec.structs.replace(
            status, status="cancelled", completed=status.completed if keep_partial else 0
        )


class FakeHub:
    async def search(self, words: str, **options: Any) -> HubPage:
        return HubPage((HubModel("ada/model", ("gguf",)),), next=options["cursor"])

    async def repository(self, name: str, num_ctx: int | None) -> HubRepository:
        return HubRepository(name, ("gguf",), num_ctx=num_ctx or 8192, revision="c" * 40)

    async def token(self) -> HubToken:
        return HubToken(False, None)


class FakeLoading:
    def __init__(self, catalog: FakeCatalog, inference: FakeInference, calls: list[Any]) -> None:
        self.catalog = catalog
        self.inference = inference
        self.calls = calls

    async def load(
        self, name: str, parameters: LoadParameters, keep_alive: float | None
    ) -> AsyncGenerator[dict[str, Any], None]:
        loaded = await self.catalog.model(name)
        yield {"status": "loading", "progress": 0.5}
        if name == "dies":
            raise WorkerDied("The worker died.")
        self.calls.append([name, msgspec.to_builtins(parameters), keep_alive])
        yield {"status": "success", "model": loaded}

    async def unload(self, name: str, *, force: bool = False) -> Model:
        return await self.catalog.model(name)

    async def pin(self, name: str, pinned: bool) -> Model:
        self.inference.next_step.set()
        return msgspec.structs.replace(await self.catalog.model(name), pinned=pinned)


class FakeInference:
    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls
        self.active = 0
        self.generated_bytes = 0
        self.next_step = asyncio.Event()

    async def generate(
        self, manifest: Manifest, requests: Sequence[object], keep_alive: float | None
    ) -> AsyncGenerator[tuple[int, GenerationItem], None]:
        texts = (self._text(manifest.name) for _ in requests)
        async with aclosing(merge(texts, min(4, len(requests)))) as items:
            async for item in items:
                yield item

    async def _text(self, name: str) -> AsyncGenerator[GenerationItem, None]:
        self.active += 1
        try:
            if name == "busy":
                raise ServerBusy("Come back later.", retry_after=7)
            if name == "long":
                raise ContextLengthExceeded("The prompt has more tokens than the context.")
            if name == "bug":
                raise RuntimeError(f"secret of the server {os.environ['JUPYTER_TOKEN']}")
            await self._wait_if_silent(name)
            yield Started(3, 0)
            yield Delta("Hello")
            if name == "dies":
                raise WorkerDied("The worker died of signal 9.")
            await self._wait_if_silent(name)
            while name == "endless":
                yield Delta("x" * 4096)
                self.generated_bytes += 4096
                await asyncio.sleep(0.001)
            yield finished("stop", 3, 1, 0)
        finally:
            self.active -= 1
            self.calls.append([name, "closed"])

    async def _wait_if_silent(self, name: str) -> None:
        if name == "silent":
            await self.next_step.wait()
            self.next_step.clear()

    async def embed(
        self, manifest: Manifest, request: object, keep_alive: float | None, **_callbacks: object
    ) -> Embedded:
        return Embedded(struct.pack("<2f", 1, 0), 2, 3)


class FakeEvents:
    def __init__(self, catalog: FakeCatalog) -> None:
        self.catalog = catalog

    async def stream(self) -> AsyncGenerator[dict[str, Any], None]:
        yield {
            "type": "snapshot",
            "instance": str(os.getpid()),
            "models": (await self.catalog.models())[0],
            "pulls": [],
        }
        await asyncio.Event().wait()


class ImpatientService(FakeService):
    """Sends keep-alive comments without delay."""

    def __init__(self, settings: object, log: object, metrics: object) -> None:
        super().__init__(settings, log, metrics)
        event_stream.HEAD_DELAY = event_stream.KEEP_ALIVE = 0.1


class LargeService(FakeService):
    """Answers with as many vectors and log probabilities as a request can get."""

    def __init__(self, settings: object, log: object, metrics: object) -> None:
        super().__init__(settings, log, metrics)
        self.inference = LargeInference(self.calls)


class LargeInference(FakeInference):
    async def _text(self, name: str) -> AsyncGenerator[GenerationItem, None]:
        alternatives = [(f"word{i}", [119, 111, 114, 100], -0.123456789 * i) for i in range(20)]
        yield Started(3, 0)
        for _ in range(200):
            yield Delta("word0", [TokenLogprob("word0", [119], -0.1234, alternatives)])
            await asyncio.sleep(0)
        yield finished("length", 3, 200, 0)

    async def embed(
        self, manifest: Manifest, request: object, keep_alive: float | None, **_callbacks: object
    ) -> Embedded:
        vector = array("f", [0.0123456789 * (i % 97) for i in range(4096)]).tobytes()
        return Embedded(vector * 2048, 4096, 3)
