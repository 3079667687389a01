"""Compute pooled embeddings with llama.cpp, in a context that is created on first use."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import llama_cpp as lc
import numpy as np

from ...contract.errors import (
    InvalidParameter,
    ModelLoadFailed,
    UnsupportedRequestFields,
)
from ...contract.types import Embedded, EmbeddingRequest, Truncate
from ..base import StepOutput, request_error
from ..checks import check_finite
from ..embedding_texts import fit, tokenize_long
from .backend import last_errors
from .decoder import Aborted, Decoder
from .model import LlamaModel

#: Maximum number of texts in one batch.
MAX_SEQUENCES = 16
#: Tokens of the smallest embedding context. It doubles until the longest text fits.
MIN_CONTEXT = 512


@dataclass
class EmbeddingJob:
    """A prepared request; `vectors` grows in the order of `inputs`."""

    id: int
    inputs: list[list[int]]
    vectors: list[Any] = field(default_factory=list)


class Embedder:
    """The embedding requests of a model; each step computes one batch of texts."""

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        self._jobs: list[EmbeddingJob] = []
        self._context: Any = None
        self._decoder: Any = None
        self._batch: Any = None
        self._n_ctx = 0

    @property
    def idle(self) -> bool:
        return not self._jobs

    def prepare(self, id_: int, request: EmbeddingRequest) -> EmbeddingJob:
        """Tokenize the texts of a request and check their lengths."""
        if request.prompt_name is not None:
            raise InvalidParameter(
                "A GGUF model has no named prompts. Put the text in front of each input.",
                param="prompt_name",
            )
        inputs = [
            self._tokenize(value, request.truncate, f"input[{i}]")
            for i, value in enumerate(request.inputs)
        ]
        if not inputs:
            raise InvalidParameter("input is empty. Give at least one text.", param="input")
        return EmbeddingJob(id_, inputs)

    def add(self, job: EmbeddingJob) -> None:
        self._jobs.append(job)

    def cancel(self, id_: int) -> None:
        self._jobs = [job for job in self._jobs if job.id != id_]

    def reset(self) -> None:
        """Drop all requests and the context; the next request creates a new one."""
        self._jobs = []
        self._free_context()

    def step(self) -> list[StepOutput]:
        """Compute a batch of the oldest request.

        Raises
        ------
        Aborted
            If this request is cancelled meanwhile.
        """
        if not self._jobs:
            return []
        job = self._jobs[0]
        try:
            self._embed_batch(job)
        except Aborted:
            raise
        except Exception as error:
            self._jobs.pop(0)
            self._free_context()
            return [(job.id, request_error(error))]
        if len(job.vectors) < len(job.inputs):
            return []
        self._jobs.pop(0)
        matrix = np.stack(job.vectors).astype("<f4")
        prompt_tokens = sum(map(len, job.inputs))
        return [(job.id, Embedded(matrix.tobytes(), matrix.shape[1], prompt_tokens))]

    def _tokenize(self, value: str | list[int], truncate: Truncate, where: str) -> list[int]:
        vocab, limit = self._model.vocab, self._model.num_ctx
        larger = limit < self._model.trained_ctx
        if not isinstance(value, str):
            vocab.check(value)
            return fit(list(value), limit, truncate, where=where, larger=larger)
        tokens, complete = tokenize_long(
            value, limit, truncate, lambda text: vocab.tokenize(text, add_special=True)
        )
        return fit(
            tokens,
            limit,
            truncate,
            kept=self._special_counts,
            complete=complete,
            where=where,
            larger=larger,
        )

    @cached_property
    def _special_counts(self) -> tuple[int, int]:
        """The number of special tokens that the tokenizer adds before and after a text."""
        plain = self._model.vocab.tokenize("a", add_special=False)
        whole = self._model.vocab.tokenize("a", add_special=True)
        added = len(whole) - len(plain)
        first = next(n for n in range(added + 1) if whole[n : n + len(plain)] == plain)
        return first, added - first

    def _ensure_context(self, longest: int) -> None:
        """Create a context for texts of up to `longest` tokens, unless the current one is enough.

        A pooled text must fit into one physical batch (n_ubatch).
        """
        if self._context is not None and longest <= self._n_ctx:
            return
        n_ctx = MIN_CONTEXT
        while n_ctx < longest:
            n_ctx *= 2
        self._free_context()
        self._context = self._model.new_context(
            n_ctx=n_ctx,
            n_batch=n_ctx,
            n_ubatch=n_ctx,
            n_seq_max=MAX_SEQUENCES,
            kv_unified=True,
            embeddings=True,
            pooling_type=self._pooling_type(),
        )
        self._decoder = Decoder(self._context, gpu=self._model.gpu_layers != 0)
        self._batch = lc.llama_batch_init(n_ctx, 0, 1)
        self._n_ctx = n_ctx

    def _free_context(self) -> None:
        if self._context is not None:
            lc.llama_free(self._context)
            lc.llama_batch_free(self._batch)
            self._context = None

    def _pooling_type(self) -> int:
        """Return the pooling type of the GGUF header, or mean pooling for a chat model."""
        architecture = self._model.metadata("general.architecture")
        value = self._model.metadata(f"{architecture}.pooling_type")
        if value is None or int(value) == lc.LLAMA_POOLING_TYPE_NONE:
            return int(lc.LLAMA_POOLING_TYPE_MEAN)
        if int(value) == lc.LLAMA_POOLING_TYPE_RANK:
            raise UnsupportedRequestFields(
                "This model is a reranker, which cannot compute embeddings."
            )
        return int(value)

    def _embed_batch(self, job: EmbeddingJob) -> None:
        """Compute as many of the job's next texts as fit into one batch.

        Raises
        ------
        Aborted
            If the request is cancelled meanwhile.
        ModelLoadFailed
            If llama.cpp cannot create the context or compute the batch.
        UnsupportedRequestFields
            If the model is a reranker.
        ModelProducesNaN
            If a vector is not finite.
        """
        self._ensure_context(max(map(len, job.inputs)))
        batch = self._batch
        batch.n_tokens = 0
        n_texts = 0
        for tokens in job.inputs[len(job.vectors) :]:
            if n_texts == MAX_SEQUENCES or batch.n_tokens + len(tokens) > self._n_ctx:
                break
            for position, token in enumerate(tokens):
                row = batch.n_tokens
                batch.token[row] = token
                batch.pos[row] = position
                batch.n_seq_id[row] = 1
                batch.seq_id[row][0] = n_texts
                batch.logits[row] = True
                batch.n_tokens = row + 1
            n_texts += 1
        memory = lc.llama_get_memory(self._context)
        if memory:
            lc.llama_memory_clear(memory, True)
        n_threads = self._model.threads.next_count()
        lc.llama_set_n_threads(self._context, n_threads, n_threads)
        status = self._decoder.decode(batch, {job.id: batch.n_tokens})
        if status != 0:
            raise ModelLoadFailed(
                f"llama.cpp could not compute embeddings (status {status}){last_errors()}."
            )
        job.vectors += [self._vector(seq_id) for seq_id in range(n_texts)]

    def _vector(self, seq_id: int) -> Any:
        """Return a text's vector, L2-normalized; shape (n_embd,)."""
        pointer = lc.llama_get_embeddings_seq(self._context, seq_id)
        vector = np.ctypeslib.as_array(pointer, (self._model.n_embd,)).astype(np.float64)
        norm = float(np.linalg.norm(vector))
        vector = vector / norm if norm else vector
        check_finite(vector)
        return vector
