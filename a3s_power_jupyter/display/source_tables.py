"""Tables of models to begin with, and of those of other programs on the server's machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from msgspec import UNSET

from ..contract.types import LocalModel, LocalModels, RecommendedModel, Variant
from . import formatting, output
from .hub_tables import FITS, variants
from .output import Output

_FITS = {
    "gpu": "fits on the GPU",
    "memory": "fits in memory",
    "too_large": "too large",
    "unknown": "",
}

_INSTALLED = "already here"


def recommended(models: Sequence[RecommendedModel], *, commands: bool = False) -> Output:
    """Render models to begin with, each with its reference or the magic that downloads it."""
    rows = [
        (
            pull_command(model) if commands else model.reference,
            formatting.size(variant.size_bytes),
            _INSTALLED if variant.installed else FITS[variant.fit],
            model.good_for,
            model.license,
        )
        for model in models
        for variant in (chosen_variant(model),)
    ]
    headers = ("Command" if commands else "Reference", "Size", "Fits", "Good for", "License")
    return output.table(headers, rows, empty="The list is empty.", numbers=("Size",))


def recommended_model(model: RecommendedModel) -> Output:
    """Render a model to begin with, and its quantizations."""
    facts = output.facts(
        (
            ("Name", model.title),
            ("Reference", model.reference),
            ("Good for", model.good_for),
            ("Needs", "" if model.needs is UNSET else model.needs),
            ("Parameters", formatting.parameter_count(model.parameter_count)),
            ("Context", f"{model.context_length} tokens trained"),
            ("Capabilities", ", ".join(model.capabilities)),
            ("License", model.license),
        )
    )
    return output.stack([facts, variants(model.variants, memory="Memory", empty="No variants.")])


def pull_command(model: RecommendedModel) -> str:
    """Return the magic that downloads a model."""
    return f"%power pull {model.reference}"


def size_and_fit(model: RecommendedModel) -> str:
    """Describe the recommended variant: ``986 MB, fits in memory``."""
    variant = chosen_variant(model)
    fits = _INSTALLED if variant.installed else _FITS[variant.fit]
    return ", ".join(filter(None, (formatting.size(variant.size_bytes), fits)))


def chosen_variant(model: RecommendedModel) -> Variant:
    """Return the variant that the model's reference means."""
    return next(v for v in model.variants if v.reference == model.reference)


def local_models(found: LocalModels) -> Output:
    """Render models of other programs, each with the magic that registers it."""
    rows = [
        (_register_command(model), formatting.size(model.size_bytes), model.format, model.source)
        for model in found.data
    ]
    empty = "There are no models of the Hugging Face Hub's cache, LM Studio or Ollama."
    headers = ("Command", "Size", "Format", "From")
    outputs = [output.table(headers, rows, empty=empty, numbers=("Size",))]
    if rows:
        outputs.append(
            output.note("Nothing is copied: the files stay where they are. --copy copies them.")
        )
    outputs += [
        output.note(f"{', '.join(names)}: {note}") for note, names in _notes(found.data).items()
    ]
    outputs += [
        output.note(f"Models may be missing from {problem.path}: {problem.reason}")
        for problem in found.problems
    ]
    return output.stack(outputs)


def _notes(models: Sequence[LocalModel]) -> dict[str, list[str]]:
    """Return the notes, each with the names of its models."""
    notes: dict[str, list[str]] = {}
    for model in models:
        for note in () if model.notes is UNSET else model.notes:
            notes.setdefault(note, []).append(model.name)
    return notes


def _register_command(model: LocalModel) -> str:
    if model.installed is not None:
        return f"registered as {model.installed}"
    words = [model.name, model.path]
    if model.mmproj is not UNSET:
        words += ["--mmproj", model.mmproj]
    return f"%power register {shlex.join(words)}"
