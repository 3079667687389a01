"""Choose the tokens of each step, and compute them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import llama_cpp as lc

from ..capacity import SCORED_TOKENS
from ..pace import Pace
from ..threads import CpuThreads
from .backend import compute_error
from .decoder import Aborted, Decoder
from .pool import SequencePool
from .sequence import Sequence

#: The largest number of cells in use with which llama.cpp computes the attention of a single token
#: in the same way for any number of threads. With more, each thread computes a part of the sum (the
#: "split KV path" of ggml-cpu/ops.cpp, from 512 cells), which rounds differently.
UNSPLIT_CELLS = 256

#: Seconds that a step may take to read prompts while other requests generate.
READ_SECONDS = 0.1

#: How many times that a step may take to read the rest of a prompt. One pause holds the others up
#: less than several short ones, during which fewer requests generate than could.
TO_THE_END = 3

# Results of llama_decode (llama.h).
_SUCCESS, _NO_ROOM = 0, 1


#: Index of a token in `Sequence.known` -> row of the batch that has the logits after it.
Rows = dict[int, int]


@dataclass(frozen=True)
class Part:
    """The tokens of one request in a batch, from `start` to `end` in `Sequence.known`."""

    sequence: Sequence
    start: int
    end: int

    @property
    def is_scored(self) -> bool:
        """Whether the logits after most of the tokens are needed."""
        return bool(self.sequence.generation.needed_logits(self.start, self.end))

    @property
    def outputs(self) -> list[int]:
        """The tokens of which the logits are needed: the last known one, and scored ones."""
        scored = self.sequence.generation.needed_logits(self.start, self.end)
        return [*scored, self.end - 1] if self.end == len(self.sequence.known) else [*scored]


class Batch:
    """Computes the next tokens of all requests that run.

    Each request that generates adds one token to a step. The rest is for prompts, the shortest one
    first, so that it does not wait for a long one; half of the rest is for the oldest.

    Parameters
    ----------
    size : int
        Maximum number of tokens per step.
    separate : bool
        Whether to compute each prompt on its own. On a CPU, that is about as fast, and llama.cpp
        computes the attention of 64 tokens and more in another way than that of fewer, so that the
        answer to a short prompt would depend on what else is in its batch.
    """

    def __init__(self, pool: SequencePool, decoder: Decoder, size: int, *, separate: bool) -> None:
        self._pool = pool
        self._memory = pool.memory
        self._size = size
        self._separate = separate
        self._batch = lc.llama_batch_init(size, 0, 1)
        self._decoder = decoder
        self._pace = Pace(READ_SECONDS, size)

    def plan(self) -> list[list[Part]]:
        """Choose the tokens of a step, and return them in groups to compute one after another.

        Raises
        ------
        ModelLoadFailed
            If there is no room for the tokens.
        """
        while True:
            running = len(self._pool.running)
            generating, reading = self._choose()
            parts = generating + reading
            if not self._pool.make_room(sum(part.end - part.start for part in parts)):
                raise compute_error("has no room for the next token")
            if len(self._pool.running) == running:
                break
        alone = [part for part in reading if self._separate or part.is_scored]
        together = generating + [part for part in reading if part not in alone]
        return [group for group in (together, *([part] for part in alone)) if group]

    def compute(self, group: list[Part], threads: CpuThreads) -> dict[Sequence, Rows]:
        """Compute tokens, but for those of requests that have ended or started again meanwhile.

        Returns
        -------
        dict
            Request -> its logits in the batch, for each request that was computed.

        Raises
        ------
        Aborted
            If the computation was ended because requests are cancelled. All are as before.
        ModelLoadFailed
            If llama.cpp cannot compute the batch.
        """
        running = self._pool.running
        parts = [p for p in group if p.sequence in running and p.sequence.n_computed == p.start]
        if not parts:
            return {}
        rows = self._fill(parts)
        status = self._decode(parts, threads)
        if status == _NO_ROOM and self._pool.set_newest_aside():
            return {}  # the next step tries again
        if status != _SUCCESS:
            raise compute_error(f"could not decode (status {status})")
        self._record(parts)
        return rows

    def _decode(self, parts: list[Part], threads: CpuThreads) -> int:
        n_tokens = self._batch.n_tokens
        n_threads = self._n_threads(threads)
        lc.llama_set_n_threads(self._decoder.context, n_threads, n_threads)
        tokens = {part.sequence.generation.id: part.end - part.start for part in parts}
        started = time.perf_counter()
        try:
            status = self._decoder.decode(self._batch, tokens)
        except Aborted as aborted:
            self._memory.undo([part.sequence for part in parts], aborted)
            raise
        self._pace.record(n_tokens, time.perf_counter() - started)
        return status

    def _n_threads(self, threads: CpuThreads) -> int:
        """Return the number of threads for the batch.

        A request with a seed must give the same answer whatever else the machine does.
        """
        splits = self._batch.n_tokens == 1 and any(
            s.is_seeded and s.n_computed >= UNSPLIT_CELLS for s in self._pool.active
        )
        return threads.steady if splits else threads.next_count()

    # ------------------------------------------------------------ tokens

    def _choose(self) -> tuple[list[Part], list[Part]]:
        """Return the next token of every request that generates, and parts of the prompts."""
        active = self._pool.active
        generating = [s for s in active if s.pending == 1]
        reading = [(s, self._chunk_end(s)) for s in active if s.pending > 1]
        reading = [(s, end) for s, end in reading if end > s.n_computed]
        free = most = self._size - len(generating)
        if generating:
            n_tokens = self._pace.n_tokens
            free, most = min(free, n_tokens), min(free, TO_THE_END * n_tokens)
        parts = [Part(s, s.n_computed, s.n_computed + 1) for s in generating]
        return parts, _divide(reading, free, most)

    def _chunk_end(self, sequence: Sequence) -> int:
        """Return the index in `Sequence.known` at which the next part of a prompt ends at most."""
        start = sequence.n_computed
        ends = [len(sequence.known)]
        image = sequence.prompt.next_image(start)
        if image is not None:
            ends.append(image)
        if scored := sequence.generation.needed_logits(start, len(sequence.known)):
            ends.append(scored.start + SCORED_TOKENS)
        checkpoint = self._memory.checkpoint_index(sequence)
        if checkpoint is not None and start < checkpoint:
            ends.append(checkpoint)
        if sequence.is_seeded and self._is_steady(sequence):
            ends.append(self._next_boundary(sequence, start))
        return min(ends)

    def _next_boundary(self, sequence: Sequence, index: int) -> int:
        """Return the index after `index` at which a chunk of a request with a seed ends."""
        chunk = self._memory.chunk
        end = sequence.prompt.boundary(index, chunk) + chunk
        image = sequence.prompt.next_image(index)
        return end if image is None else min(end, image)

    def _is_steady(self, sequence: Sequence) -> bool:
        """Return whether only this request is in the memory, and in the first cells."""
        return sequence.in_order and len(self._pool.running) == 1

    def _fill(self, parts: list[Part]) -> dict[Sequence, Rows]:
        """Write tokens to the batch; return where the logits of each request will be."""
        batch = self._batch
        rows: dict[Sequence, Rows] = {}
        row = 0
        for part in parts:
            sequence = part.sequence
            for index in range(part.start, part.end):
                batch.token[row] = sequence.known[index]
                batch.pos[row] = sequence.n_past + index - part.start
                batch.n_seq_id[row] = 1
                batch.seq_id[row][0] = sequence.seq_id
                batch.logits[row] = False
                row += 1
            first = row - (part.end - part.start)
            rows[sequence] = {index: first + index - part.start for index in part.outputs}
            for output in rows[sequence].values():
                batch.logits[output] = True
        batch.n_tokens = row
        return rows

    def _record(self, parts: list[Part]) -> None:
        for part in parts:
            sequence, count = part.sequence, part.end - part.start
            steady = (
                self._is_steady(sequence)
                and sequence.steady == part.start
                and part.end == self._next_boundary(sequence, part.start)
            )
            self._memory.advance(sequence, count, sequence.n_past + count)
            if steady:
                sequence.steady = part.end

    # ------------------------------------------------------------ images

    def next_image(self) -> Sequence | None:
        """Return the first request that has reached an image of its prompt."""
        return next((s for s in self._pool.active if s.n_computed in s.prompt.images), None)

    def record_image(self, sequence: Sequence, n_past: int) -> None:
        """Record that an image was encoded; `n_past` is the position after it."""
        start = sequence.n_computed
        steady = self._is_steady(sequence) and sequence.steady == start
        self._memory.advance(sequence, sequence.prompt.images[start].n_tokens, n_past)
        if steady:
            sequence.steady = sequence.n_computed


def _divide(reading: list[tuple[Sequence, int]], free: int, most: int) -> list[Part]:
    """Divide the free rows of a batch among prompts, of which the oldest is the first.

    The shortest prompt is read first, and to its end if that takes at most `most` rows. If another
    one is the oldest, it has half of the free rows, so that it always goes on.
    """
    if not reading or free <= 0:
        return []
    oldest = reading[0][0]
    order = sorted(reading, key=lambda item: item[0].pending)
    kept = 0 if order[0][0] is oldest else min(oldest.pending, (free + 1) // 2)
    counts: dict[Sequence, int] = {}
    for sequence, end in order:
        n_tokens = end - sequence.n_computed
        if sequence is oldest:
            limit, kept = max(free, kept), 0
        else:
            limit = free - kept
        if not counts and n_tokens <= most - kept:
            limit = n_tokens
        counts[sequence] = max(0, min(n_tokens, limit))
        free -= counts[sequence]
    return [Part(s, s.n_computed, s.n_computed + counts[s]) for s, _ in reading if counts[s]]
