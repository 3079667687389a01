"""Join the lists of models of all replicas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: States of a model. The first one of any replica is shown.
_STATES = ("busy", "loaded", "loading", "unloading", "failed", "unloaded")


def joined(lists: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one reply to ``GET /v1/models``: each model once, as it is where it is used most.

    Parameters
    ----------
    lists : iterable of Mapping
        The decoded replies of the replicas.
    """
    models: dict[str, Mapping[str, Any]] = {}
    problems: list[Any] = []
    for each in lists:
        for model in each["data"]:
            known = models.get(model["id"])
            if known is None or _rank(model) < _rank(known):
                models[model["id"]] = model
        problems += [problem for problem in each.get("problems", ()) if problem not in problems]
    reply: dict[str, Any] = {"object": "list", "data": [models[id_] for id_ in sorted(models)]}
    return reply | ({"problems": problems} if problems else {})


def _rank(model: Mapping[str, Any]) -> int:
    return _STATES.index(model["state"])
