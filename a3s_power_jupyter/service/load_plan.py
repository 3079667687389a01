"""Plan the load of a model: its parameters, files, memory and conversion."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
from msgspec import UNSET

from ..contract.parameters import (
    GGML_KINDS,
    DefaultParameters,
    LoadParameters,
    parse_keep_alive,
)
from ..contract.types import Device, Geometry, Manifest
from ..convert.conversion_manager import ConversionManager
from ..engine.base import ProgressCallback
from ..engine.estimate import estimate, runs_on_llamacpp, split
from ..engine.protocol import Load, PromptCacheSettings
from ..engine.registry import require_engine
from ..runtime.interfaces import LoadPlan
from ..runtime.memory import headroom_bytes
from ..store.conversions import Conversion, conversion_of
from ..store.formats.geometry import directory_geometry_of, gguf_geometry_of
from ..store.formats.inspection import check_isq
from ..store.model_store import ModelStore
from ..store.prompts import prompt_folder
from ..store.threads import StoreThreads
from .settings import Settings


class LoadPlanner:
    """Makes load plans from manifests.

    Parameters
    ----------
    gpus : callable
        Returns the GPUs with the memory that was free before the first load.
    """

    def __init__(
        self,
        settings: Settings,
        store: ModelStore,
        threads: StoreThreads,
        conversions: ConversionManager,
        gpus: Callable[[], Awaitable[list[Device]]],
    ) -> None:
        self._settings = settings
        self._store = store
        self._threads = threads
        self._conversions = conversions
        self._gpus = gpus

    def plan(self, manifest: Manifest, requested: LoadParameters | None = None) -> LoadPlan:
        """Return the plan to load a model.

        The model's files are checked when the plan is carried out, not here.

        Parameters
        ----------
        requested : LoadParameters or None
            Parameters that take precedence over the model's defaults.

        Raises
        ------
        InvalidISQ
            If `requested` has an `isq` for a GGUF model.
        """
        if requested is not None:
            check_isq(manifest.format, requested, param="isq")
        defaults = manifest.default_parameters
        parameters = load_parameters(defaults, requested)
        keep_alive = self._settings.keep_alive
        if defaults.keep_alive is not UNSET:
            keep_alive = parse_keep_alive(defaults.keep_alive)
        return LoadPlan(
            manifest=manifest,
            parameters=parameters,
            prepare=lambda progress: self._prepare(manifest, parameters, progress, 0),
            need=0,
            keep_alive=keep_alive,
            prompt_cache=self._settings.prompt_cache,
            renew=lambda: self._renew(manifest.name, requested),
        )

    async def estimated(
        self, manifest: Manifest, requested: LoadParameters | None
    ) -> tuple[LoadPlan, Geometry]:
        """Return the plan to load a model with what it needs, and what that was computed from.

        Raises
        ------
        PowerError
            If `plan` refuses the parameters, or the model's files have changed or cannot be read.
        """
        plan = self.plan(manifest, requested)
        parameters = plan.parameters
        geometry = await self._threads.files.run(self._geometry, manifest, parameters)
        use = estimate(manifest, geometry, parameters)
        headroom = headroom_bytes(manifest, use, self._settings.memory_headroom)
        capacity = await self._gpu_capacity(manifest, parameters)
        need, gpu_need = self.needs(plan, geometry, parameters, capacity)
        plan = replace(
            plan,
            gpu_need=gpu_need,
            gpu_capacity=capacity,
            prepare=lambda progress: self._prepare(manifest, parameters, progress, headroom),
            need=need,
            headroom=headroom,
        )
        return plan, geometry

    def needs(
        self, plan: LoadPlan, geometry: Geometry, parameters: LoadParameters, capacity: int
    ) -> tuple[int, int]:
        """Return what the model of a plan needs with these parameters, here and on the GPUs."""
        use = estimate(plan.manifest, geometry, parameters)
        layers = self._settings.gpu_layers if parameters.num_gpu is UNSET else parameters.num_gpu
        return split(use, geometry, layers=layers, capacity=capacity)

    async def _gpu_capacity(self, manifest: Manifest, parameters: LoadParameters) -> int:
        """Return the GPU memory that models on llama.cpp may use; 0 without a GPU."""
        if not runs_on_llamacpp(manifest, parameters):
            return 0
        gpus = await self._gpus()
        if parameters.main_gpu is not UNSET:
            gpus = gpus[parameters.main_gpu : parameters.main_gpu + 1]
        return sum(gpu.memory_free for gpu in gpus if gpu.memory_free is not UNSET)

    async def header_load(self, manifest: Manifest, parameters: LoadParameters) -> Load | None:
        """Return the command to load a model on llama.cpp; None if that needs a conversion."""
        paths = await self._threads.files.run(self._gguf_files, manifest, parameters)
        if paths is None:
            return None
        return Load("gguf", paths, parameters, gpu_layers=self._settings.gpu_layers)

    def _gguf_files(self, manifest: Manifest, parameters: LoadParameters) -> tuple[str, ...] | None:
        if manifest.format == "gguf":
            files = zip(manifest.files, self._store.resolve(manifest), strict=True)
            return tuple(str(path) for file, path in files if file.role is UNSET)
        if manifest.format == "safetensors" and parameters.isq in GGML_KINDS:
            found = self._store.find_conversion(conversion_of(manifest, str(parameters.isq)))
            if found is not None and found.refused is None:
                return (str(self._store.converted_path(found)),)
        return None

    def _geometry(self, manifest: Manifest, parameters: LoadParameters) -> Geometry:
        """Read the headers of the files that the plan loads."""
        files = list(zip(manifest.files, self._store.resolve(manifest), strict=True))
        gguf = self._gguf_files(manifest, parameters)
        if gguf is not None:
            mmproj = (path for file, path in files if file.role == "mmproj")
            return gguf_geometry_of([*map(Path, gguf)], next(mmproj, None))
        config = next(path for file, path in files if file.name == "config.json")
        geometry = directory_geometry_of(config)
        if manifest.format != "huggingface" or manifest.context_length is UNSET:
            return geometry
        return msgspec.structs.replace(geometry, context_length=manifest.context_length)

    async def _renew(self, name: str, requested: LoadParameters | None) -> LoadPlan:
        manifest = await self._threads.home.run(self._store.get, name)
        plan, _ = await self.estimated(manifest, requested)
        return plan

    def _prompt_cache(self, manifest: Manifest) -> PromptCacheSettings | None:
        """Return where a model keeps warm conversations; the scheduler sets the size in memory."""
        if self._settings.prompt_cache == 0:
            return None
        if not self._settings.keeps_prompts:
            return PromptCacheSettings()
        return PromptCacheSettings(
            directory=str(prompt_folder(self._settings.home, manifest)),
            disk_bytes=self._settings.prompt_cache_disk,
        )

    async def _prepare(
        self,
        manifest: Manifest,
        parameters: LoadParameters,
        progress: ProgressCallback,
        headroom: int,
    ) -> Load:
        require_engine(manifest.format)
        load = Load(
            format=manifest.format,
            paths=(),
            parameters=parameters,
            gpu_layers=self._settings.gpu_layers,
            notes=_unsupported_settings(manifest),
            prompt_cache=self._prompt_cache(manifest),
        )
        if manifest.format == "safetensors" and parameters.isq in GGML_KINDS:
            isq = str(parameters.isq)
            conversion = await self._conversions.find_or_convert(
                manifest, isq, progress, memory_limit=headroom
            )
            if conversion.refused is None:
                blob = str(self._store.converted_path(conversion))
                load = msgspec.structs.replace(load, format="gguf", paths=(blob,))
                return _with_weights(load, conversion.sha256)
            notes = (*load.notes, _not_converted(conversion))
            load = msgspec.structs.replace(load, notes=notes)
        paths = await self._threads.files.run(self._store.resolve, manifest)
        return _with_files(load, manifest, paths)


def load_parameters(
    defaults: DefaultParameters, requested: LoadParameters | None
) -> LoadParameters:
    """Return the parameters of `requested`, with those it leaves unset taken from `defaults`."""
    requested = requested or LoadParameters()
    values = {}
    for field in LoadParameters.__struct_fields__:
        value = getattr(requested, field)
        values[field] = getattr(defaults, field) if value is UNSET else value
    return LoadParameters(**values)


def _with_files(load: Load, manifest: Manifest, paths: list[Path]) -> Load:
    files = [*zip(map(str, paths), manifest.files, strict=True)]
    return msgspec.structs.replace(
        load,
        paths=tuple(path for path, file in files if file.role is UNSET),
        names=tuple(file.name for _, file in files if file.role is UNSET),
        mmproj=next((path for path, file in files if file.role == "mmproj"), None),
    )


def _with_weights(load: Load, sha256: str) -> Load:
    if load.prompt_cache is None:
        return load
    cache = msgspec.structs.replace(load.prompt_cache, weights=sha256)
    return msgspec.structs.replace(load, prompt_cache=cache)


def _unsupported_settings(manifest: Manifest) -> tuple[str, ...]:
    names = ", ".join(manifest.unsupported_settings)
    return (f"Settings of the model's files that have no effect here: {names}.",) if names else ()


def _not_converted(conversion: Conversion) -> str:
    return (
        f"Not converted to GGUF: {conversion.refused}. Runs on transformers instead, which is "
        "slower."
    )
