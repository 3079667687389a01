"""Methods of the client that search the hub."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec

from ..contract import types
from ..contract.types import HubRepository, SearchFormat, SearchSort
from ..display import hub_tables
from ..display.output import Output
from .connection import Connection
from .replies import decoded
from .results import Displayed, Table, line

#: Most repositories that the server returns at once.
_PAGE = 100

#: Seconds to wait for a repository, of which the server reads several headers.
_LOOK_TIMEOUT = 120.0


class HubModel(Displayed, types.HubModel, frozen=True):
    __doc__ = types.HubModel.__doc__

    def _shown(self) -> Output:
        return hub_tables.facts_of(self)

    def _short(self) -> str:
        return line(f"HubModel {self.id}", [*self.formats, f"{self.downloads:,} downloads"])


class HubModels(Table[HubModel]):
    """Repositories of the hub. A notebook shows them as a table."""

    row = types.HubModel

    def _shown(self) -> Output:
        return hub_tables.repositories(self)


class _Page(msgspec.Struct):
    data: list[HubModel]
    next: str | None = None


class Repository(HubRepository, frozen=True, kw_only=True):
    """A repository of the hub. A notebook shows its models as a table."""

    def __repr__(self) -> str:
        return repr(hub_tables.repository(self))

    def _repr_html_(self) -> str:
        return hub_tables.repository(self).html


class SearchMethods:
    """Searches of the hub for `Client`, which provides the connection."""

    _connection: Connection

    def search(
        self,
        words: str = "",
        *,
        format: SearchFormat = "all",  # noqa: A002 - as in `register`
        sort: SearchSort = "downloads",
        limit: int = 20,
    ) -> HubModels:
        """Search the hub for repositories with models that can be pulled::

            client.search("qwen3 coder", format="gguf")

        Parameters
        ----------
        words : str
            What the names contain, or the address of a page of the hub; "" for all.
        format : {"all", "gguf", "safetensors"}
            Format of the models.
        sort : {"downloads", "likes", "updated", "trending"}
            What comes first.
        limit : int
            Most repositories to return.

        Returns
        -------
        HubModels
            A list of `HubModel`. `repository` says which models of one fit the machine.

        Raises
        ------
        HubError
            If the hub does not answer: `reason` is ``offline``, ``unreachable``, ``rate_limited``
            or None.
        """
        found = HubModels()
        cursor: str | None = None
        while len(found) < limit:
            parameters = {
                "query": words,
                "format": format,
                "sort": sort,
                "limit": str(min(limit - len(found), _PAGE)),
            } | ({} if cursor is None else {"cursor": cursor})
            reply = self._connection.request("GET", f"hub/search?{urlencode(parameters)}")
            page = decoded(reply, _Page)
            found += page.data
            cursor = page.next
            if cursor is None:
                break
        return found

    def repository(self, name: str, *, num_ctx: int | None = None) -> Repository:
        """Show the models of a repository of the hub, and which of them fit the server's machine.

        Parameters
        ----------
        name : str
            ``owner/name``, optionally with ``@revision``, or the address of its page.
        num_ctx : int, optional
            Context length that the memory is computed for. Default: that of a load.

        Returns
        -------
        Repository
            Its `variants` have a `reference` each, which `pull` downloads. One is `recommended`,
            unless none fits.

        Raises
        ------
        InvalidReference, HubUnauthorized
            If there is no such repository, or it is private.
        HubError
            As `search`.
        """
        query = "" if num_ctx is None else f"?num_ctx={num_ctx}"
        path = f"hub/models/{quote(name, safe='')}{query}"
        reply = self._connection.request("GET", path, timeout=_LOOK_TIMEOUT)
        return decoded(reply, Repository)
