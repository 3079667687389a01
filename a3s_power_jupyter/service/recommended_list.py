"""Read the list of recommended models: that of the package, or the administrator's."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..contract.errors import InvalidModelName, InvalidReference
from ..contract.regular_file import read_text
from ..contract.types import Capability, Geometry
from ..hub.resolve.reference import parse
from ..store.formats.ggml import FILE_TYPES, TENSOR_TYPES
from ..store.formats.gguf import Header, Omitted, Tensor, Value
from ..store.formats.gguf_geometry import image_values, read_geometry

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
    return read_list(read_text(path, MAX_BYTES))
