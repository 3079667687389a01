"""Find the states from which a request can start, so that it need not compute all its tokens."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ..prompt_cache import Entry, PromptCache, common_prefix
from .context import Context, State
from .sequence import Held, Sequence

#: Restoring a token from host memory takes about this share of the time to compute it: 0.02 for a
#: model with 135M parameters on a CPU, and less for larger ones.
RESTORE_COST = 0.02

#: Saving the computation of at most this many tokens is not worth a wait or a copy.
FEW_TOKENS = 32


@dataclass(frozen=True)
class Source:
    """A state from which a request can start, and the number of tokens that it can use of it."""

    state: Held | Entry[State]
    n_tokens: int
    gain: float


class Sources:
    """The states in the memory of a context and in the host memory behind it.

    Parameters
    ----------
    chunk : int
        Tokens between the boundaries from which requests with a seed may start.
    """

    def __init__(self, context: Context, cache: PromptCache[State], chunk: int) -> None:
        self._context = context
        self._cache = cache
        self._chunk = chunk

    def idle(self, sequence: Sequence, idle: Held | None) -> list[Source]:
        """Return the last request, if its state can be continued where it is."""
        if idle is None or (sequence.starts_at_boundary and not idle.in_order):
            return []
        n_tokens = self._usable(sequence, idle.computed, idle, alone=True)
        return [Source(idle, n_tokens, n_tokens)]

    def running(self, sequence: Sequence, running: Iterable[Sequence]) -> list[Source]:
        """Return the running requests with the same beginning."""
        if not self._context.can_cut:
            return []
        counts = [(o, self._usable(sequence, o.computed, o, alone=False)) for o in running]
        return [Source(other, n_tokens, n_tokens) for other, n_tokens in counts]

    def is_read_by_others(self, sequence: Sequence, running: Collection[Sequence]) -> bool:
        """Return whether a running request is about to read tokens that this one needs.

        When it has, this one can share them, and need not compute them itself.
        """
        if not self._context.can_cut:
            return False
        readers = [o for o in running if o.pending > 1 and not o.is_suspect]
        shared = (self._usable(sequence, o.known, o, alone=False) for o in readers)
        later = max(shared, default=0)
        if later <= FEW_TOKENS:
            return False
        now = self.running(sequence, running)
        now += self.saved(sequence, alone=False, free_cells=self._context.n_cells)
        return later - max((source.n_tokens for source in now), default=0) > FEW_TOKENS

    def saved(self, sequence: Sequence, *, alone: bool, free_cells: int) -> list[Source]:
        """Return the states in host memory for which there are cells.

        Parameters
        ----------
        alone : bool
            Whether no other request runs.
        """
        sources = []
        for entry in self._cache:
            n_tokens = self._usable(sequence, entry.tokens, entry, alone=alone)
            gain = n_tokens - RESTORE_COST * len(entry.tokens)
            if n_tokens and len(entry.tokens) <= free_cells:
                sources.append(Source(entry, n_tokens, gain))
        return sources

    def _usable(
        self,
        sequence: Sequence,
        tokens: array[int],
        state: Held | Entry[State],
        *,
        alone: bool,
    ) -> int:
        """Return the number of leading tokens of a state that a request can start from.

        Tokens of which the logits are needed are always computed: the last one that is known, and
        those of a prompt with log probabilities.
        """
        common = min(common_prefix(tokens, sequence.known), sequence.reusable)
        if alone and sequence.starts_at_boundary:
            # The other tokens were computed in other batches, which round differently.
            common = min(common, state.steady) if self._context.can_cut else 0
            return sequence.prompt.boundary(common, self._chunk)
        if self._context.can_cut:
            return sequence.prompt.outside_image(common)
        if common == len(tokens):
            return common
        return max((c.n_tokens for c in state.checkpoints if c.n_tokens <= common), default=0)


def best(sources: list[Source]) -> Source | None:
    """Return the source that saves most time, if any does."""
    found = max(sources, key=lambda source: source.gain, default=None)
    return None if found is None or found.gain <= 0 else found
