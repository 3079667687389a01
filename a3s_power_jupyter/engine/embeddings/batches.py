"""Compute requests of several texts each; each step computes texts of similar lengths."""

from __future__ import annotations

import bisect
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ...contract.errors import ModelProducesNaN
from ...contract.types import Item
from ..base import Engine, StepOutput
from ..checks import check_finite
from ..pace import Pace
from ..protocol import Loaded
from ..transformers.failures import computation_error
from ..transformers.text_tokens import ModelTokenizer
from .model import EncoderModel

#: Maximum number of concurrent requests. Their texts share batches.
SLOTS = 16

#: Most tokens per batch, including padding.
CPU_BATCH_TOKENS = 4096
GPU_BATCH_TOKENS = 32768

#: Seconds that a batch may take, unless it has fewer tokens than `LEAST_TOKENS` or one text, so
#: that a short text does not wait for long.
BATCH_SECONDS = 1.0
LEAST_TOKENS = 256


@dataclass
class Job:
    """A request.

    Attributes
    ----------
    results : list of ndarray or None
        In the order of the request's texts; None for a text that has not been computed yet.
    prompt_tokens : int
        Tokens of all texts.
    """

    id: int
    results: list[Any]
    prompt_tokens: int = 0


@dataclass(order=True)
class Text:
    """One text, or one pair of texts, ordered by its length.

    Attributes
    ----------
    index : int
        Index of the text in its request.
    skip : int
        Number of leading tokens to leave out of the pooling.
    types : sequence of int
        Token types, as many as `tokens`; empty for those of the first segment.
    """

    length: int
    tokens: Sequence[int] = field(compare=False)
    job: Job = field(compare=False)
    index: int = field(compare=False)
    skip: int = field(compare=False, default=0)
    types: Sequence[int] = field(compare=False, default=())


class BatchEngine(Engine[list[Text]]):
    """Base class of the engines of encoders."""

    #: Whether texts of different lengths can be in one batch.
    pads = True

    def __init__(self, model: EncoderModel) -> None:
        self._encoder = model
        self._jobs: dict[int, Job] = {}
        self._waiting: list[Text] = []  # sorted by length
        self._batch_tokens = GPU_BATCH_TOKENS if model.placement.gpu else CPU_BATCH_TOKENS
        self._pace = Pace(BATCH_SECONDS, self._batch_tokens, least=LEAST_TOKENS)
        self.threads = model.threads
        self.tokenizer = ModelTokenizer(model, only_embeds=True)
        self.info = Loaded(
            slots=SLOTS,
            num_ctx=model.num_ctx,
            device=model.placement.name,
            gpus=model.placement.used_bytes(),
            notes=model.notes,
        )

    @abstractmethod
    def compute(self, batch: list[Text], inputs: dict[str, Any]) -> Any:
        """Return a row of float32 for each text of a batch; shape (texts, size).

        Parameters
        ----------
        inputs : dict
            Tensors for the model: ``input_ids`` and ``attention_mask``; shape (texts, tokens).
        """

    @abstractmethod
    def result(self, job: Job) -> Item:
        """Return the reply to a request with all its results."""

    def submit(self, prepared: list[Text]) -> None:
        job = prepared[0].job
        self._jobs[job.id] = job
        for text in prepared:
            bisect.insort(self._waiting, text)

    def cancel(self, id_: int) -> None:
        self._jobs.pop(id_, None)
        self._waiting = [text for text in self._waiting if text.job.id != id_]

    def reset(self) -> None:
        self._jobs, self._waiting = {}, []
        self._encoder.placement.synchronize()

    @property
    def idle(self) -> bool:
        return not self._jobs

    def step(self) -> list[StepOutput]:
        if self.idle:
            return []
        batch = self._next_batch()
        try:
            rows = self._compute(batch)
        except Exception as error:
            return self._fail(batch, error)
        outputs: list[StepOutput] = []
        for text, row in zip(batch, rows, strict=True):
            try:
                check_finite(row)
            except ModelProducesNaN as error:
                if text.job.id in self._jobs:
                    outputs.append((text.job.id, error))
                    self.cancel(text.job.id)
            text.job.results[text.index] = row
        return outputs + self._finish({text.job.id for text in batch} & self._jobs.keys())

    def _next_batch(self) -> list[Text]:
        """Take the longest text of one request and the texts closest to it in length.

        Texts of similar lengths need little padding. The requests take turns, so that none waits
        for all the texts of another one.
        """
        job = self._jobs.pop(next(iter(self._jobs)))
        self._jobs[job.id] = job
        last = max(i for i, text in enumerate(self._waiting) if text.job is job)
        tokens = min(self._batch_tokens, self._pace.n_tokens)
        count = max(1, tokens // self._waiting[last].length) if self.pads else 1
        first = max(0, last + 1 - count)
        batch = self._waiting[first : last + 1]
        del self._waiting[first : last + 1]
        return batch

    def _compute(self, batch: list[Text]) -> Any:
        width = max(text.length for text in batch)
        device = self._encoder.placement.device
        pad = self._encoder.pad_token
        rows = [[*text.tokens, *[pad] * (width - text.length)] for text in batch]
        lengths = torch.tensor([[text.length] for text in batch])
        inputs = {
            "input_ids": torch.tensor(rows, device=device),
            "attention_mask": (torch.arange(width) < lengths).long().to(device),
        }
        if batch[0].types:
            types = [[*text.types, *[0] * (width - text.length)] for text in batch]
            inputs["token_type_ids"] = torch.tensor(types, device=device)
        self._encoder.set_threads()
        started = time.perf_counter()
        with torch.inference_mode():
            found = self.compute(batch, inputs)
        self._pace.record(width * len(batch), time.perf_counter() - started)
        return found

    def _finish(self, ids: set[int]) -> list[StepOutput]:
        """Return the results of the requests that are complete."""
        outputs: list[StepOutput] = []
        for id_ in sorted(ids):
            job = self._jobs[id_]
            if all(row is not None for row in job.results):
                del self._jobs[id_]
                outputs.append((id_, self.result(job)))
        return outputs

    def _fail(self, batch: list[Text], error: Exception) -> list[StepOutput]:
        """End the requests of a failed computation; raises if the GPU no longer responds."""
        advice = "Send fewer or shorter texts at once."
        failure = computation_error(error, self._encoder.placement, advice=advice)
        ids = sorted({text.job.id for text in batch})
        for id_ in ids:
            self.cancel(id_)
        return [(id_, failure) for id_ in ids]
