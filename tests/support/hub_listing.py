"""The list API of the test hub: ``/api/models``, as huggingface_hub asks it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from support.hub_repository import Repository

DEFAULT_LIMIT = 1000
SORTS = ("downloads", "likes", "lastModified", "trendingScore", "createdAt")


class Query:
    """The parameters of a request.

    Parameters
    ----------
    parameters : mapping of str to list of str
        As they are in the URL.
    """

    def __init__(self, parameters: Mapping[str, list[str]]) -> None:
        self._parameters = dict(parameters)
        self.limit = min(int(self._one("limit", str(DEFAULT_LIMIT))), DEFAULT_LIMIT)
        cursor = self._one("cursor", "")
        self.start = int(json.loads(base64.b64decode(cursor))["after"]) if cursor else 0

    def _one(self, name: str, default: str) -> str:
        return self._parameters.get(name, [default])[0]

    def find(self, repositories: Iterable[Repository], token: str | None) -> list[Repository]:
        """Return all repositories that match and that the token may see, in the order asked for."""
        words = self._one("search", "").lower()
        author = self._one("author", "")
        filters = self._parameters.get("filter", [])
        found = [
            repository
            for repository in repositories
            if words in repository.name.lower()
            and author in ("", repository.name.partition("/")[0])
            and (not repository.private or token in repository.readers)
            and all(tag in repository.properties()["tags"] for tag in filters)
        ]
        sort = self._one("sort", "trendingScore")
        assert sort in SORTS
        return sorted(found, key=lambda repository: repository.properties()[sort], reverse=True)

    def expanded(self, repository: Repository) -> dict[str, Any]:
        """Return the properties that were asked for, and the name."""
        properties = repository.properties()
        wanted = ("id", *self._parameters.get("expand", properties))
        return {name: properties[name] for name in wanted if name in properties}

    def next(self) -> str:
        """Return the query of the next page."""
        after = json.dumps({"after": self.start + self.limit})
        cursor = base64.b64encode(after.encode()).decode()
        return urlencode(self._parameters | {"cursor": cursor}, doseq=True)
