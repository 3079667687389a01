"""The reply of ``/api/show``.

Source: https://docs.ollama.com/api/show, and `GetModelInfo` in ``server/routes.go`` of Ollama.
Clients read the context length as ``model_info["{family}.context_length"]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from ...contract.types import Manifest, Model
from ..fields import NO_LIMIT
from .descriptions import capabilities, details, timestamp, upstream_of

#: Elements of an array above which it is shown only with ``verbose``.
SHORT = 5

_TEMPLATE = "tokenizer.chat_template"

#: Parameters that are a field of the reply.
_FIELDS = ("system", "chat_template")


def show(
    manifest: Manifest, model: Model, header: Mapping[str, Any], *, name: str, verbose: bool
) -> dict[str, Any]:
    """Return the reply.

    Parameters
    ----------
    header : mapping
        Keys and values in the header of a GGUF model.
    name : str
        The model's name in lists.
    verbose : bool
        Whether to show arrays with more than `SHORT` elements.
    """
    defaults = manifest.default_parameters
    own = defaults.chat_template
    template = str(header.get(_TEMPLATE, "")) if own is UNSET else own
    system = "" if defaults.system is UNSET else defaults.system
    lines = parameter_lines(manifest)
    return {
        "modelfile": modelfile(name, template, system, lines),
        "parameters": "\n".join(lines),
        "template": template,
        "system": system,
        "license": str(header.get("general.license", "")),
        "details": details(manifest),
        **upstream_of(manifest),
        "model_info": model_info(manifest, model, header, verbose=verbose),
        "capabilities": capabilities(model),
        "modified_at": timestamp(manifest.created),
    }


def model_info(
    manifest: Manifest, model: Model, header: Mapping[str, Any], *, verbose: bool
) -> dict[str, Any]:
    """Return what is known of a model under the keys of a GGUF header."""
    known = manifest.details
    family = known.family
    found: dict[str, Any] = {}
    if family is not UNSET:
        found["general.architecture"] = family
        found[f"{family}.context_length"] = model.context_length
        found[f"{family}.embedding_length"] = known.embedding_length
    found["general.parameter_count"] = known.parameter_count
    found = {key: value for key, value in found.items() if value is not UNSET}
    shown = {
        key: value
        for key, value in header.items()
        if not key.startswith(_TEMPLATE)
        and (verbose or not isinstance(value, list) or len(value) <= SHORT)
    }
    return shown | found


def parameter_lines(manifest: Manifest) -> list[str]:
    """Return the default parameters as lines of a Modelfile, without ``PARAMETER``."""
    values: dict[str, Any] = msgspec.to_builtins(manifest.request_defaults)
    for field in _FIELDS:
        values.pop(field, None)
    if "max_tokens" in values:
        limit = values.pop("max_tokens")
        values["num_predict"] = -1 if limit == NO_LIMIT else limit
    return [
        f"{name:<30} {msgspec.json.encode(value).decode()}"
        for name, given in values.items()
        for value in (given if isinstance(given, list) else [given])
    ]


def modelfile(name: str, template: str, system: str, lines: list[str]) -> str:
    """Return a Modelfile that derives a model from the one called `name`."""
    parts = [f"FROM {name}"]
    if template:
        parts.append(f'TEMPLATE """{template}"""')
    if system:
        parts.append(f'SYSTEM """{system}"""')
    parts += [f"PARAMETER {line}" for line in lines]
    return "\n".join(parts) + "\n"
