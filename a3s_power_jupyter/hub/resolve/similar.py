"""Find the repositories that may be meant by the name of one that does not exist."""

from __future__ import annotations

import difflib
import re

import msgspec

from ...contract.errors import PowerError
from ..http.hub_requests import Limits, Params
from .hub_api import HubApi
from .reference import REPO

#: Most repositories that are offered, and how similar their names are, from 0 to 1.
MAX_SIMILAR, SIMILAR = 5, 0.8

#: A hint is not worth a long wait.
LIMITS = Limits(attempts=1, timeout=10.0, deadline=10.0, wait=0.0)


class _Listed(msgspec.Struct):
    id: str


def similar_repositories(repo: str, hub: HubApi) -> list[str]:
    """Return the names that are most similar to `repo`; empty if the hub does not list any.

    They are those of popular repositories of the same owner, and those that contain the name of
    the repository.
    """
    owner, _, name = repo.partition("/")
    found = {*_names(hub, author=owner), *_names(hub, search=name)}
    by_key = {each.lower(): each for each in found if re.fullmatch(REPO, each)}
    near = difflib.get_close_matches(repo.lower(), by_key, n=MAX_SIMILAR, cutoff=SIMILAR)
    return [by_key[key] for key in near]


def _names(hub: HubApi, **filters: str) -> list[str]:
    params: Params = {"sort": "downloads", "expand": ["downloads"], "limit": "1000", **filters}
    try:
        listed, _ = hub.with_limits(LIMITS).page("/api/models", params)
        return [each.id for each in msgspec.convert(listed, list[_Listed])]
    except (PowerError, msgspec.ValidationError):
        return []  # the error that the hint is for is raised in any case
