"""Change the default parameters of a registered model, and read its chat template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from ..contract.parameters import changed_parameters
from ..contract.types import Manifest
from .files import source_file
from .formats.chat_templates import MAX_TEMPLATE, read_templates
from .formats.description import DEFAULT_ISQ, with_template, with_templates
from .formats.gguf import read_header
from .formats.gguf_model import header_templates
from .formats.inspection import check_effects
from .model_store import ModelStore


def change_parameters(
    store: ModelStore, name: str, changes: dict[str, Any]
) -> tuple[Manifest, Manifest]:
    """Change default parameters of a model.

    Parameters
    ----------
    changes : dict
        New values by name; None removes a parameter.

    Returns
    -------
    before, after : Manifest
        The same if nothing changes.

    Raises
    ------
    InvalidModelName, ModelNotFound, ManifestUnreadable
        If there is no such model, or its manifest cannot be read.
    InvalidParameter, InvalidISQ, InvalidKeepAlive
        If a parameter is unknown, out of range, or has no effect on this model.
    InsufficientDisk, PowerError
        If the model's files cannot be read, or the store cannot be written.
    """
    while True:
        before = store.get(name)
        # Not under the lock, because the files may be on a disk that hangs.
        after = _with_changes(before, changes, store)
        if after == before:
            return before, after
        with store.locked():
            if store.get(name) == before:  # else another process has changed it meanwhile
                store.save(after)
                return before, after


def _with_changes(manifest: Manifest, changes: dict[str, Any], store: ModelStore) -> Manifest:
    old = manifest.default_parameters
    new = changed_parameters(old, changes)
    if manifest.format == "safetensors" and new.isq is UNSET:
        new = msgspec.structs.replace(new, isq=DEFAULT_ISQ)
    check_effects(manifest.format, manifest.capabilities, new)
    capabilities = manifest.capabilities
    if new.chat_template is not UNSET:
        capabilities = with_template(capabilities, new)
    elif old.chat_template is not UNSET:
        templates = templates_of(manifest, store.resolve(manifest))
        capabilities = with_templates(manifest.format, capabilities, templates)
    return msgspec.structs.replace(manifest, default_parameters=new, capabilities=capabilities)


def template_of(manifest: Manifest, paths: Sequence[Path]) -> str | None:
    """Return the chat template of a model, cut after `MAX_TEMPLATE` characters; None without one.

    Raises
    ------
    PowerError
        If the files cannot be read.
    """
    own = manifest.default_parameters.chat_template
    templates = templates_of(manifest, paths) if own is UNSET else [own]
    return templates[0][:MAX_TEMPLATE] if templates else None


def templates_of(manifest: Manifest, paths: Sequence[Path]) -> list[str]:
    """Return the chat templates in the files of a model; raises as `template_of`."""
    if not manifest.generates or not paths:
        return []
    if manifest.format == "gguf":
        return header_templates(read_header(source_file(paths[0])))
    named = {file.name: path for file, path in zip(manifest.files, paths, strict=True)}
    return read_templates(named)
