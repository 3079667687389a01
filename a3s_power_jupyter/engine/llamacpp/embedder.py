"""Compute pooled embeddings with llama.cpp, in a context that is created on first use."""

from __future__ import annotations

from functools import cached_property

import llama_cpp as lc
import numpy as np

from ...contract.errors import InvalidParameter, ModelProducesNaN, UnsupportedRequestFields
from ...contract.types import Embedded, EmbeddingRequest, Truncate
from ..base import StepOutput, request_error
from ..embedding_texts import fit, tokenize_long
from .decoder import Aborted
from .model import LlamaModel
from .part_reader import PartReader
from .text_reader import EmbeddingJob, TextReader, WholeReader


class Embedder:
    """The embedding requests of a model; each step computes one batch of one request.

    The requests take turns. Every second turn is that of the request with the least to compute, so
    that a short text does not wait for long ones.
    """

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        self._jobs: list[EmbeddingJob] = []  # the one that has waited for longest is the first
        self._suspects: dict[EmbeddingJob, int] = {}  # and the number of their vectors
        self._reader: TextReader | None = None
        self._is_odd = False

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
        self._pooling_type()
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
        for job in [job for job in self._jobs if job.id == id_]:
            self._end(job)

    def reset(self) -> None:
        """Drop all requests and the context; the next request creates a new one."""
        self._jobs, self._suspects = [], {}
        if self._reader is not None:
            self._reader.free()

    def step(self, *, others_generate: bool = False) -> list[StepOutput]:
        """Compute a batch of one request.

        Parameters
        ----------
        others_generate : bool
            Whether other requests wait for their next tokens, so that the step must be short.

        Raises
        ------
        Aborted
            If this request is cancelled meanwhile.
        """
        if not self._jobs:
            return []
        if self._reader is None:
            self._reader = new_reader(self._model, self._pooling_type())
        job, reader = self._next_job(self._reader), self._reader
        try:
            reader.grow(job)
        except Exception as error:
            return self._fail(job, error)
        try:
            reader.read(job, self._jobs[0], others_generate=others_generate)
        except Aborted:
            raise
        except ModelProducesNaN as error:
            return self._retry(job, reader, error)
        except Exception as error:
            reader.free()
            return self._fail(job, error)
        return self._proceed(job)

    def _next_job(self, reader: TextReader) -> EmbeddingJob:
        if self._suspects:
            return next(iter(self._suspects))
        first = self._jobs[0]
        ready = [job for job in self._jobs if reader.can_read(job, first)]
        self._is_odd = len(self._jobs) > 1 and not self._is_odd
        return min(ready, key=lambda job: job.n_left) if self._is_odd else ready[0]

    def _proceed(self, job: EmbeddingJob) -> list[StepOutput]:
        """Return the result of a job if it is complete; if not, it is the next one's turn."""
        if len(job.vectors) > self._suspects.get(job, len(job.vectors)):
            self._clear_suspect(job)
        if len(job.vectors) < len(job.inputs):
            self._jobs.remove(job)
            self._jobs.append(job)
            return []
        self._end(job)
        matrix = np.stack(job.vectors).astype("<f4")
        prompt_tokens = sum(map(len, job.inputs))
        return [(job.id, Embedded(matrix.tobytes(), matrix.shape[1], prompt_tokens))]

    def _retry(
        self, job: EmbeddingJob, reader: TextReader, error: ModelProducesNaN
    ) -> list[StepOutput]:
        """Continue after a vector that is not finite.

        Without flash attention, a NaN in the memory reaches the texts of other jobs. All that had
        a text in it begin this text again, alone, and the one that has a NaN then fails.
        """
        ids = reader.clear()
        if job in self._suspects or not ids:
            return self._fail(job, error)
        self._suspects = {other: len(other.vectors) for other in self._jobs if other.id in ids}
        return []

    def _fail(self, job: EmbeddingJob, error: Exception) -> list[StepOutput]:
        self._end(job)
        return [(job.id, request_error(error))]

    def _end(self, job: EmbeddingJob) -> None:
        self._jobs.remove(job)
        self._clear_suspect(job)
        if self._reader is not None:
            self._reader.drop(job)

    def _clear_suspect(self, job: EmbeddingJob) -> None:
        if self._suspects.pop(job, None) is not None and self._reader is not None:
            self._reader.clear()  # a removed text may have left a NaN

    def _tokenize(self, value: str | list[int], truncate: Truncate, where: str) -> list[int]:
        vocab, limit = self._model.vocab, self._model.num_ctx
        larger = limit < self._model.trained_ctx
        if not isinstance(value, str):
            vocab.check(value, where)
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

    def _pooling_type(self) -> int:
        """Return the pooling type of the GGUF header, or mean pooling for a chat model.

        Raises
        ------
        UnsupportedRequestFields
            If the model is a reranker.
        """
        pooling_type = self._model.pooling_type
        if pooling_type == lc.LLAMA_POOLING_TYPE_RANK:
            raise UnsupportedRequestFields(
                "This model is a reranker, which cannot compute embeddings."
            )
        return pooling_type or int(lc.LLAMA_POOLING_TYPE_MEAN)


def new_reader(model: LlamaModel, pooling_type: int) -> TextReader:
    """Return the reader for a model."""
    return (PartReader if model.is_causal else WholeReader)(model, pooling_type)
