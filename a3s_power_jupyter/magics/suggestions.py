"""Suggest models to begin with, each with the command that downloads it."""

from __future__ import annotations

from collections.abc import Sequence

from ..client import Client
from ..contract.errors import PowerError
from ..contract.types import RecommendedModel, Variant
from ..display import formatting, output
from ..display.output import Output

#: Models in a short list: the default, and others that fit.
SHORT = 4

_FITS = {
    "gpu": "fits on the GPU",
    "memory": "fits in memory",
    "too_large": "too large",
    "unknown": "",
}


def recommended(client: Client) -> Output:
    """List all models to begin with, each with the command that downloads it."""
    return output.stack(
        [
            output.note("Models to begin with. The first one is for a first try."),
            _table(client.recommended()),
            output.note(
                "Run one of the commands. %power search WORDS finds other models on the hub, and "
                "%power scan those of other programs on this machine."
            ),
        ]
    )


def no_models(client: Client) -> Output:
    """Say that there are no models, and how to get one."""
    try:
        models = client.recommended()
    except PowerError:  # not more than a hint
        return output.note("No models yet. Add one: %power pull owner/repo:TAG")
    return output.stack(
        [
            output.note("No models yet. Run one of these commands to download one:"),
            _table(short_list(models)),
            output.note(
                "%power pull lists more, %power search WORDS finds others on the hub, and %power "
                "scan those of other programs on this machine."
            ),
        ]
    )


def how_to_get_a_model(client: Client) -> str:
    """Return the lines of an error about a missing model: commands to copy."""
    try:
        models = short_list(client.recommended())
    except PowerError:
        models = []
    if not models:
        return "Add one: %power pull owner/repo:TAG or %power register NAME PATH"
    commands = [_command(model) for model in models]
    width = max(map(len, commands))
    lines = [
        f"  {command.ljust(width)}  {_size(model)}"
        for command, model in zip(commands, models, strict=True)
    ]
    return "\n".join(
        (
            "Download one with one of these commands:",
            *lines,
            "Or add one from a file: %power register NAME PATH",
        )
    )


def short_list(models: Sequence[RecommendedModel]) -> list[RecommendedModel]:
    """Return the default, and the first of the others that chat and fit this machine."""
    default = [model for model in models if model.default]
    others = [
        model
        for model in models
        if not model.default
        and "chat" in model.capabilities
        and _variant(model).fit in ("gpu", "memory")
    ]
    return [*default, *others][:SHORT]


def _variant(model: RecommendedModel) -> Variant:
    return next(v for v in model.variants if v.reference == model.reference)


def _command(model: RecommendedModel) -> str:
    return f"%power pull {model.reference}"


def _size(model: RecommendedModel) -> str:
    variant = _variant(model)
    fits = "is here already" if variant.installed else _FITS[variant.fit]
    return ", ".join(filter(None, (formatting.size(variant.size_bytes), fits)))


def _table(models: Sequence[RecommendedModel]) -> Output:
    rows = [(_command(model), _size(model), model.good_for, model.license) for model in models]
    return output.table(("Command", "Size", "Good for", "Licence"), rows, empty="")
