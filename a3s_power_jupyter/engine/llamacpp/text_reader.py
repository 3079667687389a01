"""Compute the vectors of texts: the interface, and texts that are computed as a whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...contract.errors import ModelLoadFailed
from ..capacity import EMBEDDING_REQUESTS, embedding_context
from ..checks import check_finite
from .embedding_context import EmbeddingContext, Part
from .model import LlamaModel

#: Tokens of the texts of one batch of an encoder on a CPU, unless a single text is longer.
WHOLE_TOKENS = 512


@dataclass(eq=False)
class EmbeddingJob:
    """A prepared request; `vectors` grows in the order of `inputs`.

    Attributes
    ----------
    longest : int
        Tokens of the longest text.
    """

    id: int
    inputs: list[list[int]]
    vectors: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.longest = max(map(len, self.inputs))

    @property
    def next_length(self) -> int:
        """Tokens of the first text without a vector."""
        return len(self.inputs[len(self.vectors)])

    @property
    def n_left(self) -> int:
        """Tokens of all texts without a vector."""
        return sum(map(len, self.inputs[len(self.vectors) :]))


class TextReader(ABC):
    """Computes texts in a context, which grows with the longest text.

    Parameters
    ----------
    pooling_type : int
        One of llama.cpp's.
    """

    def __init__(self, model: LlamaModel, pooling_type: int) -> None:
        self._model = model
        self._pooling_type = pooling_type
        self._context: EmbeddingContext | None = None
        self._longest = 0
        self._failed: tuple[int, str] | None = None  # the longest text of a context, and why not

    def can_read(self, job: EmbeddingJob, first: EmbeddingJob) -> bool:
        """Return whether `read` can compute texts of a job; `first` has waited for longest."""
        return True

    def grow(self, job: EmbeddingJob) -> None:
        """Create a context for the texts of a job, unless the current one is large enough.

        Texts of which only a part was read begin again. While there are some, a context that could
        not be created before is not tried again, or they would never end.

        Raises
        ------
        ModelLoadFailed
            If llama.cpp cannot create the context.
        """
        if self._context is not None and job.longest <= self._longest:
            return
        longest = embedding_context(job.longest)
        if self._has_texts and self._failed is not None and longest >= self._failed[0]:
            raise ModelLoadFailed(self._failed[1])
        self.free()
        try:
            self._context = self._new_context(longest)
        except ModelLoadFailed as error:
            self._failed = longest, error.message
            raise
        self._longest = longest

    def free(self) -> None:
        """Free the context; `grow` creates a new one."""
        if self._context is not None:
            self._context.free()
            self._context = None

    @abstractmethod
    def _new_context(self, longest: int) -> EmbeddingContext:
        """Create a context for texts of up to `longest` tokens."""

    @abstractmethod
    def read(self, job: EmbeddingJob, first: EmbeddingJob, *, others_generate: bool) -> None:
        """Compute the next batch of a job.

        Parameters
        ----------
        first : EmbeddingJob
            The job that has waited for longest, or the same one.
        others_generate : bool
            Whether other requests wait for their next tokens.

        Raises
        ------
        Aborted
            If the request is cancelled meanwhile.
        ModelLoadFailed
            If llama.cpp cannot compute the batch.
        ModelProducesNaN
            If a vector is not finite.
        """

    @abstractmethod
    def drop(self, job: EmbeddingJob) -> None:
        """Remove the texts of a job from the memory."""

    @abstractmethod
    def clear(self) -> list[int]:
        """Empty the memory, and return the ids of the jobs that had a text in it."""

    @property
    def _has_texts(self) -> bool:
        """Whether there are texts of which only a part was read."""
        return False

    @property
    def _ready(self) -> EmbeddingContext:
        if self._context is None:
            raise RuntimeError("Call grow first.")
        return self._context


class WholeReader(TextReader):
    """Computes each text in one batch, as an encoder needs it, and lets llama.cpp pool it."""

    def _new_context(self, longest: int) -> EmbeddingContext:
        return EmbeddingContext(
            self._model, size=longest, n_batch=longest, pooling_type=self._pooling_type
        )

    def read(self, job: EmbeddingJob, first: EmbeddingJob, *, others_generate: bool) -> None:
        context = self._ready
        size = context.n_batch
        most = min(size, WHOLE_TOKENS) if self._model.gpu_layers == 0 else size
        parts: list[Part] = []
        for tokens in job.inputs[len(job.vectors) :][:EMBEDDING_REQUESTS]:
            most -= len(tokens)
            if parts and most < 0:
                break
            parts.append(Part(len(parts), tokens))
        context.clear()
        context.compute(job.id, parts)
        job.vectors += [normalized(context.text_vector(part.seq_id)) for part in parts]

    def drop(self, job: EmbeddingJob) -> None:
        """Do nothing: the next batch empties the memory."""

    def clear(self) -> list[int]:
        return []


def normalized(vector: Any) -> Any:
    """Return a vector with length 1.

    Raises
    ------
    ModelProducesNaN
        If it is not finite.
    """
    vector = vector.astype(np.float64)
    norm = float(np.linalg.norm(vector))
    vector = vector / norm if norm else vector
    check_finite(vector)
    return vector
