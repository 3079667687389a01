"""Score documents for a query with llama.cpp, in a context that is created on first use."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import llama_cpp as lc
import numpy as np

from ...contract.errors import InvalidParameter, cannot_rerank
from ...contract.types import Ranked, RerankRequest
from ..base import StepOutput, request_error
from ..capacity import EMBEDDING_REQUESTS, embedding_context
from ..checks import check_finite
from ..pairs import Pair, read_pairs
from .classifier import label_count
from .decoder import Aborted
from .embedding_context import EmbeddingContext, Part
from .model import LlamaModel
from .pair_tokens import PairTokenizer

#: The smallest number above 0 in float32.
_TINY = 2.0**-149


@dataclass(eq=False)
class RankingJob:
    """A prepared request; `scores` grows in the order of `pairs`."""

    id: int
    pairs: list[Pair]
    scores: list[float] = field(default_factory=list)


class RankingContext(EmbeddingContext):
    """A context that computes the classifier of a model for each text."""

    def __init__(self, model: LlamaModel, size: int) -> None:
        super().__init__(model, size=size, n_batch=size, pooling_type=lc.LLAMA_POOLING_TYPE_RANK)
        self._labels = label_count(model.pointer)

    def logit(self, seq_id: int) -> float:
        """Return the score of a text of the last batch.

        Raises
        ------
        ModelProducesNaN
            If it is not finite.
        """
        pointer = lc.llama_get_embeddings_seq(self._pointer, seq_id)
        outputs = np.ctypeslib.as_array(pointer, (self._labels,)).astype(np.float64)
        check_finite(np.abs(outputs))
        if self._labels == 1:
            return float(outputs[0])
        yes, no = (max(float(value), _TINY) for value in outputs)  # probabilities
        return math.log(yes) - math.log(no)


class Reranker:
    """The requests to rank documents; each step computes one batch of one request.

    The requests take turns, so that a short one does not wait for all documents of a long one.
    """

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        self._jobs: list[RankingJob] = []
        self._context: RankingContext | None = None

    @property
    def idle(self) -> bool:
        return not self._jobs

    def prepare(self, id_: int, request: RerankRequest) -> RankingJob:
        """Tokenize the pairs of a request and check their lengths."""
        if not self._model.ranks:
            raise cannot_rerank(self._model.no_reranker)
        if not request.documents:
            raise InvalidParameter("documents is empty. Give at least one.", param="documents")
        num_ctx = self._model.num_ctx
        larger = num_ctx < self._model.trained_ctx
        return RankingJob(id_, read_pairs(request, num_ctx, self._pair, larger=larger))

    @cached_property
    def _pair(self) -> PairTokenizer:
        return PairTokenizer(self._model)

    def add(self, job: RankingJob) -> None:
        self._jobs.append(job)

    def cancel(self, id_: int) -> None:
        self._jobs = [job for job in self._jobs if job.id != id_]

    def reset(self) -> None:
        """Drop all requests and the context; the next request creates a new one."""
        self._jobs = []
        self._free()

    def step(self) -> list[StepOutput]:
        """Compute a batch of one request.

        Raises
        ------
        Aborted
            If this request is cancelled meanwhile.
        """
        if not self._jobs:
            return []
        job = self._jobs.pop(0)
        self._jobs.append(job)
        try:
            self._compute(job)
        except Aborted:
            raise
        except Exception as error:
            self._jobs.remove(job)
            self._free()
            return [(job.id, request_error(error))]
        if len(job.scores) < len(job.pairs):
            return []
        self._jobs.remove(job)
        return [(job.id, Ranked(job.scores, sum(map(len, job.pairs))))]

    def _compute(self, job: RankingJob) -> None:
        """Compute as many of the job's next pairs as fit into one batch.

        A pair must fit into one batch, because a token attends to later ones.
        """
        pairs = job.pairs[len(job.scores) :][:EMBEDDING_REQUESTS]
        context = self._ready(len(pairs[0]))
        parts: list[Part] = []
        room = embedding_context(len(pairs[0]))
        for pair in pairs:
            room -= len(pair)
            if room < 0:
                break
            parts.append(Part(len(parts), pair.tokens))
        context.clear()
        context.compute(job.id, parts)
        job.scores += [context.logit(part.seq_id) for part in parts]

    def _ready(self, longest: int) -> RankingContext:
        """Return a context for a pair of `longest` tokens."""
        if self._context is None or self._context.size < longest:
            self._free()
            self._context = RankingContext(self._model, embedding_context(longest))
        return self._context

    def _free(self) -> None:
        if self._context is not None:
            self._context.free()
            self._context = None
