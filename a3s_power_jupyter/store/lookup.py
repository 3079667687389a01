"""Find a model by its name, and explain why it cannot be found or read."""

from __future__ import annotations

import difflib
from pathlib import Path

from ..contract.errors import ManifestUnreadable, ModelNotFound
from ..contract.text import quoted
from ..contract.types import Manifest
from .manifest import MANIFESTS, Snapshot, Unreadable
from .names import check_name


def find_model(snapshot: Snapshot, name: str) -> Manifest | Unreadable:
    """Return the manifest of a model.

    Raises
    ------
    InvalidModelName, ModelNotFound
        If the name is not valid, or no model has it.
    """
    check_name(name)
    found = snapshot.manifests.get(name) or snapshot.unreadable_for(name)
    if found is not None:
        return found
    near = difflib.get_close_matches(name, snapshot.manifests, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "Register or pull it."
    raise ModelNotFound(f"There is no model {quoted(name)}. {hint}", param="model")


def unreadable_manifest(home: Path, name: str, bad: Unreadable) -> ManifestUnreadable:
    """Return the error for a model with a manifest that cannot be read."""
    return ManifestUnreadable(
        f"The manifest of {name!r} cannot be read: {bad.reason}. Repair "
        f"{home / MANIFESTS / bad.file}, or register the model again with overwrite."
    )
