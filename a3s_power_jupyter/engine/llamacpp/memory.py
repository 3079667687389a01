"""The tokens in llama.cpp's memory, and the states that requests left there or in host memory."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from msgspec import UNSET

from ..prompt_cache import Checkpoint, Entry, PromptCache, common_prefix
from ..prompt_files import PromptFiles
from ..protocol import Stats
from .cells import Cells
from .context import PARTIAL, UNLIMITED, Context, State
from .decoder import Aborted
from .sequence import Held, Sequence

#: A state is kept for its own conversation if more than this many of its tokens would be lost to a
#: request that only shares its beginning.
KEEP_TOKENS = 256

#: Free cells that a request needs besides its prompt, for the first tokens of its answer.
RESERVE = 64

#: Restoring a token from host memory takes about this share of the time to compute it: 0.02 for a
#: model with 135M parameters on a CPU, and less for larger ones.
RESTORE_COST = 0.02

#: Distance of a checkpoint from the end of the prompt, in tokens. The last tokens begin the answer,
#: and the next turn may have others there.
CHECKPOINT_DISTANCE = 16


@dataclass(frozen=True)
class Source:
    """A state from which a request can start, and the number of tokens that it can use of it."""

    state: Held | Entry[State]
    n_tokens: int
    gain: float


class Memory:
    """The memory of a context, and the host memory behind it.

    Parameters
    ----------
    n_slots : int
        Number of sequences.
    chunk : int
        Tokens between the boundaries from which requests with a seed may start.
    cache : PromptCache
        States in host memory and on disk.
    files : PromptFiles or None
        Where the states are written when the model is unloaded.
    """

    def __init__(
        self,
        context: Context,
        *,
        n_slots: int,
        chunk: int,
        cache: PromptCache[State],
        files: PromptFiles | None = None,
    ) -> None:
        self.context = context
        self.n_slots = n_slots
        self.chunk = chunk
        self.cache = cache
        self._files = files
        self._cells = Cells()
        self._free_ids = list(reversed(range(n_slots)))
        self._idle: Held | None = None  # of the last request, if nothing else ran when it ended

    @property
    def has_free_id(self) -> bool:
        return bool(self._free_ids) or self._idle is not None

    @property
    def used_cells(self) -> int:
        return self._cells.used

    @property
    def free_cells(self) -> int:
        return self.context.n_cells - self._cells.used

    def stats(self) -> Stats:
        capacity = UNSET if self.context.n_cells == UNLIMITED else self.context.n_cells
        return Stats(self._cells.used, capacity, self.cache.size)

    # ------------------------------------------------------------ start

    def start(self, sequence: Sequence, running: Collection[Sequence]) -> None:
        """Add a request that starts from the longest prefix found anywhere."""
        if running:
            for other in running:
                other.in_order = False
            source = _best(self._shareable(sequence, running) + self._saved(sequence, running))
        else:
            source = _best(self._in_place(sequence) + self._saved(sequence, running))
            if source is None or source.state is not self._idle:
                self.keep_idle()
                self.context.clear()  # so that the next tokens are in the first cells
            sequence.in_order = True
        if source is None:
            sequence.seq_id = self._free_ids.pop()
        elif isinstance(source.state, Entry):
            self._restore(sequence, source.state, source.n_tokens)
        elif source.state is self._idle:
            self._continue(sequence, source.state, source.n_tokens)
        else:
            self._share(sequence, source.state, source.n_tokens)

    def fits(self, sequence: Sequence, running: Collection[Sequence]) -> bool:
        """Return whether there is room for a request besides those that run."""
        if not running:
            return True
        shared = max((s.n_tokens for s in self._shareable(sequence, running)), default=0)
        return self._has_room(len(sequence.known) - shared, running)

    def _has_room(self, n_tokens: int, running: Collection[Sequence]) -> bool:
        """Return whether there is room for tokens besides the requests that run."""
        pending = sum(max(0, other.pending) for other in running)
        return n_tokens + RESERVE + pending <= self.free_cells

    def _in_place(self, sequence: Sequence) -> list[Source]:
        """Return the last request, if its state can be continued where it is."""
        idle = self._idle
        if idle is None or (sequence.starts_at_boundary and not idle.in_order):
            return []
        n_tokens = self._usable(sequence, idle.computed, idle, alone=True)
        return [Source(idle, n_tokens, n_tokens)]

    def _shareable(self, sequence: Sequence, running: Collection[Sequence]) -> list[Source]:
        """Return the running requests with the same beginning."""
        if not self.context.can_cut:
            return []
        counts = [(o, self._usable(sequence, o.computed, o, alone=False)) for o in running]
        return [Source(other, n_tokens, n_tokens) for other, n_tokens in counts]

    def _saved(self, sequence: Sequence, running: Collection[Sequence]) -> list[Source]:
        """Return the states in host memory for which there are cells."""
        alone = not running
        free = self.context.n_cells if alone else self.free_cells
        if not (alone or self._has_room(len(sequence.known), running)):
            return []  # the request only fits if it shares cells
        sources = []
        for entry in self.cache:
            n_tokens = self._usable(sequence, entry.tokens, entry, alone=alone)
            gain = n_tokens - RESTORE_COST * len(entry.tokens)
            if n_tokens and len(entry.tokens) <= free:
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

        The last token that is known is always computed, because its logits are needed.
        """
        common = min(common_prefix(tokens, sequence.known), len(sequence.known) - 1)
        if alone and sequence.starts_at_boundary:
            # The other tokens were computed in other batches, which round differently.
            common = min(common, state.steady) if self.context.can_cut else 0
            return sequence.prompt.boundary(common, self.chunk)
        if self.context.can_cut:
            return sequence.prompt.outside_image(common)
        if common == len(tokens):
            return common
        return max((c.n_tokens for c in state.checkpoints if c.n_tokens <= common), default=0)

    def _continue(self, sequence: Sequence, idle: Held, n_tokens: int) -> None:
        """Take over the cells of the last request."""
        self._idle = None
        if idle.n_computed - n_tokens > KEEP_TOKENS:
            self._save(idle)
        sequence.seq_id, sequence.cells = idle.seq_id, idle.cells
        sequence.in_order = idle.in_order
        sequence.adopt(idle, n_tokens)
        self._cut(sequence, idle.n_computed)

    def _share(self, sequence: Sequence, other: Held, n_tokens: int) -> None:
        """Begin with the cells of another request."""
        sequence.seq_id = self._free_ids.pop()
        sequence.adopt(other, n_tokens)
        self.context.copy(other.seq_id, sequence.seq_id, sequence.n_past)
        sequence.cells = self._cells.share(other.cells, n_tokens)

    def _restore(self, sequence: Sequence, entry: Entry[State], n_tokens: int) -> None:
        """Begin with a state in host memory."""
        sequence.seq_id = self._free_ids.pop()
        if not self.context.restore(sequence.seq_id, entry.state):
            self.context.drop(sequence.seq_id)
            self.cache.remove(entry)
            return
        self._cells.grow(sequence.cells, len(entry.tokens))
        sequence.adopt(entry, n_tokens)
        if not sequence.in_order:
            sequence.steady = 0  # later tokens may get earlier cells, which are saved first
        if len(entry.tokens) - n_tokens > KEEP_TOKENS:
            self.cache.touch(entry)
        else:
            self.cache.remove(entry)
        self._cut(sequence, len(entry.tokens))

    def _cut(self, sequence: Sequence, n_tokens: int) -> None:
        """Reduce a sequence of `n_tokens` to those that the request has adopted."""
        if n_tokens == sequence.n_computed:
            return
        self._cells.cut(sequence.cells, sequence.n_computed)
        checkpoint = next(
            (c for c in sequence.checkpoints if c.n_tokens == sequence.n_computed), None
        )
        restored = checkpoint is None or self.context.restore(
            sequence.seq_id, checkpoint.state, PARTIAL
        )
        if not (restored and self.context.cut(sequence.seq_id, sequence.n_past)):
            self.restart(sequence)

    # ------------------------------------------------------------ steps

    def advance(self, sequence: Sequence, count: int, n_past: int) -> None:
        """Record that the next tokens of a request were computed."""
        sequence.advance(count, n_past)
        self._cells.grow(sequence.cells, count)
        if sequence.n_computed == self.checkpoint_index(sequence):
            state = self.context.save(sequence.seq_id, PARTIAL)
            if state is not None:
                sequence.checkpoints = [
                    Checkpoint(sequence.n_computed, sequence.n_past, state, len(state))
                ]

    def checkpoint_index(self, sequence: Sequence) -> int | None:
        """Return the index in the prompt at which a state that cannot be cut is saved."""
        if self.context.can_cut:
            return None
        prompt = sequence.prompt
        return prompt.outside_image(max(0, len(prompt.tokens) - CHECKPOINT_DISTANCE))

    def undo(self, sequences: Iterable[Sequence], aborted: Aborted) -> None:
        """Remove what an aborted computation has left of requests."""
        for sequence in sequences:
            cut = aborted.can_go_back and self.context.cut(sequence.seq_id, sequence.n_past)
            if not cut:
                self.restart(sequence)

    def restart(self, sequence: Held) -> None:
        """Remove all tokens of a request, which are then computed again."""
        self.context.drop(sequence.seq_id)
        self._cells.cut(sequence.cells, 0)
        sequence.forget()

    # ------------------------------------------------------------ end

    def leave_idle(self, sequence: Sequence) -> None:
        """Keep the state of a request where it is, because nothing else runs."""
        self._idle = sequence.detach()

    def move_to_host(self, sequence: Held) -> None:
        """Move the state of a request to host memory."""
        self._save(sequence)
        self.remove(sequence)

    def remove(self, sequence: Held) -> None:
        """Remove a request."""
        self.restart(sequence)
        self._free_ids.append(sequence.seq_id)
        sequence.seq_id = -1

    def keep_idle(self) -> None:
        """Move the state of the last request to host memory."""
        idle, self._idle = self._idle, None
        if idle is not None:
            self.move_to_host(idle)

    def save_files(self, deadline: float) -> None:
        """Write the states to disk until `deadline`, if they are kept there."""
        if self._files is not None:
            self.keep_idle()
            self._files.save(self.cache, deadline)

    def reset(self) -> None:
        """Drop all requests and states, even after an error that has left them incomplete."""
        self._cells = Cells()
        self._free_ids = list(reversed(range(self.n_slots)))
        self._idle = None
        self.cache.clear()
        self.context.clear(erase=True)

    def erase(self, keep: Collection[Sequence], others: Collection[Sequence]) -> None:
        """Overwrite the memory, which may contain NaN.

        A NaN in a cell may reach requests that do not use the cell, because the attention mask
        multiplies it by 0.

        Parameters
        ----------
        keep : collection of Sequence
            Requests that continue.
        others : collection of Sequence
            Requests that start again.
        """
        states = [(sequence, self.context.save(sequence.seq_id)) for sequence in keep]
        idle, self._idle = self._idle, None
        if idle is not None:
            self.remove(idle)
        self.cache.clear()
        for sequence in (*keep, *others):
            sequence.in_order = False
            sequence.steady = 0
        for sequence in others:
            self.restart(sequence)
        self.context.clear(erase=True)
        for sequence, state in states:
            self._cells.cut(sequence.cells, 0)
            self._cells.grow(sequence.cells, sequence.n_computed)
            if state is None or not self.context.restore(sequence.seq_id, state):
                self.restart(sequence)

    def _save(self, sequence: Held) -> None:
        """Copy the state of a request to host memory, if it fits there."""
        if not self.cache.limit or not sequence.n_computed:
            return
        state = self.context.save(sequence.seq_id, limit=self.cache.limit)
        if state is None:
            return
        self.cache.add(
            Entry(
                tokens=sequence.computed,
                positions=sequence.positions,
                n_past=sequence.n_past,
                steady=sequence.steady,
                state=state,
                size=len(state),
                checkpoints=tuple(sequence.checkpoints),
            )
        )


def _best(sources: list[Source]) -> Source | None:
    best = max(sources, key=lambda source: source.gain, default=None)
    return None if best is None or best.gain <= 0 else best
