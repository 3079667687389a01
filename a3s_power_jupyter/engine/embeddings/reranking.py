"""Score documents for a query with a cross-encoder."""

from __future__ import annotations

from typing import Any

from ...contract.errors import InvalidParameter
from ...contract.types import ChatRequest, Ranked, Request, RerankRequest
from ..base import ProgressCallback
from ..pairs import Pair, only_ranks, read_pairs
from ..protocol import Load
from .batches import BatchEngine, Job, Text
from .cross_encoder import CrossEncoder


class RerankEngine(BatchEngine):
    """Scores of one cross-encoder of format ``huggingface``."""

    def __init__(self, model: CrossEncoder) -> None:
        super().__init__(model)
        self._model = model
        self.pads = model.pads
        self._pair("", "")  # sets the tokenizer's options, which threads must not change

    @classmethod
    def load(cls, load: Load, progress: ProgressCallback) -> RerankEngine:
        return cls(CrossEncoder(load, progress))

    def prepare(self, id_: int, request: Request) -> list[Text]:
        if not isinstance(request, RerankRequest):
            raise only_ranks()
        if not request.documents:
            raise InvalidParameter("documents is empty. Give at least one.", param="documents")
        pairs = read_pairs(request, self._model.num_ctx, self._pair)
        job = Job(id_, [None] * len(pairs), sum(map(len, pairs)))
        return [
            Text(len(pair), pair.tokens, job, i, types=pair.types) for i, pair in enumerate(pairs)
        ]

    def render(self, chat: ChatRequest) -> tuple[str, list[int]]:
        raise only_ranks()

    def compute(self, batch: list[Text], inputs: dict[str, Any]) -> Any:
        """Return the logits of a batch; shape (texts, 1)."""
        return self._model.model(**inputs).logits.float().cpu().numpy()

    def result(self, job: Job) -> Ranked:
        return Ranked([float(row[0]) for row in job.results], job.prompt_tokens)

    def _pair(self, query: str, document: str) -> Pair:
        """Tokenize a query and a document as one input, with special tokens around them."""
        # As lists, because an empty document would be taken for none.
        encoded = self._model.tokenizer([query], [document], verbose=False)
        tokens = list(encoded["input_ids"][0])
        self._model.check_text(tokens)
        found = [i for i, part in enumerate(encoded.sequence_ids(0)) if part == 1]
        start, end = (found[0], found[-1] + 1) if found else (len(tokens), len(tokens))
        types = list(encoded["token_type_ids"][0]) if self._model.has_token_types else []
        return Pair(tokens, start, end, types)
