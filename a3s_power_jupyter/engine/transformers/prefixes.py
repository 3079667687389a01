"""Find the longest prefix of a prompt that another request has computed, and keep finished ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..prompt_cache import Entry, PromptCache, common_prefix, is_prefix, token_array
from ..prompt_files import PromptFiles
from ..protocol import PromptCacheSettings
from .request import ActiveRequest
from .saved import SavedPrefix, for_disk, from_disk
from .states import Prefix, Tokens

#: Share of the tokens to compute by which their number may grow to begin with a whole chunk.
STEADY_COST = 1 / 16

#: A prefix, and its entry if it belongs to the prompt cache.
Held = tuple[Prefix | SavedPrefix, Entry[Prefix | SavedPrefix] | None]


class Prefixes:
    """The caches of finished requests.

    Parameters
    ----------
    settings : PromptCacheSettings or None
        None to keep none.
    chunk : int
        Tokens of a prompt that are computed in one step.
    files : PromptFiles or None
        Where the caches are written when the model is unloaded.
    """

    def __init__(
        self, settings: PromptCacheSettings | None, chunk: int, files: PromptFiles | None
    ) -> None:
        limit = 0 if settings is None else settings.memory_bytes
        saved = () if files is None else map(from_disk, files.load())
        self._cache: PromptCache[Prefix | SavedPrefix] = PromptCache(limit, saved)
        self._chunk = chunk
        self._files = files

    @property
    def size(self) -> int:
        """Bytes of all caches together."""
        return self._cache.size

    def clear(self) -> None:
        self._cache.clear()

    def find(self, active: ActiveRequest, others: Iterable[Prefix | None]) -> Prefix | None:
        """Return the longest prefix of a prompt; None if the request has computed as much itself.

        Parameters
        ----------
        others : iterable of Prefix
            The caches of requests in progress.
        """
        computed = active.generation.num_computed_tokens
        held: list[Held] = [(prefix, None) for prefix in others if prefix is not None]
        if computed == 0:  # later, only requests in progress can have more
            held += [(entry.state, entry) for entry in self._cache]
        lengths = [self._usable(active, tokens) for tokens, _ in held]
        while (length := max(lengths, default=0)) > computed:
            at = lengths.index(length)
            prefix = self._read(*held[at])
            # Tokens after the common ones may have left NaN in their chunk: 0 * NaN is NaN.
            if prefix is not None and (found := prefix.cut(length, self._chunk)).state.finite:
                return found
            lengths[at] = 0
        return None

    def _read(self, tokens: Prefix | SavedPrefix, entry: Entry[Any] | None) -> Prefix | None:
        """Return a prefix with its cache in memory, and count its entry as used."""
        prefix = tokens.read() if isinstance(tokens, SavedPrefix) else tokens
        if entry is not None and prefix is None:
            self._cache.remove(entry)
        elif entry is not None:
            self._cache.touch(entry)
        return prefix

    def _usable(self, active: ActiveRequest, prefix: Tokens) -> int:
        """Return how many tokens of a prompt may come from the cache of another request.

        The last token is always computed, because the answer begins with its logits. Images are
        computed together unless all are cached. With a seed, only whole chunks count. Without one,
        they are preferred where that costs little, for later requests with a seed.
        """
        prompt = active.prompt
        if prompt.key is None:
            return 0
        length = min(common_prefix(prompt.key, prefix.tokens), len(prompt.tokens) - 1)
        if length < prompt.base:
            return 0
        steady = prefix.steady_length(length, self._chunk)
        rest = len(prompt.tokens) - length
        return steady if active.seeded or length - steady <= rest * STEADY_COST else length

    def add(self, prefix: Prefix) -> None:
        """Keep the cache of a request that has ended, unless it contains NaN."""
        size = prefix.state.nbytes
        if size > self._cache.limit or not prefix.state.finite:
            return
        for entry in self._cache:
            if is_prefix(prefix.tokens, entry.tokens) and entry.steady >= prefix.steady:
                self._cache.touch(entry)
                return
        tokens, steady = prefix.tokens, prefix.steady
        kept = replace(prefix, state=prefix.state.on_host())
        self._cache.add(Entry(tokens, token_array(), len(tokens), steady, kept, size))

    def save(self, deadline: float) -> None:
        """Write the caches to disk until `deadline`, if they are kept there."""
        if self._files is not None:
            self._files.save(for_disk(self._cache), deadline)
