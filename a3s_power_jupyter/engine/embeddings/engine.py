"""Compute embeddings."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch

from ...contract.errors import InvalidParameter, cannot_rerank
from ...contract.text import quoted
from ...contract.types import (
    ChatRequest,
    Embedded,
    EmbeddingRequest,
    Request,
    RerankRequest,
    Truncate,
)
from ...store.formats.cross_encoders import no_cross_encoder
from ..base import ProgressCallback
from ..embedding_texts import fit, only_embeds, tokenize_long
from ..protocol import Load
from .batches import BatchEngine, Job, Text
from .cross_encoder import CrossEncoder
from .model import EmbeddingModel
from .reranking import RerankEngine


class EmbeddingEngine(BatchEngine):
    """Embeddings of one model of format ``huggingface``."""

    def __init__(self, model: EmbeddingModel) -> None:
        super().__init__(model)
        self._model = model
        self._tokenize("")  # sets the tokenizer's options, which threads must not change

    @classmethod
    def load(cls, load: Load, progress: ProgressCallback) -> BatchEngine:
        """Load an embedding model, or a cross-encoder, which has the same format."""
        if not no_cross_encoder(load.files):
            return RerankEngine(CrossEncoder(load, progress))
        return cls(EmbeddingModel(load, progress))

    def prepare(self, id_: int, request: Request) -> list[Text]:
        if isinstance(request, RerankRequest):
            raise cannot_rerank(self._model.no_reranker)
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

    def compute(self, batch: list[Text], inputs: dict[str, Any]) -> Any:
        """Return the vectors of a batch; shape (texts, dimensions)."""
        mask = inputs["attention_mask"]
        skips = torch.tensor([[text.skip] for text in batch], device=mask.device)
        mask = mask * (torch.arange(mask.shape[1], device=mask.device) >= skips)
        hidden = self._model.model(**inputs).last_hidden_state
        return self._model.pipeline.pool(hidden, mask.to(hidden.device)).cpu().numpy()

    def result(self, job: Job) -> Embedded:
        matrix = np.stack(job.results).astype("<f4")
        return Embedded(matrix.tobytes(), matrix.shape[1], job.prompt_tokens)

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
            self._model.check(value, where)
            tokens = list(value)
        tokens = fit(tokens, limit, truncate, kept=kept, complete=complete, where=where)
        job.prompt_tokens += len(tokens)
        return Text(len(tokens), tokens, job, index, skip=skip)

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
