"""Compute embeddings; each step embeds one batch of texts of similar lengths."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ...contract.errors import InvalidParameter, ModelProducesNaN
from ...contract.text import quoted
from ...contract.types import (
    ChatRequest,
    Embedded,
    EmbeddingRequest,
    Request,
    RerankRequest,
    Truncate,
)
from ..base import Engine, ProgressCallback, StepOutput
from ..checks import check_finite
from ..embedding_texts import fit, only_embeds, tokenize_long
from ..pairs import cannot_rerank
from ..protocol import Load, Loaded
from ..transformers.failures import computation_error
from ..transformers.text_tokens import ModelTokenizer
from .model import EmbeddingModel

#: Maximum number of concurrent requests. Their texts share batches.
SLOTS = 16

#: Tokens per batch, including padding. With a small model on a CPU, a step stays well under a
#: second.
CPU_BATCH_TOKENS = 4096
GPU_BATCH_TOKENS = 32768


@dataclass
class Job:
    """A request.

    Attributes
    ----------
    vectors : list of ndarray or None
        In the order of the inputs; None for a text that has not been computed yet.
    prompt_tokens : int
        Tokens of all inputs.
    """

    id: int
    vectors: list[Any]
    prompt_tokens: int = 0


@dataclass(order=True)
class Text:
    """One text, ordered by its length.

    Attributes
    ----------
    skip : int
        Number of leading tokens to leave out of the pooling.
    index : int
        Index of the text in its request.
    """

    length: int
    tokens: list[int] = field(compare=False)
    skip: int = field(compare=False)
    job: Job = field(compare=False)
    index: int = field(compare=False)


class EmbeddingEngine(Engine[list[Text]]):
    """Embeddings of one model of format ``huggingface``."""

    def __init__(self, model: EmbeddingModel) -> None:
        self._model = model
        self._jobs: dict[int, Job] = {}
        self._waiting: list[Text] = []  # sorted by length
        self._tokenize("")  # sets the tokenizer's options, which threads must not change
        self.tokenizer = ModelTokenizer(model, only_embeds=True)
        self._batch_tokens = GPU_BATCH_TOKENS if model.placement.gpu else CPU_BATCH_TOKENS
        self.threads = model.threads
        self.info = Loaded(
            slots=SLOTS,
            num_ctx=model.num_ctx,
            device=model.placement.name,
            device_bytes=model.placement.used_bytes(),
            notes=model.notes,
        )

    @classmethod
    def load(cls, load: Load, progress: ProgressCallback) -> EmbeddingEngine:
        return cls(EmbeddingModel(load, progress))

    def prepare(self, id_: int, request: Request) -> list[Text]:
        if isinstance(request, RerankRequest):
            raise cannot_rerank("This model computes embeddings")
        if not isinstance(request, EmbeddingRequest):
            raise only_embeds()
        if not request.inputs:
            raise InvalidParameter("input is empty. Give at least one text.", param="input")
        prompt = self._prompt(request.prompt_name)
        job = Job(id_, [None] * len(request.inputs))
        return [
            self._text(job, i, value, prompt, request.truncate)
            for i, value in enumerate(request.inputs)
        ]

    def render(self, chat: ChatRequest) -> tuple[str, list[int]]:
        raise only_embeds()

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
        self._model.placement.synchronize()

    @property
    def idle(self) -> bool:
        return not self._jobs

    def step(self) -> list[StepOutput]:
        if self.idle:
            return []
        batch = self._next_batch()
        try:
            vectors = self._embed(batch)
        except Exception as error:
            return self._fail(batch, error)
        outputs: list[StepOutput] = []
        for text, vector in zip(batch, vectors, strict=True):
            try:
                check_finite(vector)
            except ModelProducesNaN as error:
                if text.job.id in self._jobs:
                    outputs.append((text.job.id, error))
                    self.cancel(text.job.id)
            text.job.vectors[text.index] = vector
        return outputs + self._finish({text.job.id for text in batch} & self._jobs.keys())

    # ------------------------------------------------------------ texts

    def _prompt(self, name: str | None) -> str:
        """Return the prompt to put in front of each text.

        Raises
        ------
        InvalidParameter
            If the model has no prompt of this name.
        """
        pipeline = self._model.pipeline
        name = pipeline.default_prompt if name is None else name
        if name is None:
            return ""
        if name not in pipeline.prompts:
            known = ", ".join(sorted(pipeline.prompts)) or "none"
            raise InvalidParameter(
                f"The model has no prompt {quoted(name)}. Its prompts: {known}.",
                param="prompt_name",
            )
        return pipeline.prompts[name]

    def _text(
        self, job: Job, index: int, value: str | list[int], prompt: str, truncate: Truncate
    ) -> Text:
        """Tokenize one input and count its tokens in the job."""
        skip, kept, complete = 0, (0, 0), True
        limit, where = self._model.num_ctx, f"input[{index}]"
        if isinstance(value, str):
            first, last = self._special_counts
            if prompt:
                first = self._prompt_length(prompt)
                skip = 0 if self._model.pipeline.pooling.include_prompt else first
            kept = first, last
            tokens, complete = tokenize_long(
                value, limit, truncate, lambda part: self._tokenize(prompt + part)
            )
            self._model.check_text(tokens)
        else:
            self._model.check(value)
            tokens = list(value)
        tokens = fit(tokens, limit, truncate, kept=kept, complete=complete, where=where)
        job.prompt_tokens += len(tokens)
        return Text(len(tokens), tokens, skip, job, index)

    def _tokenize(self, text: str) -> list[int]:
        """Return the token ids of a text, with special tokens around it."""
        return list(self._model.tokenizer(text, verbose=False)["input_ids"])

    @cached_property
    def _special_counts(self) -> tuple[int, int]:
        """The number of special tokens that the tokenizer adds before and after a text."""
        plain, whole = self._model.plain_tokens("a"), self._tokenize("a")
        added = len(whole) - len(plain)
        first = next(n for n in range(added + 1) if whole[n : n + len(plain)] == plain)
        return first, added - first

    def _prompt_length(self, prompt: str) -> int:
        """Return the number of tokens in a prompt, without a trailing special token."""
        tokens = self._tokenize(prompt)
        trailing = bool(tokens) and tokens[-1] in self._model.tokenizer.all_special_ids
        return len(tokens) - int(trailing)

    # ------------------------------------------------------------ batches

    def _next_batch(self) -> list[Text]:
        """Take the longest text of one request and the texts closest to it in length.

        Texts of similar lengths need little padding. The requests take turns, so that none waits
        for all the texts of another one.
        """
        job = self._jobs.pop(next(iter(self._jobs)))
        self._jobs[job.id] = job
        last = max(i for i, text in enumerate(self._waiting) if text.job is job)
        count = max(1, self._batch_tokens // self._waiting[last].length)
        first = max(0, last + 1 - count)
        batch = self._waiting[first : last + 1]
        del self._waiting[first : last + 1]
        return batch

    def _embed(self, batch: list[Text]) -> Any:
        """Return the vectors of a batch in float32; shape (texts, dimensions)."""
        width = max(text.length for text in batch)
        device = self._model.placement.device
        pad = self._model.tokenizer.pad_token_id or 0
        rows = [text.tokens + [pad] * (width - text.length) for text in batch]
        columns = torch.arange(width)
        lengths = torch.tensor([[text.length] for text in batch])
        skips = torch.tensor([[text.skip] for text in batch])
        attention_mask = (columns < lengths).long().to(device)
        pooling_mask = ((columns < lengths) & (columns >= skips)).long().to(device)
        self._model.set_threads()
        with torch.inference_mode():
            hidden = self._model.model(
                input_ids=torch.tensor(rows, device=device), attention_mask=attention_mask
            ).last_hidden_state
            pooling_mask = pooling_mask.to(hidden.device)
            return self._model.pipeline.pool(hidden, pooling_mask).cpu().numpy()

    def _finish(self, ids: set[int]) -> list[StepOutput]:
        """Return the results of the requests that are complete."""
        outputs: list[StepOutput] = []
        for id_ in sorted(ids):
            job = self._jobs[id_]
            if all(vector is not None for vector in job.vectors):
                del self._jobs[id_]
                matrix = np.stack(job.vectors).astype("<f4")
                embedded = Embedded(matrix.tobytes(), matrix.shape[1], job.prompt_tokens)
                outputs.append((id_, embedded))
        return outputs

    def _fail(self, batch: list[Text], error: Exception) -> list[StepOutput]:
        """End the requests of a failed computation; raises if the GPU no longer responds."""
        advice = "Send fewer or shorter texts at once."
        failure = computation_error(error, self._model.placement, advice=advice)
        ids = sorted({text.job.id for text in batch})
        for id_ in ids:
            self.cancel(id_)
        return [(id_, failure) for id_ in ids]
