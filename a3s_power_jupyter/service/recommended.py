"""Recommend models to begin with, from a list that is part of the package or the administrator's.

Nothing is asked of the hub: sizes and the numbers of the header are in the list.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..contract.errors import InvalidModelName, InvalidReference, PowerError
from ..contract.parameters import DEFAULT_NUM_CTX, LoadParameters
from ..contract.regular_file import read_regular
from ..contract.types import (
    Capability,
    Geometry,
    Manifest,
    ModelDetails,
    RecommendedModel,
    RecommendedModels,
    Variant,
)
from ..engine.estimate import estimate
from ..hub.resolve.reference import parse
from ..store.formats.ggml import FILE_TYPES, TENSOR_TYPES
from ..store.formats.gguf import Header, Omitted, Tensor, Value
from ..store.formats.gguf_geometry import image_values, read_geometry
from .catalog import Catalog
from .fits import Machine, MachineMemory, fit

#: Bytes of the largest list of an administrator, and the most models in it.
MAX_BYTES = 1 << 20
MAX_MODELS = 100

#: The quantizations that a list may name.
QUANTIZATIONS = {*FILE_TYPES.values(), *(kind.name for kind in TENSOR_TYPES.values())}

_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_Size = Annotated[int, Meta(ge=1, le=1 << 50)]
_Number = Annotated[int, Meta(ge=1, lt=1 << 31)]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model of the list; docs/models.md describes the fields."""

    title: _Text
    repository: _Text
    good_for: _Text
    license: _Text
    capabilities: tuple[Capability, ...]
    parameter_count: _Size
    variants: Annotated[dict[str, _Size], Meta(min_length=1, max_length=30)]
    header: dict[str, str | _Number]
    needs: _Text | UnsetType = UNSET
    default: bool = False
    projector: Annotated[int, Meta(ge=0, le=1 << 50)] = 0
    vision: dict[str, _Number] = {}

    def reference(self, quantization: str) -> str:
        """Return what to pull for a quantization."""
        return f"{self.repository}:{quantization}"

    def geometry(self, weights: int) -> Geometry:
        """Return the geometry of the variant that has `weights` bytes."""
        geometry = read_geometry([self._header()])
        vision: dict[str, Value] = {f"clip.vision.{key}": n for key, n in self.vision.items()}
        tokens = geometry.vocabulary
        return msgspec.structs.replace(
            geometry,
            weights=weights,
            embedding=weights * tokens * geometry.width // self.parameter_count,
            texts=3 * tokens,  # vocabularies have up to two merges for each token
            projector=self.projector,
            image=image_values(Header(3, vision, ())),
        )

    def _header(self) -> Header:
        """Return the header of the model's file, as far as its memory depends on it."""
        architecture = str(self.header.get("architecture", ""))
        metadata: dict[str, Value] = {"general.architecture": architecture}
        metadata |= {f"{architecture}.{key}": number for key, number in self.header.items()}
        metadata["tokenizer.ggml.tokens"] = Omitted(self.number("vocabulary"))
        # The name tells that the feed-forward networks have a gate, as in all current models.
        return Header(3, metadata, (Tensor("blk.0.ffn_gate.weight", 0, 0),))

    def number(self, key: str) -> int:
        """Return a number of the header, or 0."""
        value = self.header.get(key, 0)
        return value if isinstance(value, int) else 0


class _List(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: Annotated[tuple[Entry, ...], Meta(min_length=1, max_length=MAX_MODELS)]


def read_list(text: str) -> tuple[Entry, ...]:
    """Read a list of models, in TOML.

    Raises
    ------
    ValueError
        If it is not valid. The message says what is wrong.
    """
    try:
        entries = msgspec.convert(tomllib.loads(text), _List).models
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    for entry in entries:
        _check(entry)
    defaults = sum(entry.default for entry in entries)
    if defaults != 1:
        raise ValueError(f"{defaults} models have 'default = true', but exactly one must have it")
    return entries


def _check(entry: Entry) -> None:
    for quantization in entry.variants:
        if quantization not in QUANTIZATIONS:
            known = ", ".join(sorted(QUANTIZATIONS))
            raise ValueError(
                f"{entry.title}: {quantization!r} is not a quantization. Use one of: {known}"
            )
        try:
            reference = parse(entry.reference(quantization))
        except (InvalidReference, InvalidModelName) as error:
            raise ValueError(f"{entry.title}: {error.message}") from None
        if (reference.repo, reference.tag) != (entry.repository, quantization):
            raise ValueError(f"{entry.title}: {entry.repository!r} is not owner/repo")
    missing = [
        key
        for key in ("block_count", "embedding_length", "attention.head_count", "context_length",
                    "vocabulary")
        if not entry.number(key)
    ]  # fmt: skip
    if missing or not isinstance(entry.header.get("architecture"), str):
        missing = missing or ["architecture"]
        raise ValueError(f"{entry.title}: the header has no {', '.join(missing)}")


def built_in_list() -> tuple[Entry, ...]:
    """Return the list of this package."""
    text = files(__package__).joinpath("recommended.toml").read_text(encoding="utf-8")
    return read_list(text)


def load_list(path: Path) -> tuple[Entry, ...]:
    """Return the list in a file.

    Raises
    ------
    ValueError
        If the file cannot be read or is not valid.
    """
    try:
        return read_list(read_regular(path, MAX_BYTES).decode("utf-8"))
    except PowerError as error:
        raise ValueError(error.message) from None
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None


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
