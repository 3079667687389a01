"""Handlers of ``/v1/hub``: search the Hugging Face Hub, and keep its token."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from ..contract.errors import InvalidParameter
from ..contract.parameters import check
from ..contract.types import SearchFormat, SearchSort
from .auth import allowed
from .base import PowerHandler
from .fields import wrong_value

#: Results of a page, and characters of the longest search.
DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_WORDS = 200

#: Tokens of context that a model can be loaded with; see `LoadParameters.num_ctx`.
MIN_NUM_CTX, MAX_NUM_CTX = 16, 2**24


class HubSearchHandler(PowerHandler):
    @allowed("read")
    async def get(self) -> None:
        """Search the hub for repositories."""
        words = self.get_query_argument("query", "").strip()
        if len(words) > MAX_WORDS or not words.isprintable():
            raise InvalidParameter(
                f"query must have at most {MAX_WORDS} characters, without control characters.",
                param="query",
            )
        searching = self.service.hub.search(
            words,
            formats=self._choice("format", SearchFormat, "all"),
            sort=self._choice("sort", SearchSort, "downloads"),
            limit=self.number("limit", 1, MAX_LIMIT) or DEFAULT_LIMIT,
            cursor=self.get_query_argument("cursor", "") or None,
        )
        self.finish_json(await self.until_disconnect(searching))

    def _choice(self, name: str, choices: Any, default: str) -> Any:
        value = self.get_query_argument(name, "") or default
        if value not in get_args(choices):
            choice = f"one of {', '.join(map(repr, get_args(choices)))}"
            raise wrong_value(name, choice, value, is_choice=True)
        return value


class HubModelHandler(PowerHandler):
    @allowed("read")
    async def get(self, name: str) -> None:
        """Show the models of a repository, and whether they fit this machine."""
        num_ctx = self.number("num_ctx", MIN_NUM_CTX, MAX_NUM_CTX)
        looking = self.service.hub.repository(name, num_ctx)
        self.finish_json(await self.until_disconnect(looking))


class TokenFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, Meta(max_length=4096)]

    def __repr__(self) -> str:
        return "TokenFields()"  # without the token


class HubTokenHandler(PowerHandler):
    """``/v1/hub/token``. The token itself is never sent."""

    @allowed("read")
    async def get(self) -> None:
        """Say whether there is a token, and where it comes from."""
        self.finish_json(await self.until_disconnect(self.service.hub.token()))

    @allowed("write")
    async def put(self) -> None:
        """Check a token with the hub, and store it for all pulls."""
        fields = await self.decode(lambda: check(self.json_body(), TokenFields))
        self.finish_json(await self.service.hub.store_token(fields.token))

    @allowed("write")
    async def delete(self) -> None:
        """Remove the stored token."""
        self.finish_json(await self.service.hub.remove_token())
