"""The tokens in llama.cpp's memory, and the states that requests left there or in host memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import UNSET

from ..prompt_cache import Checkpoint, Entry, PromptCache
from ..prompt_files import PromptFiles
from ..protocol import Stats
from .cells import Cells
from .context import PARTIAL, UNLIMITED, Context, State
from .decoder import Aborted
from .sequence import Held, Sequence
from .sources import FEW_TOKENS, RESTORE_COST, Source, Sources, best

#: Free cells that a request needs besides its prompt, for the first tokens of its answer.
RESERVE = 64

#: Distance of a checkpoint from the end of the prompt, in tokens. The last tokens begin the answer,
#: and the next turn may have others there.
CHECKPOINT_DISTANCE = 16


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
        self._sources = Sources(context, cache, chunk)
        self._cells = Cells()
        self._free_ids = list(reversed(range(n_slots)))
        self._idle: Held | None = None  # of the last request, if nothing else ran when it ended

    @property
    def n_free_ids(self) -> int:
        """How many further requests can begin."""
        return len(self._free_ids) + (self._idle is not None)

    @property
    def used_cells(self) -> int:
        return self._cells.used

    @property
    def free_cells(self) -> int:
        return self.context.n_cells - self._cells.used

    def stats(self, requests_held: int) -> Stats:
        capacity = UNSET if self.context.n_cells == UNLIMITED else self.context.n_cells
        return Stats(self._cells.used, capacity, self.cache.size, requests_held)

    # ------------------------------------------------------------ start

    def start(self, sequence: Sequence, running: Collection[Sequence]) -> None:
        """Add a request that starts from the longest prefix found anywhere."""
        if running:
            for other in running:
                other.in_order = False
            source = best(self._sources.running(sequence, running) + self._saved(sequence, running))
        else:
            idle = self._sources.idle(sequence, self._idle)
            source = best(idle + self._saved(sequence, running))
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

    def is_read_by_others(self, sequence: Sequence, running: Collection[Sequence]) -> bool:
        """Return whether a running request is about to read tokens that this one can share."""
        return self._sources.is_read_by_others(sequence, running)

    def fits(self, sequence: Sequence, running: Collection[Sequence]) -> bool:
        """Return whether there is room for a request besides those that run."""
        if not running:
            return True
        sources = self._sources.running(sequence, running)
        shared = max((source.n_tokens for source in sources), default=0)
        return self._has_room(len(sequence.known) - shared, running)

    def _has_room(self, n_tokens: int, running: Collection[Sequence]) -> bool:
        """Return whether there is room for tokens besides the requests that run."""
        pending = sum(max(0, other.pending) for other in running)
        return n_tokens + RESERVE + pending <= self.free_cells

    def _saved(self, sequence: Sequence, running: Collection[Sequence]) -> list[Source]:
        """Return the states in host memory for which there are cells."""
        if not running:
            return self._sources.saved(sequence, alone=True, free_cells=self.context.n_cells)
        if not self._has_room(len(sequence.known), running):
            return []  # the request only fits if it shares cells
        return self._sources.saved(sequence, alone=False, free_cells=self.free_cells)

    def _continue(self, sequence: Sequence, idle: Held, n_tokens: int) -> None:
        """Take over the cells of the last request."""
        self._idle = None
        if _is_kept(idle.n_computed, n_tokens):
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
        if _is_kept(len(entry.tokens), n_tokens):
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


def _is_kept(n_tokens: int, n_used: int) -> bool:
    """Return whether to keep a state of which a request uses the first `n_used` tokens.

    It is kept for its own conversation. Keeping it costs a copy of all its tokens.
    """
    return n_tokens - n_used > max(FEW_TOKENS, RESTORE_COST * n_tokens)
