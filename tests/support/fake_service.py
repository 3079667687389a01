"""A service without models, for the logic of the handlers: chosen with ``PowerApp.service_class``.

The names of its models say what they do.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from a3s_power_jupyter.contract.errors import (
    ModelNotFound,
    PullStateNotFound,
    ServerBusy,
    WorkerDied,
)
from a3s_power_jupyter.contract.parameters import DefaultParameters, LoadParameters
from a3s_power_jupyter.contract.types import (
    Delta,
    Embedded,
    Finished,
    ManifestProblem,
    Model,
    ModelDetails,
    PullRequest,
    PullStatus,
    RegisterRequest,
    Removable,
    Source,
    Started,
)
from a3s_power_jupyter.handlers import sse

#: Beside it: `endless` generates until it is stopped, `dies` ends in a `WorkerDied`, `busy` is
#: refused, `bug` raises what nobody expects, `silent` waits before each step until it is pinned.
NAMES = ["a/load", "bug", "busy", "dies", "endless", "gc", "org/repo:Q4_K_M", "silent", "pull"]


def model(name: str) -> Model:
    return Model(
        id=name,
        created=1,
        format="gguf",
        size_bytes=1,
        size=1,
        state="unloaded",
        loaded=False,
        parameters=ModelDetails(),
        default_parameters=DefaultParameters(),
        capabilities=("completion", "chat"),
        source=Source(path="/m.gguf"),
        pinned=False,
    )


def pull(name: str) -> PullStatus:
    return PullStatus(name, "pulling", started_at=1.0, completed=5, total=10, phase="downloading")


class FakeService:
    def __init__(self, settings: object, log: object, metrics: object) -> None:
        self.settings = settings
        self.calls: list[Any] = []
        self.active_requests = 0
        self.generated_bytes = 0
        self._step = asyncio.Event()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def register(self, request: RegisterRequest) -> Model:
        return model(request.name)

    async def models(self) -> list[Model]:
        return [model(name) for name in NAMES]

    async def model(self, name: str) -> Model:
        if name not in NAMES:
            raise ModelNotFound(f"There is no model {name!r}.", param="model")
        return model(name)

    async def is_remote(self, name: str) -> bool:
        return False

    async def delete(self, name: str, *, force: bool = False) -> int:
        await self.model(name)
        return 1000 if force else 1

    async def collect_garbage(
        self, *, dry_run: bool
    ) -> tuple[list[Removable], list[ManifestProblem]]:
        return [Removable("partial", "x", 5), Removable("orphan_blob", "y", 7)], []

    async def pull(self, request: PullRequest) -> AsyncGenerator[dict[str, Any], None]:
        yield {"status": "resolving"}
        if request.name == "dies":
            raise WorkerDied("The process of the pull ended.")
        yield {"status": "success", "id": request.name, "object": "model", "created": 1}

    async def pull_in_background(self, request: PullRequest) -> PullStatus:
        return pull(request.name)

    async def pulls(self) -> list[PullStatus]:
        return [pull("org/repo:Q4_K_M")]

    async def pull_status(self, name: str) -> PullStatus:
        if name not in ("gc", "org/repo:Q4_K_M"):
            raise PullStateNotFound(f"Nothing was pulled as {name!r}.", param="name")
        return pull(name)

    async def pause_pull(self, name: str) -> PullStatus:
        return msgspec.structs.replace(await self.pull_status(name), status="paused")

    async def cancel_pull(self, name: str, *, keep_partial: bool = False) -> PullStatus:
        status = await self.pull_status(name)
        return msgspec.structs.replace(
            status, status="cancelled", completed=status.completed if keep_partial else 0
        )

    async def load(
        self, name: str, parameters: LoadParameters, keep_alive: float | None
    ) -> AsyncGenerator[dict[str, Any], None]:
        loaded = await self.model(name)
        yield {"status": "loading", "progress": 0.5}
        if name == "dies":
            raise WorkerDied("The worker died.")
        self.calls.append([name, msgspec.to_builtins(parameters), keep_alive])
        yield {"status": "success", "model": loaded}

    async def unload(self, name: str, *, force: bool = False) -> Model:
        return await self.model(name)

    async def pin(self, name: str, pinned: bool) -> Model:
        self._step.set()
        return msgspec.structs.replace(await self.model(name), pinned=pinned)

    async def generate(
        self, name: str, request: object, keep_alive: float | None
    ) -> AsyncGenerator[Started | Delta | Finished, None]:
        await self.model(name)
        self.active_requests += 1
        try:
            if name == "busy":
                raise ServerBusy("Come back later.", retry_after=7)
            if name == "bug":
                raise RuntimeError("secret of the server")
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
            yield Finished("stop", 3, 1, 0)
        finally:
            self.active_requests -= 1
            self.calls.append([name, "closed"])

    async def _wait_if_silent(self, name: str) -> None:
        if name == "silent":
            await self._step.wait()
            self._step.clear()

    async def embed(self, name: str, request: object, keep_alive: float | None) -> Embedded:
        await self.model(name)
        return Embedded(struct.pack("<2f", 1, 0), 2, 3)

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        yield {
            "type": "snapshot",
            "instance": str(os.getpid()),
            "models": await self.models(),
            "pulls": [],
        }
        await asyncio.Event().wait()

    async def health(self) -> dict[str, Any]:
        """With what a test wants to know of this process."""
        return {
            "status": "ok",
            "hints": [],
            "calls": self.calls,
            "active": self.active_requests,
            "generated_bytes": self.generated_bytes,
            "settings": {key: str(value) for key, value in vars(self.settings).items()},
        }


class ImpatientService(FakeService):
    """Streams whose keep-alive comments follow one another without delay."""

    def __init__(self, settings: object, log: object, metrics: object) -> None:
        super().__init__(settings, log, metrics)
        sse.HEAD_DELAY = sse.KEEP_ALIVE = 0.1
