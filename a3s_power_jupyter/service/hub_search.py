"""Search the hub, look into its repositories, and say which of their models fit this machine."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from typing import Generic, TypeVar

import msgspec
from msgspec import UNSET

from ..contract.errors import HubError, InvalidModelName, InvalidReference
from ..contract.parameters import DEFAULT_NUM_CTX
from ..contract.types import (
    HubModel,
    HubPage,
    HubRepository,
    HubToken,
    Manifest,
    SearchFormat,
    SearchSort,
)
from ..hub.resolve.reference import Reference, parse
from ..hub.search.protocol import (
    Contents,
    FindToken,
    Found,
    Look,
    Looked,
    RemoveToken,
    Search,
    StoreToken,
    Token,
)
from ..hub.search.query_process import QueryProcess
from .catalog import Catalog
from .fits import MachineMemory
from .variants import formats_of, variants_of

#: Seconds to wait for a page of results, for a repository with the headers of its models, and for
#: what is done with the token.
SEARCH_SECONDS = 30.0
LOOK_SECONDS = 90.0
TOKEN_SECONDS = 30.0

#: Seconds for which an answer of the hub is given again, and the number of answers that are kept.
FRESH = 60.0
KEPT = 64

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The values that were put in last, each for `seconds`.

    Parameters
    ----------
    clock : callable
        Returns monotonic seconds.
    """

    def __init__(
        self, seconds: float, size: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None or self._clock() > entry[0]:
            return None
        return entry[1]

    def put(self, key: K, value: V) -> None:
        self._entries[key] = (self._clock() + self._seconds, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        self._entries.clear()


class HubSearch:
    """Asks the hub, and keeps its answers for a short time. No method blocks the event loop.

    Parameters
    ----------
    queries : QueryProcess
        Asks the hub.
    catalog : Catalog
        The models that are here.
    memory : MachineMemory
        What a model may use.
    """

    def __init__(self, queries: QueryProcess, catalog: Catalog, memory: MachineMemory) -> None:
        self._queries = queries
        self._catalog = catalog
        self._memory = memory
        self._token_changes = 0
        self._pages: Recent[Search, Found] = Recent(FRESH, KEPT)
        self._looked: Recent[str, Looked] = Recent(FRESH, KEPT)
        #: By what was looked at and its commit: the content of a commit never changes.
        self._contents: Recent[str, tuple[str, Contents]] = Recent(float("inf"), KEPT)

    async def search(
        self,
        words: str,
        *,
        formats: SearchFormat,
        sort: SearchSort,
        limit: int,
        cursor: str | None,
    ) -> HubPage:
        """Return a page of repositories, in the hub's order.

        Parameters
        ----------
        words : str
            What their names contain, or the address of a page of the hub; "" for all.
        limit : int
            Most repositories of a page.
        cursor : str or None
            `HubPage.next` of the page before.

        Raises
        ------
        InvalidParameter
            If the cursor does not come from a search.
        HubError, HubUnauthorized
            If the hub cannot be asked.
        """
        request = Search(_words(words), formats, sort, limit, cursor)
        found = self._pages.get(request)
        if found is None:
            changes = self._token_changes
            found = await self._queries.ask(request, Found, seconds=SEARCH_SECONDS)
            if changes == self._token_changes:
                self._pages.put(request, found)
        here = _repositories(await self._manifests())
        models = (msgspec.structs.replace(m, installed=m.id in here) for m in found.models)
        return HubPage(tuple(models), found.next)

    async def repository(self, name: str, num_ctx: int | None) -> HubRepository:
        """Return a repository with its models, and whether each fits this machine.

        Parameters
        ----------
        name : str
            ``owner/name``, perhaps with ``@revision``, or the address of its page.
        num_ctx : int or None
            Context length in tokens; None for the default of a load.

        Raises
        ------
        InvalidReference
            If the name is not one of a repository, or the hub has no such repository.
        HubError, HubUnauthorized
            If the hub cannot be asked.
        """
        reference = parse(name)
        if reference.tag is not None or reference.path is not None:
            raise InvalidReference(
                f"{reference.name} is one model of a repository. Look into {reference.repository}.",
                param="name",
            )
        (looked, contents), machine = await asyncio.gather(
            self._look(reference), self._memory.measure()
        )
        manifests = await self._manifests()
        variants = variants_of(contents.candidates, machine, manifests, num_ctx)
        here = looked.model.id in _repositories(manifests)
        model = msgspec.structs.replace(looked.model, installed=here)
        return HubRepository(
            **{name: getattr(model, name) for name in HubModel.__struct_fields__},
            num_ctx=num_ctx or DEFAULT_NUM_CTX,
            revision=looked.commit,
            variants=variants,
            note=contents.problem or UNSET,
        )

    async def token(self) -> HubToken:
        """Return where the token of the hub comes from."""
        return _public(await self._queries.ask(FindToken(), Token, seconds=TOKEN_SECONDS))

    async def store_token(self, token: str) -> HubToken:
        """Check a token and store it where ``%power login`` does.

        Raises
        ------
        InvalidParameter
            If it is not a token, or the environment of the server has one.
        HubUnauthorized
            If the hub rejects it.
        """
        return await self._change_token(StoreToken(token))

    async def remove_token(self) -> HubToken:
        """Remove the stored token.

        Raises
        ------
        InvalidParameter
            If the token comes from the environment of the server.
        """
        return await self._change_token(RemoveToken())

    async def _change_token(self, change: StoreToken | RemoveToken) -> HubToken:
        try:
            return _public(await self._queries.ask(change, Token, seconds=TOKEN_SECONDS))
        finally:  # with another token, the hub may show more or less
            self._token_changes += 1
            self._pages.clear()
            self._looked.clear()
            self._contents.clear()

    async def _look(self, reference: Reference) -> tuple[Looked, Contents]:
        """Return a repository and its models, from the hub or as they were a moment ago."""
        name = reference.repository
        kept = self._contents.get(name)
        looked = self._looked.get(name)
        if looked is not None and kept is not None:
            return looked, kept[1]
        known = None if kept is None or kept[1].problem else kept[0]
        question = Look(name, reference.repo, reference.revision, known)
        changes = self._token_changes
        looked = await self._queries.ask(question, Looked, seconds=LOOK_SECONDS)
        contents = looked.contents
        if contents is None:
            if kept is None:
                raise HubError("The answer about the repository is incomplete. Try again.")
            contents = kept[1]
            model = msgspec.structs.replace(looked.model, formats=formats_of(contents.candidates))
            looked = msgspec.structs.replace(looked, model=model)
        if changes == self._token_changes:
            self._looked.put(name, looked)
            self._contents.put(name, (looked.commit, contents))
        return looked, contents

    async def _manifests(self) -> list[Manifest]:
        return (await self._catalog.listing()).manifests


def _words(text: str) -> str:
    """Return the words to search for: the name of the repository if `text` is its address."""
    try:
        return parse(text).repo
    except (InvalidReference, InvalidModelName):
        return text


def _public(token: Token) -> HubToken:
    return HubToken(token.source is not None, token.source, token.user)


def _repositories(manifests: Iterable[Manifest]) -> set[str]:
    """Return the repositories of models that were pulled."""
    sources = (manifest.source.reference for manifest in manifests)
    return {repo for text in sources if text is not UNSET and (repo := _repository_of(text))}


@lru_cache(maxsize=1024)
def _repository_of(reference: str) -> str | None:
    try:
        return parse(reference).repo
    except (InvalidReference, InvalidModelName):
        return None
