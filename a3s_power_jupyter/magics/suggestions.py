"""Suggest models to begin with, each with the command that downloads it."""

from __future__ import annotations

from collections.abc import Sequence

from ..client import Client
from ..contract.errors import PowerError
from ..contract.types import RecommendedModel
from ..display import output, source_tables
from ..display.output import Output

#: Models of a short list besides the default.
OTHERS = 3


def recommended(client: Client) -> Output:
    """List all models to begin with, each with the command that downloads it."""
    return output.stack(
        [
            output.note("Models to begin with. The first one is for a first try."),
            source_tables.recommended(client.recommended(), commands=True),
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
            source_tables.recommended(short_list(models), commands=True),
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
    commands = [source_tables.pull_command(model) for model in models]
    width = max(map(len, commands))
    lines = [
        f"  {command.ljust(width)}  {source_tables.size_and_fit(model)}"
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
    """Return the default, and some of the others that chat and fit, from small to the largest."""
    default = [model for model in models if model.default]
    others = [
        model
        for model in models
        if not model.default
        and "chat" in model.capabilities
        and source_tables.chosen_variant(model).fit in ("gpu", "memory")
    ]
    chosen = {(number * len(others)) // OTHERS - 1 for number in range(1, OTHERS + 1)}
    return [*default, *(others[index] for index in sorted(chosen) if index >= 0)]
