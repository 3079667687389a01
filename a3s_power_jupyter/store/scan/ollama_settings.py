"""Read the system prompt and the parameters that Ollama keeps with a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from ...contract.errors import PowerError
from ...contract.ollama_parameters import KEPT, from_ollama
from ...contract.parameters import NO_LIMIT, DefaultParameters, check_default_parameters
from ...contract.regular_file import read_regular
from ...contract.text import visible
from ..formats.description import Description
from ..formats.inspection import check_effects
from .ollama import OllamaFiles

_MAX_BYTES = 1 << 16
_FILES = frozenset({"model", "projector", "adapter"})

#: Names that a note lists, and characters of each.
_MAX_NAMES = 8
_MAX_NAME = 40


class Settings(NamedTuple):
    """What Ollama keeps with a model.

    Attributes
    ----------
    parameters : DefaultParameters
        What can be kept here.
    left_out : tuple of str
        What cannot: names of parameters, and kinds of layers.
    """

    parameters: DefaultParameters
    left_out: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What cannot be kept, as sentences."""
        if not self.left_out:
            return ()
        names = [visible(name[:_MAX_NAME]) for name in self.left_out[:_MAX_NAMES]]
        more = len(self.left_out) - len(names)
        rest = f" and {more} more" if more else ""
        return (f"Not taken over from Ollama: {', '.join(names)}{rest}.",)


#: Those of a model that has none.
NO_SETTINGS = Settings(DefaultParameters(), ())


def read_settings(files: OllamaFiles, description: Description) -> Settings:
    """Return the settings of a model. Whatever is not valid counts as left out."""
    kept: dict[str, Any] = {}
    left_out: list[str] = []
    for kind, path in files.layers:
        if kind in _FILES:
            continue
        values = _values(kind, path)
        if values is None:
            left_out.append(kind)
            continue
        for name, value in values.items():
            is_known = name in KEPT if kind == "params" else True
            checked = _checked(name, value, description) if is_known else None
            if checked is None:
                left_out.append(name)
            else:
                kept |= checked
    if kept.get("max_tokens") == NO_LIMIT:
        del kept["max_tokens"]  # a model without this parameter has no limit
    return Settings(DefaultParameters(**kept), tuple(dict.fromkeys(left_out)))


def _values(kind: str, path: Path) -> dict[str, Any] | None:
    """Return the parameters in a layer; None if it has others, or cannot be read."""
    if kind not in ("params", "system"):
        return None
    try:
        content = read_regular(path, _MAX_BYTES)
        if kind == "system":
            return {"system": content.decode()} if content else {}
        return msgspec.json.decode(content, type=dict[str, Any])
    except (PowerError, OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _checked(name: str, value: Any, description: Description) -> dict[str, Any] | None:
    """Return a parameter under the name that it has here; None if it cannot be kept."""
    try:
        parameters = check_default_parameters(from_ollama({name: value}))
        check_effects(description.format, description.capabilities, parameters)
    except PowerError:
        return None
    return {
        each: given
        for each, given in msgspec.structs.asdict(parameters).items()
        if given is not UNSET
    }
