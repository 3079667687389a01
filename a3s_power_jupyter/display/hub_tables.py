"""Tables of the hub's repositories, and of the models in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from ..contract.types import Fit, HubModel, HubRepository, Variant
from . import formatting, output
from .output import Output

FITS: dict[Fit, str] = {
    "gpu": "on the GPU",
    "memory": "in memory",
    "too_large": "too large",
    "unknown": "unknown",
}

_GATED = {"auto": "gated", "manual": "gated (reviewed)"}


def repositories(found: Sequence[HubModel]) -> Output:
    """Render the results of a search."""
    rows = [
        (
            model.id,
            ", ".join(model.formats),
            _parameters(model),
            f"{model.downloads:,}",
            f"{model.likes:,}",
            "" if model.license is UNSET else model.license,
            _notes(model),
        )
        for model in found
    ]
    headers = ("Name", "Format", "Parameters", "Downloads", "Likes", "License", "")
    empty = "No repository with such models was found. Try fewer or other words: names are searched"
    numbers = ("Parameters", "Downloads", "Likes")
    return output.table(headers, rows, empty=f"{empty}, not descriptions.", numbers=numbers)


def _parameters(model: HubModel) -> str:
    count = model.parameter_count
    return "" if count is UNSET else formatting.parameter_count(count)


def _notes(model: HubModel) -> str:
    gated = "" if model.gated is False else _GATED.get(str(model.gated), "gated")
    return ", ".join(filter(None, (gated, "pulled" if model.installed else "")))


def facts_of(found: HubModel) -> Output:
    """Render what a search tells about a repository."""
    return output.facts(
        (
            ("Repository", found.id),
            ("Format", ", ".join(found.formats)),
            ("Parameters", _parameters(found)),
            ("License", "" if found.license is UNSET else found.license),
            ("Access", "" if found.gated is False else "gated: the author grants it"),
            ("Downloads", f"{found.downloads:,}"),
            ("Likes", f"{found.likes:,}"),
        )
    )


def repository(found: HubRepository) -> Output:
    """Render a repository with its models, and whether they fit."""
    empty = f"{found.id} has no models in GGUF or safetensors format."
    memory = f"Memory with {found.num_ctx} tokens"
    parts = [facts_of(found), variants(found.variants, memory=memory, empty=empty)]
    if found.note is not UNSET:
        parts.append(output.note(found.note))
    return output.stack(parts)


def variants(found: Sequence[Variant], *, memory: str, empty: str) -> Output:
    """Render models of a repository, or the sentence `empty`. `memory` is the title of a column."""
    rows = [row for variant in found for row in _rows(variant)]
    headers = ("Model", "Size", memory, "Fits", "")
    return output.table(headers, rows, empty=empty, numbers=("Size", memory))


def _rows(variant: Variant) -> Iterator[tuple[str, ...]]:
    notes = ("recommended" if variant.recommended else "", _installed(variant))
    yield (
        variant.reference,
        formatting.size(variant.size_bytes),
        "" if variant.memory_bytes is UNSET else formatting.size(variant.memory_bytes),
        FITS[variant.fit],
        ", ".join(filter(None, notes)),
    )
    for each in () if variant.quantized is UNSET else variant.quantized:
        memory = formatting.size(each.memory_bytes)
        yield (f"  loaded with isq={each.isq}", "", memory, FITS[each.fit], "")


def _installed(variant: Variant) -> str:
    if variant.installed is None:
        return ""
    same = variant.installed == variant.reference
    return "pulled" if same else f"here as {variant.installed}"
