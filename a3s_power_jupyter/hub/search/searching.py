"""Search the hub: one page of its list API.

The parameters are those of huggingface_hub's ``HfApi.list_models``, which does not return the
cursor of the next page and reads replies of any size.
"""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import parse_qs

from ...contract.errors import HubError, InvalidParameter
from ...contract.text import quoted
from ..http.hub_requests import Params
from ..resolve.hub_api import HubApi
from .models import EXPAND, model_of
from .protocol import Found, Search

#: Names of `Sort` in the hub's API.
_SORTS = {
    "downloads": "downloads",
    "likes": "likes",
    "updated": "lastModified",
    "trending": "trendingScore",
}

#: Pages that are read if their repositories have no models of either format.
MAX_PAGES = 5

#: A cursor of the hub, which is base64. Anything else does not come from it.
_CURSOR = re.compile(r"[A-Za-z0-9_=+/.-]{1,4096}")


def search(hub: HubApi, request: Search) -> Found:
    """Return a page of repositories, in the hub's order.

    The hub cannot be asked for two formats, so that a search for all of them leaves out what has
    neither.

    Raises
    ------
    InvalidParameter
        If the cursor is not one of the hub's.
    HubError, HubUnauthorized
        See `HubApi`.
    """
    check_cursor(request.cursor)
    cursor = request.cursor
    for _ in range(MAX_PAGES):
        listed, query = hub.page("/api/models", _parameters(request, cursor))
        if not isinstance(listed, list):
            raise HubError(
                "The reply to the search is not a list. Check HF_ENDPOINT and the proxy settings."
            )
        models = [model for raw in listed[: request.limit] if (model := model_of(raw))]
        found = tuple(model for model in models if model.formats)
        cursor = next_cursor(query, cursor)
        if found or cursor is None:
            break
    return Found(found, cursor)


def check_cursor(cursor: str | None) -> None:
    """Raise `InvalidParameter` if `cursor` cannot come from the hub, such as a URL."""
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise InvalidParameter(
            f"cursor={quoted(cursor)} does not come from a search. Use the value of next in its "
            "reply.",
            param="cursor",
        )


def next_cursor(query: str, current: str | None) -> str | None:
    """Return the cursor in the query of the link to the next page.

    Only this is taken from the link: it may lead to another host, which must not be asked. A cursor
    that stays the same would never end.
    """
    found = ""
    with suppress(ValueError):  # too many fields
        found = parse_qs(query, max_num_fields=100).get("cursor", [""])[0]
    return found if _CURSOR.fullmatch(found) and found != current else None


def _parameters(request: Search, cursor: str | None) -> Params:
    parameters: Params = {
        "sort": _SORTS[request.sort],
        "limit": str(request.limit),
        "expand": EXPAND,
    }
    if request.words:
        parameters["search"] = request.words
    if request.format != "all":
        parameters["filter"] = request.format
    return parameters if cursor is None else parameters | {"cursor": cursor}
