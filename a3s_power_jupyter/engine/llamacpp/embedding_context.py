"""A llama.cpp context that computes the embeddings of texts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import llama_cpp as lc
import numpy as np

from ...contract.errors import ModelLoadFailed
from ..capacity import EMBEDDING_REQUESTS
from .backend import last_errors
from .decoder import Decoder
from .model import LlamaModel


@dataclass(frozen=True)
class Part:
    """Tokens of one text, the first of which is at `start` in the text."""

    seq_id: int
    tokens: Sequence[int]
    start: int = 0


class EmbeddingContext:
    """A context for up to `EMBEDDING_REQUESTS` texts.

    Parameters
    ----------
    size : int
        Tokens of all texts that are in its memory, if the model has one.
    n_batch : int
        Tokens that it computes at once.
    pooling_type : int
        ``LLAMA_POOLING_TYPE_NONE`` to get a vector for each token.
    """

    def __init__(self, model: LlamaModel, *, size: int, n_batch: int, pooling_type: int) -> None:
        self.size = size
        self.n_batch = n_batch
        self._model = model
        self._pointer = model.new_context(
            n_ctx=size,
            n_batch=n_batch,
            n_ubatch=n_batch,
            n_seq_max=EMBEDDING_REQUESTS,
            kv_unified=True,
            embeddings=True,
            pooling_type=pooling_type,
        )
        self._decoder = Decoder(self._pointer, gpu=model.gpu_layers != 0)
        self._batch = lc.llama_batch_init(n_batch, 0, 1)
        self._memory = lc.llama_get_memory(self._pointer)

    @property
    def has_memory(self) -> bool:
        """Whether it keeps the tokens that it has computed. Those of encoders do not."""
        return bool(self._memory)

    def free(self) -> None:
        lc.llama_free(self._pointer)
        lc.llama_batch_free(self._batch)

    def clear(self) -> None:
        """Remove all texts, and overwrite the memory: a masked NaN can reach other texts."""
        if self._memory:
            lc.llama_memory_clear(self._memory, True)

    def drop(self, seq_id: int) -> None:
        """Remove a text."""
        if self._memory:
            lc.llama_memory_seq_rm(self._memory, seq_id, -1, -1)

    def compute(self, id_: int, parts: list[Part], *, has_outputs: bool = True) -> float:
        """Compute tokens of a request's texts, and return how many seconds it took.

        Parameters
        ----------
        has_outputs : bool
            Whether the vectors are needed. Without them, llama.cpp leaves out the last layer.

        Raises
        ------
        Aborted
            If the request is cancelled meanwhile.
        ModelLoadFailed
            If llama.cpp cannot compute the batch.
        """
        batch, row = self._batch, 0
        for part in parts:
            for position, token in enumerate(part.tokens, part.start):
                batch.token[row] = token
                batch.pos[row] = position
                batch.n_seq_id[row] = 1
                batch.seq_id[row][0] = part.seq_id
                batch.logits[row] = has_outputs
                row += 1
        batch.n_tokens = row
        lc.llama_set_embeddings(self._pointer, has_outputs)
        n_threads = self._model.threads.next_count()
        lc.llama_set_n_threads(self._pointer, n_threads, n_threads)
        started = time.perf_counter()
        status = self._decoder.decode(batch, {id_: row})
        if status != 0:
            raise ModelLoadFailed(
                f"llama.cpp could not compute embeddings (status {status}){last_errors()}."
            )
        return time.perf_counter() - started

    def token_vectors(self) -> Any:
        """Return the vectors of the tokens of the last batch; shape (tokens, n_embd)."""
        shape = (self._batch.n_tokens, self._model.n_embd)
        return np.ctypeslib.as_array(lc.llama_get_embeddings(self._pointer), shape)

    def text_vector(self, seq_id: int) -> Any:
        """Return the vector of a text of the last batch that llama.cpp has pooled."""
        pointer = lc.llama_get_embeddings_seq(self._pointer, seq_id)
        return np.ctypeslib.as_array(pointer, (self._model.n_embd,))
