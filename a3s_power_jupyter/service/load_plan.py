"""From a manifest to what the runtime needs to load it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from msgspec import UNSET

from ..contract.parameters import LoadParameters, parse_keep_alive
from ..contract.types import Manifest
from ..convert.conversion_manager import GGML_KINDS, Conversions
from ..engine.protocol import Load
from ..engine.registry import require_engine
from ..runtime.interfaces import LoadPlan, Progress
from ..runtime.memory import kv_cache_bytes, needed_bytes
from ..store.conversions import Conversion
from ..store.model_store import ModelStore
from .defaults import load_parameters
from .settings import Settings


def make_load_plan(
    manifest: Manifest,
    asked: LoadParameters | None,
    settings: Settings,
    store: ModelStore,
    conversions: Conversions,
) -> LoadPlan:
    """How to load a model: with the parameters `asked` for, else those it was registered with.

    Its files are looked at when it is loaded, not before.
    """
    parameters = load_parameters(manifest.default_parameters, asked)
    keep_alive = manifest.default_parameters.keep_alive

    async def prepare(progress: Progress) -> Load:
        require_engine(manifest.format)
        load = Load(
            format=manifest.format,
            paths=(),
            parameters=parameters,
            gpu_layers=settings.gpu_layers,
            layers=0 if manifest.geometry is UNSET else manifest.geometry.layers,
            kv_bytes=kv_cache_bytes(manifest, parameters),
        )
        if manifest.format == "safetensors" and parameters.isq in GGML_KINDS:
            conversion = await conversions.find_or_make(manifest, str(parameters.isq), progress)
            if conversion.refused is None:
                blob = str(store.blobs.path(conversion.sha256))
                return msgspec.structs.replace(load, format="gguf", paths=(blob,))
            load = msgspec.structs.replace(load, notes=(_not_converted(conversion),))
        return _with_files(load, manifest, await asyncio.to_thread(store.resolve, manifest))

    return LoadPlan(
        name=manifest.name,
        parameters=parameters,
        prepare=prepare,
        need=needed_bytes(manifest, parameters),
        keep_alive=settings.keep_alive if keep_alive is UNSET else parse_keep_alive(keep_alive),
    )


def _with_files(load: Load, manifest: Manifest, paths: list[Path]) -> Load:
    files = [*zip(map(str, paths), manifest.files, strict=True)]
    return msgspec.structs.replace(
        load,
        paths=tuple(path for path, file in files if file.role is UNSET),
        names=tuple(file.name for _, file in files if file.role is UNSET),
        mmproj=next((path for path, file in files if file.role == "mmproj"), None),
    )


def _not_converted(conversion: Conversion) -> str:
    return f"It is not converted to GGUF: {conversion.refused}. It runs on transformers, slower."
