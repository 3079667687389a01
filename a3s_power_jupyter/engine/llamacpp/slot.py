"""Slots of a llama.cpp context: the KV cache of each request, and the batch they share."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import llama_cpp as lc
from msgspec import UNSET

from ..generation import Generation
from ..protocol import Stats
from ..threads import CpuThreads
from .backend import compute_error
from .decoder import Aborted, Decoder
from .prompt import ImageChunk, Prompt
from .sampler import Sampler

#: The largest number of cells in use with which llama.cpp computes the attention of a single token
#: in the same way for any number of threads. With more, each thread computes a part of the sum (the
#: "split KV path" of ggml-cpu/ops.cpp, from 512 cells), which rounds differently.
UNSPLIT_CELLS = 256


@dataclass
class Slot:
    """One sequence of the KV cache and the request that uses it.

    Attributes
    ----------
    seq_id : int
        llama.cpp's id of the sequence.
    tokens : list of int
        Tokens in the KV cache. They stay after a request ends, so that the next request with the
        same prefix can reuse them.
    positions : list of int
        Position of each token. All tokens of an image have the same one.
    n_past : int
        The next position. An image may take fewer positions than tokens.
    prompt : Prompt
        Prompt of the current request.
    last_used : int
        Sequence number of the slot's last request.
    erased : bool
        Whether the slot's memory was erased for the current request.
    """

    seq_id: int
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    n_past: int = 0
    prompt: Prompt = field(default_factory=lambda: Prompt([]))
    generation: Generation[Sampler] | None = None
    last_used: int = 0
    erased: bool = False

    def truncate(self, n_tokens: int) -> None:
        """Keep only the first `n_tokens` tokens."""
        if n_tokens < len(self.tokens):
            self.n_past = self.positions[n_tokens]
        del self.tokens[n_tokens:], self.positions[n_tokens:]

    def append(self, tokens: Sequence[int], n_past: int) -> None:
        """Record tokens that are now in the cache; `n_past` is the next position."""
        self.tokens += tokens
        self.positions += [self.n_past] * len(tokens)
        self.n_past = n_past

    def common_prefix(self, prompt: list[int]) -> int:
        """Return the number of leading tokens of `prompt` that are in the cache."""
        # Binary search over slices compares at C speed, which matters for 100,000 tokens.
        low, high = 0, min(len(self.tokens), len(prompt))
        while low < high:
            middle = (low + high + 1) // 2
            if self.tokens[low:middle] == prompt[low:middle]:
                low = middle
            else:
                high = middle - 1
        return low


class SlotPool:
    """The slots of one context.

    Parameters
    ----------
    context : ctypes pointer
        llama.cpp's ``llama_context``.
    decoder : Decoder
        Computes its batches.
    n_batch : int
        Maximum number of tokens per step; at least `n_slots`.
    """

    def __init__(self, context: Any, decoder: Decoder, *, n_slots: int, n_batch: int) -> None:
        self.context = context
        self.decoder = decoder
        self._slots = [Slot(seq_id) for seq_id in range(n_slots)]
        self._n_batch = n_batch
        self._batch = lc.llama_batch_init(n_batch, 0, 1)
        self._clock = 0

    @property
    def active(self) -> list[tuple[Slot, Generation[Sampler]]]:
        return [(slot, slot.generation) for slot in self._slots if slot.generation is not None]

    def assign(self, generation: Generation[Sampler], prompt: Prompt) -> None:
        """Assign a request to the free slot with the longest common prefix.

        If several match equally well, the least recently used one is taken.
        """
        free = [slot for slot in self._slots if slot.generation is None]
        slot = max(free, key=lambda s: (s.common_prefix(prompt.tokens), -s.last_used))
        generation.begin(self._reuse(slot, generation, prompt))
        self._clock += 1
        slot.last_used = self._clock
        slot.erased = False
        slot.prompt = prompt
        slot.generation = generation

    def release(self, slot: Slot) -> None:
        """Free a slot but keep its cache."""
        slot.generation = None
        slot.prompt = Prompt([])

    def clear(self, slot: Slot) -> None:
        """Empty a slot's cache."""
        slot.truncate(0)
        lc.llama_memory_seq_rm(lc.llama_get_memory(self.context), slot.seq_id, -1, -1)

    def erase(self, slot: Slot) -> None:
        """Empty a slot's cache, and overwrite its memory.

        A cleared cache is only hidden by the attention mask, which does not hide a NaN. llama.cpp
        can only overwrite the memory of all slots, so that of other requests is saved and restored.

        Raises
        ------
        ModelLoadFailed
            If llama.cpp cannot restore a cache.
        """
        saved = {other.seq_id: self._state(other) for other, _ in self.active if other is not slot}
        for other in self._slots:
            if other.seq_id not in saved:
                other.truncate(0)
        lc.llama_memory_clear(lc.llama_get_memory(self.context), True)
        slot.erased = True
        for seq_id, state in saved.items():
            if not lc.llama_state_seq_set_data(self.context, state, len(state), seq_id):
                raise compute_error("could not restore a cache")

    def restart(self, slot: Slot, generation: Generation[Sampler]) -> None:
        """Erase a slot and compute the prompt of its request again."""
        self.erase(slot)
        generation.begin()

    def _state(self, slot: Slot) -> Any:
        """Return a copy of a slot's cache."""
        size = lc.llama_state_seq_get_size(self.context, slot.seq_id)
        buffer = (ctypes.c_uint8 * size)()
        lc.llama_state_seq_get_data(self.context, buffer, size, slot.seq_id)
        return buffer

    def reset(self) -> None:
        """Free all slots and empty their caches."""
        for slot in self._slots:
            self.release(slot)
            slot.truncate(0)
        lc.llama_memory_clear(lc.llama_get_memory(self.context), True)

    def stats(self) -> Stats:
        """Return how many tokens are in the cache, and how many it can hold."""
        tokens = sum(len(slot.tokens) for slot in self._slots)
        return Stats(tokens, int(lc.llama_n_ctx(self.context)))

    def next_image(self) -> tuple[Slot, Generation[Sampler], ImageChunk] | None:
        """Return the first prompt that has reached an image, with the image."""
        for slot, generation in self.active:
            image = slot.prompt.images.get(generation.num_computed_tokens)
            if image is not None:
                return slot, generation, image
        return None

    def decode(self, threads: CpuThreads) -> dict[int, int]:
        """Compute the next tokens of the active slots in one batch.

        Returns
        -------
        dict
            Sequence id -> index in the batch, for each slot with new logits.

        Raises
        ------
        Aborted
            If the batch was ended because requests are cancelled. The other slots are as before.
        ModelLoadFailed
            If llama.cpp cannot compute the batch.
        """
        starts = [(slot, g, len(slot.tokens), g.num_computed_tokens) for slot, g in self.active]
        rows = self._fill_batch()
        if self._batch.n_tokens > 0:
            n_threads = self._n_threads(threads)
            lc.llama_set_n_threads(self.context, n_threads, n_threads)
            tokens = {generation.id: len(slot.tokens) - n for slot, generation, n, _ in starts}
            try:
                status = self.decoder.decode(self._batch, tokens)
            except Aborted as aborted:
                for slot, generation, n_tokens, n_computed in starts:
                    if tokens[generation.id]:
                        generation.num_computed_tokens = n_computed
                        slot.truncate(n_tokens)
                        self.go_back(slot, aborted)
                raise
            if status != 0:
                raise compute_error(f"could not decode (status {status})")
        return rows

    def go_back(self, slot: Slot, aborted: Aborted) -> None:
        """Remove from llama.cpp's cache what an aborted computation added to a slot.

        Raises
        ------
        ModelLoadFailed
            If the slot cannot go on.
        """
        if not aborted.can_go_back:
            self.clear(slot)
            return
        memory = lc.llama_get_memory(self.context)
        if not lc.llama_memory_seq_rm(memory, slot.seq_id, slot.n_past, -1):
            raise compute_error("could not undo a computation")

    def _n_threads(self, threads: CpuThreads) -> int:
        """Return the number of threads for the batch.

        A request with a seed must give the same answer whatever else the machine does.
        """
        splits = self._batch.n_tokens == 1 and any(
            generation.sampling.seed is not UNSET and len(slot.tokens) > UNSPLIT_CELLS
            for slot, generation in self.active
        )
        return threads.steady if splits else threads.next_count()

    def _reuse(self, slot: Slot, generation: Generation[Sampler], prompt: Prompt) -> int:
        """Truncate the slot's cache to the common prefix and return the prefix's length.

        The last token of the prompt is always decoded, because its logits are needed. A request
        with a seed reuses nothing: cached tokens were computed in other batches, which round
        differently, and the same seed must give the same answer.
        """
        seeded = generation.sampling.seed is not UNSET
        keep = 0 if seeded else prompt.outside_image(slot.common_prefix(prompt.tokens[:-1]))
        slot.truncate(keep)
        memory = lc.llama_get_memory(self.context)
        if not lc.llama_memory_seq_rm(memory, slot.seq_id, slot.n_past, -1):
            # Recurrent models cannot return to a position in the middle.
            self.clear(slot)
            keep = 0
        return keep

    def _fill_batch(self) -> dict[int, int]:
        """Add the next token of every decoding slot, then as much of the prompts as fits."""
        self._batch.n_tokens = 0
        rows: dict[int, int] = {}
        for slot, generation in self.active:
            if generation.next_token is not None:
                rows[slot.seq_id] = self._add(slot, generation.next_token, logits=True)
        for slot, generation in self.active:
            if generation.prefilling and self._add_prompt(slot, generation):
                rows[slot.seq_id] = self._batch.n_tokens - 1
        return rows

    def _add_prompt(self, slot: Slot, generation: Generation[Sampler]) -> bool:
        """Add the next part of a prompt, up to its next image; return True at its end."""
        start = generation.num_computed_tokens
        images = (index for index in slot.prompt.images if index >= start)
        end = min(start + self._free_rows, *images, len(generation.prompt))
        for index in range(start, end):
            last = index == len(generation.prompt) - 1
            self._add(slot, generation.prompt[index], logits=last)
        generation.num_computed_tokens = end
        return start < end == len(generation.prompt)

    @property
    def _free_rows(self) -> int:
        return max(0, self._n_batch - int(self._batch.n_tokens))

    def _add(self, slot: Slot, token: int, *, logits: bool) -> int:
        batch, row = self._batch, self._batch.n_tokens
        batch.token[row] = token
        batch.pos[row] = slot.n_past
        batch.n_seq_id[row] = 1
        batch.seq_id[row][0] = slot.seq_id
        batch.logits[row] = logits
        batch.n_tokens = row + 1
        slot.append([token], slot.n_past + 1)
        return int(row)
