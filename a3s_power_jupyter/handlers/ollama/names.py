"""The names of models in Ollama's API: the tag ``latest`` may be left out, case does not matter.

The rules are those of ``types/model/name.go`` and ``getExistingName`` in Ollama's sources. In the
rest of the REST API, names that differ in case or in ``:latest`` are two models. An exact name
therefore wins, so that each model can be reached.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from ...contract.errors import InvalidModelName, ManifestUnreadable, ModelNotFound
from ...contract.parameters import close_matches
from ...contract.text import quoted
from ...contract.types import Manifest
from ..model_names import LATEST, has_tag, spellings, without_latest

if TYPE_CHECKING:
    from ...service.service import PowerService

#: Names of models are shorter, with any tag. The rest of a long one is not looked at.
MAX_LENGTH = 1000


async def find(service: PowerService, name: str, *, param: str = "model") -> Manifest:
    """Return the manifest of the model that a client of Ollama calls `name`.

    That is the first of: the model of this name; the one with ``:latest`` added or removed; the
    same for the name without ``hf.co/`` or in another form of a reference to the hub; and the one
    with a name that differs in case only.

    Parameters
    ----------
    param : str
        The field of the request with the name.

    Raises
    ------
    ModelNotFound
        If there is no such model, or several have names that differ in case only.
    ManifestUnreadable, StoreUnavailable, ServerBusy
        As `Catalog.manifest`.
    """
    plain = service.pulls.model_name(name)
    for spelling in spellings(name, plain):
        try:
            return await service.catalog.manifest(spelling)
        except (ModelNotFound, InvalidModelName):
            continue
    models, _ = await service.catalog.models()
    names = [model.id for model in models]
    found = in_any_case(name, names) or in_any_case(plain, names)
    if len(found) == 1:
        return await service.catalog.manifest(found[0])
    raise ModelNotFound(not_found(name, names, found), param=param)


async def find_name(service: PowerService, name: str) -> str:
    """Return the name of the model that `find` finds, also if its manifest cannot be read.

    Raises
    ------
    ModelNotFound, StoreUnavailable, ServerBusy
        As `find`.
    """
    for spelling in spellings(name, service.pulls.model_name(name)):
        try:
            return (await service.catalog.manifest(spelling)).name
        except ManifestUnreadable:
            return spelling
        except (ModelNotFound, InvalidModelName):
            continue
    return (await find(service, name)).name


def listed(name: str, names: Collection[str]) -> str:
    """Return the name of a model in Ollama's lists, by which `find` finds it.

    A name without a tag gets ``:latest``, because clients add it before they look for a name in
    the list.

    Parameters
    ----------
    names : collection of str
        The names of all models. If one is `name` with ``:latest``, `name` is listed without.
    """
    return name if has_tag(name) or name + LATEST in names else name + LATEST


def in_any_case(name: str, names: Iterable[str]) -> list[str]:
    """Return those of `names` that differ from `name` in case, or else also in ``:latest``."""
    names = [*names]
    wanted = name[:MAX_LENGTH].lower()
    same = [other for other in names if other.lower() == wanted]
    wanted = without_latest(wanted)
    return same or [other for other in names if without_latest(other.lower()) == wanted]


def not_found(name: str, names: Collection[str], in_other_case: Collection[str]) -> str:
    """Return the message of the error in Ollama's words, followed by advice.

    Parameters
    ----------
    names : collection of str
        The names of all models.
    in_other_case : collection of str
        Those that differ from `name` in case only, if there are several.
    """
    if in_other_case:
        advice = f"Use one of {', '.join(map(repr, in_other_case))}, which differ in case only."
    elif near := close_matches(name, names):
        advice = f"Did you mean {near[0]!r}?"
    else:
        advice = "Pull it as owner/repo:TAG from the Hugging Face Hub, or register its files."
    return f"model {quoted(name)} not found. {advice}"
