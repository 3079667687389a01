"""Join what all replicas say of their models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

#: Routes with a list of models: where the reply has it, and what names a model.
_LISTS = {
    "/v1/models": ("data", "id"),
    "/api/tags": ("models", "name"),
    "/api/ps": ("models", "name"),
}
_MODEL = "/v1/models/"

#: States of a model. The first one of any replica is shown.
_STATES = ("busy", "loaded", "loading", "unloading", "failed", "unloaded")


class Reply(NamedTuple):
    """The status and the decoded body of a reply."""

    status: int
    content: dict[str, Any]


def is_listing(method: str, path: str) -> bool:
    """Return whether a request asks for the models, or for one of them."""
    return method == "GET" and (path in _LISTS or path.startswith(_MODEL))


def joined(path: str, replies: Sequence[Reply]) -> Reply:
    """Return one reply: each model once, as it is where it is used most.

    Parameters
    ----------
    path : str
        The decoded path of the request, for which `is_listing` is true.
    replies : sequence of Reply
        At least one. If all are errors, the first one is the reply.
    """
    found = [reply.content for reply in replies if reply.status == 200]
    if not found:
        return replies[0]
    if path not in _LISTS:
        return Reply(200, min(found, key=_rank))
    field, name = _LISTS[path]
    content: dict[str, Any] = {**found[0], field: _models((each[field] for each in found), name)}
    problems: list[Any] = []
    for each in found:
        problems += [problem for problem in each.get("problems", ()) if problem not in problems]
    return Reply(200, content | ({"problems": problems} if problems else {}))


def _models(lists: Iterable[Iterable[dict[str, Any]]], name: str) -> list[dict[str, Any]]:
    models: dict[str, dict[str, Any]] = {}
    for each in lists:
        for model in each:
            known = models.setdefault(model[name], model)
            if _rank(model) < _rank(known):
                models[model[name]] = model
    return [models[key] for key in sorted(models)]


def _rank(model: dict[str, Any]) -> int:
    """Return how little a model is used. Ollama's lists have no states."""
    state = model.get("state")
    return _STATES.index(state) if state in _STATES else len(_STATES)
