"""Embeddings: pooled by llama.cpp, in a context of their own that is made when first asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import llama_cpp as lc
import numpy as np

from ...contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    ModelLoadFailed,
    UnsupportedRequestFields,
)
from ...contract.types import Embedded, EmbeddingRequest
from ..base import StepOutput
from . import logs
from .model import LlamaModel

#: Texts that are embedded in one batch.
MAX_SEQUENCES = 16
#: Tokens of the smallest embedding context; grown by doubling when a text is longer.
MIN_CONTEXT = 512


@dataclass
class _Job:
    id: int
    inputs: list[list[int]]
    rows: list[Any] = field(default_factory=list)


class Embedder:
    """Embeds one batch of texts a step."""

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        self._jobs: list[_Job] = []
        self._context: Any = None
        self._batch: Any = None
        self._size = 0

    @property
    def idle(self) -> bool:
        return not self._jobs

    def submit(self, id_: int, request: EmbeddingRequest) -> None:
        if request.prompt_name is not None:
            raise InvalidParameter(
                "A GGUF model has no prompts by name; put the text in front of each input.",
                param="prompt_name",
            )
        inputs = [self._tokens(value) for value in request.inputs]
        if not inputs:
            raise InvalidParameter("input is empty; give at least one text.", param="input")
        self._ensure_context(max(map(len, inputs)))
        self._jobs.append(_Job(id_, inputs))

    def cancel(self, id_: int) -> None:
        self._jobs = [job for job in self._jobs if job.id != id_]

    def step(self) -> list[StepOutput]:
        if not self._jobs:
            return []
        job = self._jobs[0]
        error = self._embed_some(job)
        if error is not None:
            self._jobs.pop(0)
            return [(job.id, error)]
        if len(job.rows) < len(job.inputs):
            return []
        self._jobs.pop(0)
        vectors = np.stack(job.rows).astype("<f4")
        tokens = sum(map(len, job.inputs))
        return [(job.id, Embedded(vectors.tobytes(), vectors.shape[1], tokens))]

    def _tokens(self, value: str | list[int]) -> list[int]:
        vocab = self._model.vocab
        if isinstance(value, str):
            tokens = vocab.tokenize(value, add_special=True)
        else:
            tokens = list(value)
            vocab.check(tokens)
        if not tokens:
            raise InvalidParameter("A text to embed is empty.", param="input")
        limit = self._model.num_ctx
        if len(tokens) > limit:
            raise ContextLengthExceeded(
                f"A text to embed has {len(tokens)} tokens and the model takes {limit}. "
                "Split it, or load the model with a larger num_ctx.",
                param="input",
            )
        return tokens

    def _ensure_context(self, longest: int) -> None:
        """A pooled text must fit into one physical batch, so the context is as long as the
        longest text so far (rounded up to a power of two)."""
        if self._context is not None and longest <= self._size:
            return
        size = MIN_CONTEXT
        while size < longest:
            size *= 2
        if self._context is not None:
            lc.llama_free(self._context)
            lc.llama_batch_free(self._batch)
            self._context = None
        self._context = self._model.new_context(
            n_ctx=size,
            n_batch=size,
            n_ubatch=size,
            n_seq_max=MAX_SEQUENCES,
            kv_unified=True,
            embeddings=True,
            pooling_type=self._pooling(),
        )
        self._batch = lc.llama_batch_init(size, 0, 1)
        self._size = size

    def _pooling(self) -> int:
        """What the header states; the mean for a model that states nothing (a chat model)."""
        architecture = self._model.metadata("general.architecture")
        stated = self._model.metadata(f"{architecture}.pooling_type")
        if stated is None or int(stated) == lc.LLAMA_POOLING_TYPE_NONE:
            return int(lc.LLAMA_POOLING_TYPE_MEAN)
        if int(stated) == lc.LLAMA_POOLING_TYPE_RANK:
            raise UnsupportedRequestFields("This model ranks pairs of texts; it embeds none.")
        return int(stated)

    def _embed_some(self, job: _Job) -> ModelLoadFailed | None:
        """Embed as many of the job's next texts as one batch takes."""
        batch = self._batch
        batch.n_tokens = 0
        taken = 0
        for tokens in job.inputs[len(job.rows) :]:
            if taken == MAX_SEQUENCES or batch.n_tokens + len(tokens) > self._size:
                break
            for position, token in enumerate(tokens):
                row = batch.n_tokens
                batch.token[row] = token
                batch.pos[row] = position
                batch.n_seq_id[row] = 1
                batch.seq_id[row][0] = taken
                batch.logits[row] = True
                batch.n_tokens = row + 1
            taken += 1
        memory = lc.llama_get_memory(self._context)
        if memory:
            lc.llama_memory_clear(memory, True)
        status = lc.llama_decode(self._context, batch)
        if status != 0:
            return ModelLoadFailed(
                f"llama.cpp could not embed (status {status}){logs.last_errors()}."
            )
        job.rows += [self._vector(sequence) for sequence in range(taken)]
        return None

    def _vector(self, sequence: int) -> Any:
        """The text's vector, L2-normalised; shape (n_embd,)."""
        pointer = lc.llama_get_embeddings_seq(self._context, sequence)
        vector = np.ctypeslib.as_array(pointer, (self._model.n_embd,)).astype(np.float32)
        norm = float(np.linalg.norm(vector))
        return vector / norm if norm else vector
