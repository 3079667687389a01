"""List the models of a repository, and references to them, for errors that offer them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Protocol

from ...contract.text import shortened
from .reference import Reference

#: Most models that an error lists.
MAX_CANDIDATES = 40

#: Limits of what takes time quadratic in the names: models to compare, and characters of a name.
_MAX_COMPARED = 200


class Candidate(Protocol):
    """A model of a repository (`gguf_files.GGUF`)."""

    @property
    def path(self) -> str: ...

    @property
    def quantization(self) -> str | None: ...

    def has_token(self, tag: str) -> bool: ...


def nearest(text: str, names: Sequence[str]) -> str | None:
    """Return the name that is most similar to `text`; None if none is similar."""
    short = [name for name in names if len(name) <= _MAX_COMPARED]
    found = difflib.get_close_matches(text[:_MAX_COMPARED], short[:_MAX_COMPARED], n=1)
    return found[0] if found else None


def references_to(models: Sequence[Candidate], reference: Reference, near: str = "") -> list[str]:
    """Return references to all models of a repository, those most similar to `near` first.

    Parameters
    ----------
    models : sequence of Candidate
        The models of the repository.
    reference : Reference
        A reference to the repository.
    near : str
        A quantization or a path; without one, the order is that of `models`.
    """
    compared = sorted(models[:_MAX_COMPARED], key=lambda model: -_similarity(model, near))
    return [reference_to(model, reference, models) for model in compared[:MAX_CANDIDATES]]


def reference_to(model: Candidate, reference: Reference, models: Sequence[Candidate]) -> str:
    """Return the shortest reference to one of `models`, the models of a repository.

    It contains the quantization if no other model has it, and the path otherwise. A revision that
    is part of `reference` is kept; one that was given separately has to be given again.
    """
    tag = model.quantization
    if tag is None or len(models) > _MAX_COMPARED:
        return path_reference_to(model, reference)
    if sum(other.has_token(tag) for other in models) > 1:
        return path_reference_to(model, reference)
    return f"{reference.repository}:{tag}"


def path_reference_to(model: Candidate, reference: Reference) -> str:
    """Return the reference to a model by its path, in the form that names have."""
    return f"{reference.repository}/{reference.path_in_name(model.path)}"


def available(models: Sequence[Candidate]) -> str:
    """List models by quantization, or by path if a name contains none."""
    if not models:
        return "It has no GGUF models."
    names = list(dict.fromkeys(model.quantization or model.path for model in models))
    return f"It has: {joined(names)}" + ("" if len(names) > MAX_CANDIDATES else ".")


def joined(names: Sequence[str]) -> str:
    """Return the first names of a list, for an error message."""
    more = " ..." if len(names) > MAX_CANDIDATES else ""
    return ", ".join(map(shortened, names[:MAX_CANDIDATES])) + more


def _similarity(model: Candidate, text: str) -> float:
    names = (model.quantization or "", model.path[:_MAX_COMPARED])
    wanted = text[:_MAX_COMPARED].lower()
    return max(difflib.SequenceMatcher(None, wanted, name.lower()).ratio() for name in names)
