"""The models of `fake_service`."""

from __future__ import annotations

import asyncio
from typing import Any

from a3s_power_jupyter.contract.errors import ModelNotFound
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import (
    Manifest,
    ManifestProblem,
    Model,
    ModelDetails,
    RegisterBody,
    RegisterRequest,
    Removable,
    Source,
)
from a3s_power_jupyter.service.store_watch import Listing

NAMES = [
    "a/load",
    "bug",
    "busy",
    "dies",
    "endless",
    "gc",
    "long",
    "org/repo:Q4_K_M",
    "pull",
    "silent",
]


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


class FakeLocalModels:
    """Completes no requests, but looks for that in a thread, like the real one."""

    async def completed(self, body: RegisterBody) -> tuple[RegisterRequest, tuple[str, ...]]:
        request = RegisterRequest(str(body.name), path=body.path)
        return await asyncio.to_thread(lambda: (request, ()))


class FakeCatalog:
    """A catalog that looks up models in a thread, like the real one."""

    def __init__(self) -> None:
        self.lookups = 0

    async def manifest(self, name: str) -> Manifest:
        self.lookups += 1
        return await asyncio.to_thread(self._manifest, name)

    def _manifest(self, name: str) -> Manifest:
        if name not in NAMES:
            raise ModelNotFound(f"There is no model {name!r}.", param="model")
        return Manifest(name, "gguf", created=1, capabilities=("completion", "chat"))

    async def model(self, name: str) -> Model:
        return model((await self.manifest(name)).name)

    async def models(self) -> tuple[list[Model], list[ManifestProblem]]:
        return await asyncio.to_thread(lambda: ([model(name) for name in NAMES], []))

    async def usable_listing(self) -> Listing:
        return Listing([await self.manifest(name) for name in NAMES], [], None)

    def describe(self, manifest: Manifest) -> Model:
        return model(manifest.name)

    async def register(self, request: RegisterRequest) -> Model:
        return await asyncio.to_thread(model, request.name)

    async def delete(self, name: str, *, force: bool = False) -> int:
        await self.manifest(name)
        return 1000 if force else 1

    async def collect_garbage(
        self, *, dry_run: bool
    ) -> tuple[list[Removable], list[ManifestProblem]]:
        return [Removable("partial", "x", 5), Removable("orphan_blob", "y", 7)], []


class FakeHeaders:
    async def read(self, manifest: Manifest) -> dict[str, Any]:
        return {"general.architecture": "llama"}


class FakeCopies:
    async def copy(
        self, source: str, name: str, parameters: DefaultParameters | None = None
    ) -> Manifest:
        return Manifest(name, "gguf", created=1)
