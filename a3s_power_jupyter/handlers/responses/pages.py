"""Return lists in pages, as OpenAI's API does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...contract.errors import InvalidParameter
from ...contract.text import quoted

#: Items of a page, unless the request says how many, and the most of them.
DEFAULT_LIMIT = 20
MAX_LIMIT = 100


def read_page(items: list[dict[str, Any]], argument: Callable[[str, str], str]) -> dict[str, Any]:
    """Return the page that the query of a request asks for: ``limit``, ``order`` and ``after``.

    Parameters
    ----------
    items : list of dict
        From the oldest to the newest. Each has an ``id``.
    argument : callable
        Returns an argument of the query by its name, or the default.

    Raises
    ------
    InvalidParameter
        If an argument is malformed, or ``after`` is no item.
    """
    limit = _limit(argument("limit", str(DEFAULT_LIMIT)))
    order = argument("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidParameter(f"order={quoted(order)} must be asc or desc.", param="order")
    ordered = items if order == "asc" else items[::-1]
    rest = _after(ordered, argument("after", ""))
    page = rest[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else "",
        "last_id": page[-1]["id"] if page else "",
        "has_more": len(rest) > limit,
    }


def _limit(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise InvalidParameter(f"limit={quoted(text)} must be from 1 to {MAX_LIMIT}.", param="limit")


def _after(items: list[dict[str, Any]], after: str) -> list[dict[str, Any]]:
    if not after:
        return items
    for i, item in enumerate(items):
        if item["id"] == after:
            return items[i + 1 :]
    raise InvalidParameter(
        f"after={quoted(after)} is the id of no item of the list.", param="after"
    )
