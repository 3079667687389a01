"""Find a model by its name, and explain why it cannot be found or read."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path

from ..contract.errors import Forbidden, ManifestUnreadable, ModelNotFound
from ..contract.text import quoted
from ..contract.types import Manifest
from .manifest import MANIFESTS, Snapshot, Unreadable
from .names import check_name, possible_filenames

#: Most models to list in an error about another one.
MAX_LISTED = 5


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
    for problem in snapshot.shared_problems:
        if Path(problem.file).name in possible_filenames(name):
            raise ManifestUnreadable(
                f"The manifest of {quoted(name)} in a shared home cannot be read "
                f"({problem.file}): {problem.reason}. Ask its administrator to correct that."
            )
    hint = _hint(name, snapshot.manifests)
    raise ModelNotFound(f"There is no model {quoted(name)}. {hint}", param="model")


def _hint(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    if 0 < len(names) <= MAX_LISTED:
        return f"Register or pull it, or use one of: {', '.join(map(repr, names))}."
    return "Register or pull it."


def unreadable_manifest(home: Path, name: str, bad: Unreadable) -> ManifestUnreadable:
    """Return the error for a model with a manifest that cannot be read."""
    path = home / MANIFESTS / bad.file
    if bad.is_newer:
        return ManifestUnreadable(
            f"The manifest of {name!r} ({path}) cannot be read: {bad.reason}."
        )
    if not bad.can_be_replaced or bad.cause == "file":
        return ManifestUnreadable(
            f"The manifest of {name!r} cannot be read: {bad.reason}. Make {path} a file that the "
            "server can read, or remove it."
        )
    return ManifestUnreadable(
        f"The manifest of {name!r} cannot be read: {bad.reason}. Repair {path}, or register the "
        'model again with "overwrite": true.'
    )


def refuse_shared(snapshot: Snapshot, name: str) -> None:
    """Raise `Forbidden` if a model is in a shared home, where it cannot be deleted."""
    if name in snapshot.shared:
        home = snapshot.manifests[name].source.shared_home
        raise Forbidden(
            f"The model {quoted(name)} is in the shared home {home}, which this server does not "
            "change. Ask its administrator to delete the model."
        )
