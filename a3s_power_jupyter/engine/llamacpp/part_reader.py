"""Read texts in parts, with models that attend to earlier tokens only.

They keep these tokens in a cache, so that a long text is read beside others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import llama_cpp as lc
import numpy as np

from ...contract.errors import ModelLoadFailed
from ..capacity import EMBEDDING_REQUESTS, embedding_batch, embedding_room
from ..checks import check_finite
from ..pace import Pace
from .embedding_context import EmbeddingContext, Part
from .model import LlamaModel
from .text_reader import EmbeddingJob, TextReader, normalized

#: Seconds that a step may take to read texts while other requests generate.
READ_SECONDS = 0.1

#: llama.cpp computes the attention of fewer tokens at once with less precision on a CPU. The last
#: part of a text has at least as many, because all depends on it if the last token is the vector.
PRECISE = 64


@dataclass(eq=False)
class Text:
    """A text that is in the memory, of which `n_read` tokens were computed.

    Attributes
    ----------
    sum : ndarray
        Sum of the vectors of these tokens, for mean pooling.
    """

    tokens: list[int]
    seq_id: int
    n_read: int = 0
    sum: Any = 0.0

    @property
    def n_left(self) -> int:
        return len(self.tokens) - self.n_read


class PartReader(TextReader):
    """Reads texts in parts, and pools the vectors of their tokens as llama.cpp does.

    The memory has room for more than one text of the longest kind (`embedding_room`), so that
    shorter texts are read beside a long one.
    """

    def __init__(self, model: LlamaModel, pooling_type: int) -> None:
        super().__init__(model, pooling_type)
        self._texts: dict[int, list[Text]] = {}  # by the id of the job
        self._free_ids = list(range(EMBEDDING_REQUESTS))
        self._n_batch = embedding_batch(model.parameters, gpu=model.device != "cpu")
        self._pace = Pace(READ_SECONDS, self._n_batch)

    def _new_context(self, longest: int) -> EmbeddingContext:
        context = EmbeddingContext(
            self._model,
            size=embedding_room(longest),
            n_batch=min(self._n_batch, longest),
            pooling_type=lc.LLAMA_POOLING_TYPE_NONE,
        )
        if not context.has_memory:  # each part would be a text of its own
            context.free()
            raise ModelLoadFailed(
                f"llama.cpp keeps no cache for the architecture {self._model.architecture}, so "
                "that it cannot compute embeddings with this model."
            )
        return context

    @property
    def _has_texts(self) -> bool:
        return bool(self._texts)

    def free(self) -> None:
        self._forget()
        super().free()

    def clear(self) -> list[int]:
        if self._context is not None:
            self._context.clear()
        return self._forget()

    def _forget(self) -> list[int]:
        ids = list(self._texts)
        self._texts.clear()
        self._free_ids = list(range(EMBEDDING_REQUESTS))
        return ids

    def drop(self, job: EmbeddingJob) -> None:
        for text in self._texts.pop(job.id, []):
            self._remove(text)

    def _remove(self, text: Text) -> None:
        if self._context is not None:
            self._context.drop(text.seq_id)
        self._free_ids.append(text.seq_id)

    # ------------------------------------------------------------ room

    def can_read(self, job: EmbeddingJob, first: EmbeddingJob) -> bool:
        if self._context is None or job.longest > self._longest or job.id in self._texts:
            return True
        return self._can_begin(job.next_length, job, first)

    def _can_begin(self, length: int, job: EmbeddingJob, first: EmbeddingJob) -> bool:
        """Return whether there is room for a text of a job.

        A text takes at most half of the room that is left, so that a shorter one finds room, too.
        It does not take the room that the job that has waited for longest needs, when the largest
        text in the memory has ended.
        """
        if not self._free_ids:
            return False
        used = [len(text.tokens) for texts in self._texts.values() for text in texts]
        if not used:
            return True
        free = self._ready.size - sum(used)
        if job is first:
            return length <= free
        room = free // 2
        if first.id not in self._texts:
            ending = max(used, default=0) if first.next_length > free else 0
            room = min(room, free + ending - self._longest)
        return length <= room

    # ------------------------------------------------------------ reading

    def read(self, job: EmbeddingJob, first: EmbeddingJob, *, others_generate: bool) -> None:
        context = self._ready
        limit = context.n_batch
        if others_generate:
            limit = min(limit, self._pace.n_tokens)
        chosen = self._choose(job, first, limit)
        parts = [
            Part(text.seq_id, text.tokens[text.n_read : text.n_read + count], text.n_read)
            for text, count in chosen
        ]
        is_mean = self._pooling_type == lc.LLAMA_POOLING_TYPE_MEAN
        ends = any(text.n_left == count for text, count in chosen)
        seconds = context.compute(job.id, parts, has_outputs=is_mean or ends)
        self._pace.record(sum(count for _, count in chosen), seconds)
        vectors: Any = context.token_vectors() if is_mean or ends else None
        row = 0
        for text, count in chosen:
            text.n_read += count
            if is_mean:
                text.sum += vectors[row : row + count].sum(axis=0, dtype=np.float64)
                check_finite(text.sum)
            row += count
            if text.n_left == 0:
                job.vectors.append(normalized(text.sum if is_mean else vectors[row - 1]))
                self._texts[job.id].remove(text)
                self._remove(text)
        if not self._texts[job.id]:
            del self._texts[job.id]

    def _choose(self, job: EmbeddingJob, first: EmbeddingJob, limit: int) -> list[tuple[Text, int]]:
        """Return the next texts of a job, and how many tokens of each to compute."""
        texts = self._texts.setdefault(job.id, [])
        chosen: list[tuple[Text, int]] = []
        while limit > 0:
            index = len(chosen)
            if index == len(texts) and not self._begin(job, first, index):
                break
            count = _part(texts[index].n_left, limit)
            chosen.append((texts[index], count))
            limit = limit - count if count == texts[index].n_left else 0
        return chosen

    def _begin(self, job: EmbeddingJob, first: EmbeddingJob, index: int) -> bool:
        """Take room for one of the texts without a vector, and return whether there is some."""
        index += len(job.vectors)
        if index == len(job.inputs):
            return False
        tokens = job.inputs[index]
        if not self._can_begin(len(tokens), job, first):
            return False
        if self._pooling_type == lc.LLAMA_POOLING_TYPE_CLS:
            tokens = tokens[:1]  # the vector is that of the first token, which attends to no other
        self._texts[job.id].append(Text(tokens, self._free_ids.pop()))
        return True


def _part(n_left: int, limit: int) -> int:
    """Return how many of the tokens that are left to compute now."""
    if n_left <= limit:
        return n_left
    return min(limit, n_left - PRECISE) if limit >= 2 * PRECISE else limit
