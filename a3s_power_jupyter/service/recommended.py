"""Recommend models to begin with, and say what fits this machine, without asking the hub."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from ..contract.errors import PowerError
from ..contract.parameters import DEFAULT_NUM_CTX, LoadParameters
from ..contract.types import (
    Capability,
    Manifest,
    ModelDetails,
    RecommendedModel,
    RecommendedModels,
    Variant,
)
from ..engine.estimate import estimate
from ..hub.resolve.reference import parse
from .catalog import Catalog
from .fits import Machine, MachineMemory, fit
from .recommended_list import Entry, built_in_list, load_list


class Recommended:
    """Recommends models, and says which of their quantizations fit this machine.

    Parameters
    ----------
    path : Path or None
        A list that replaces that of the package.

    Attributes
    ----------
    problem : str or None
        Why the list at `path` is not used.
    """

    def __init__(self, path: Path | None, catalog: Catalog, memory: MachineMemory) -> None:
        self._catalog = catalog
        self._memory = memory
        self.problem: str | None = None
        self._entries: tuple[Entry, ...] = ()
        if path is not None:
            try:
                self._entries = load_list(path)
            except ValueError as error:
                self.problem = (
                    f"The list of recommended models {path} is not used: {error}. Correct it, and "
                    "restart the server."
                )

    async def models(self, num_ctx: int | None = None) -> RecommendedModels:
        """Return the list, with what fits and what is here already.

        Parameters
        ----------
        num_ctx : int or None
            Context length for the memory; None for the default of a load.
        """
        self._entries = self._entries or built_in_list()
        num_ctx = num_ctx or DEFAULT_NUM_CTX
        machine = await self._memory.measure()
        listing = await self._catalog.listing()
        installed = [*listing.manifests]
        models = (recommended(entry, machine, installed, num_ctx) for entry in self._entries)
        return RecommendedModels(tuple(models), num_ctx)


def recommended(
    entry: Entry, machine: Machine, installed: Iterable[Manifest], num_ctx: int
) -> RecommendedModel:
    """Return what is known of a model of the list on a machine."""
    here = _by_quantization(entry, installed)
    variants = [
        _variant(entry, quantization, size, machine, num_ctx, here.get(quantization))
        for quantization, size in entry.variants.items()
    ]
    chosen = _chosen(variants)
    usual = variants[0]
    return RecommendedModel(
        title=entry.title,
        reference=(chosen or usual).reference,
        good_for=entry.good_for,
        license=entry.license,
        default=entry.default,
        capabilities=entry.capabilities,
        parameter_count=entry.parameter_count,
        context_length=entry.number("context_length"),
        variants=tuple(
            msgspec.structs.replace(variant, recommended=variant is chosen)
            for variant in sorted(variants, key=lambda variant: variant.size_bytes)
        ),
        needs=entry.needs,
    )


def _chosen(variants: list[Variant]) -> Variant | None:
    """Return the usual variant, which is the first; the largest that fits if it does not."""
    fitting = [variant for variant in variants if variant.fit in ("gpu", "memory")]
    if not fitting or variants[0] in fitting:
        return fitting[0] if fitting else None
    return max(fitting, key=lambda variant: variant.size_bytes)


def _variant(
    entry: Entry,
    quantization: str,
    size: int,
    machine: Machine,
    num_ctx: int,
    installed: str | None,
) -> Variant:
    memory = _memory_of(entry, size, num_ctx)
    return Variant(
        reference=entry.reference(quantization),
        label=quantization,
        format="gguf",
        size_bytes=size + entry.projector,
        file_count=2 if entry.projector else 1,
        memory_bytes=memory,
        fit=fit(memory, machine),
        installed=installed,
    )


def _memory_of(entry: Entry, size: int, num_ctx: int) -> int:
    embeds = entry.capabilities == ("embeddings",)
    capabilities: tuple[Capability, ...] = (
        entry.capabilities if embeds else ("completion", *entry.capabilities)
    )
    manifest = Manifest(
        name=entry.repository,
        format="gguf",
        created=0,
        details=ModelDetails(parameter_count=entry.parameter_count),
        capabilities=capabilities,
    )
    parameters = LoadParameters(num_ctx=min(num_ctx, entry.number("context_length")))
    return estimate(manifest, entry.geometry(size), parameters).total


def _by_quantization(entry: Entry, installed: Iterable[Manifest]) -> dict[str, str]:
    """Return the names of the models that were pulled from the repository, by quantization."""
    here: dict[str, str] = {}
    for manifest in installed:
        reference = manifest.source.reference
        if reference is UNSET:
            continue
        try:
            parsed = parse(reference)
        except PowerError:
            continue
        if parsed.repo.lower() != entry.repository.lower():
            continue
        stated: Any = parsed.tag or manifest.details.quantization
        if isinstance(stated, str):
            here.setdefault(stated.upper(), manifest.name)
    return here
