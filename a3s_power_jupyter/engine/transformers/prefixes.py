"""Find the longest prefix of a prompt that another request has computed, and keep finished ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..prompt_cache import Entry, PromptCache, common_prefix, is_prefix, token_array
from ..protocol import PromptCacheSettings
from .request import ActiveRequest
from .states import Prefix

#: Share of the tokens to compute by which their number may grow to begin with a whole chunk.
STEADY_COST = 1 / 16


class Prefixes:
    """The caches of finished requests.

    Parameters
    ----------
    settings : PromptCacheSettings or None
        None to keep none.
    chunk : int
        Tokens of a prompt that are computed in one step.
    """

    def __init__(self, settings: PromptCacheSettings | None, chunk: int) -> None:
        limit = 0 if settings is None else settings.memory_bytes
        self._cache: PromptCache[Prefix] = PromptCache(limit)
        self._chunk = chunk

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
        held: list[tuple[Prefix, Entry[Prefix] | None]] = [
            (prefix, None) for prefix in others if prefix is not None
        ]
        if computed == 0:  # later, only requests in progress can have more
            held += [(entry.state, entry) for entry in self._cache]
        lengths = [self._usable(active, prefix) for prefix, _ in held]
        length = max(lengths, default=0)
        if length <= computed:
            return None
        found, entry = held[lengths.index(length)]
        if entry is not None:
            self._cache.touch(entry)
        prefix = found.cut(length, self._chunk)
        # Tokens after the common ones may have left NaN in their chunk: 0 * NaN is NaN.
        return prefix if prefix.state.finite else None

    def _usable(self, active: ActiveRequest, prefix: Prefix) -> int:
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
