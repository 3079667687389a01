"""From a manifest to what the runtime needs to load it."""

from __future__ import annotations

import asyncio

from msgspec import UNSET

from .defaults import load_parameters
from .engine.protocol import Load
from .engine.registry import require_engine
from .parameters import LoadParameters, parse_keep_alive
from .runtime.interfaces import Spec
from .runtime.memory import kv_cache_bytes, needed_bytes
from .settings import Settings
from .store.model_store import ModelStore
from .types import Manifest


def make_spec(
    manifest: Manifest, asked: LoadParameters | None, settings: Settings, store: ModelStore
) -> Spec:
    """How to load a model: with the parameters `asked` for, else those it was registered with.

    Its files are looked at when it is loaded, not before.
    """
    parameters = load_parameters(manifest.default_parameters, asked)
    keep_alive = manifest.default_parameters.keep_alive

    async def prepare() -> Load:
        require_engine(manifest.format)
        paths = await asyncio.to_thread(store.resolve, manifest)
        files = [*zip(map(str, paths), manifest.files, strict=True)]
        return Load(
            format=manifest.format,
            paths=tuple(path for path, file in files if file.role is UNSET),
            names=tuple(file.name for _, file in files if file.role is UNSET),
            mmproj=next((path for path, file in files if file.role == "mmproj"), None),
            parameters=parameters,
            gpu_layers=settings.gpu_layers,
            layers=0 if manifest.geometry is UNSET else manifest.geometry.layers,
            kv_bytes=kv_cache_bytes(manifest, parameters),
        )

    return Spec(
        name=manifest.name,
        parameters=parameters,
        prepare=prepare,
        need=needed_bytes(manifest, parameters),
        keep_alive=settings.keep_alive if keep_alive is UNSET else parse_keep_alive(keep_alive),
    )
