"""Load an embedding model with transformers, and its pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from msgspec import UNSET
from tokenizers import Tokenizer, normalizers
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

from ...contract.parameters import DEFAULT_NUM_CTX
from ...store.formats.cross_encoders import no_cross_encoder
from ..transformers.model import LoadedModel
from .pipeline import Pipeline, read_pipeline

#: transformers gives tokenizers without a limit one of 10**30.
NO_LIMIT = 2**31


class EncoderModel(LoadedModel):
    """A model that computes something of whole texts.

    Attributes
    ----------
    max_length : int or None
        Maximum number of tokens of a text in sentence-transformers' files.
    """

    runner = "embeddings"

    max_length: int | None = None

    @property
    def dtype(self) -> Any:
        """The dtype of the weights: float32 on a CPU, where it is exact and no slower."""
        return "auto" if self.placement.gpu else torch.float32

    @property
    def pad_token(self) -> int:
        """The token that fills up the shorter texts of a batch."""
        return self.tokenizer.pad_token_id or 0

    @property
    def text_limit(self) -> int:
        """Maximum number of tokens of a text in the model's files, including special tokens."""
        limits = [self.max_length]
        if self.max_length is None:
            limits = [self.trained_ctx, self.tokenizer.model_max_length]
        known = [limit for limit in (*limits, self.position_limit) if limit]
        return min([limit for limit in known if limit < NO_LIMIT], default=DEFAULT_NUM_CTX)

    @property
    def num_ctx(self) -> int:
        """Maximum number of tokens of a text, including special tokens."""
        num_ctx = self.parameters.num_ctx
        return self.text_limit if num_ctx is UNSET else min(num_ctx, self.text_limit)


class EmbeddingModel(EncoderModel):
    """A model without a head, and the pipeline that turns its hidden states into vectors.

    Attributes
    ----------
    no_reranker : str
        Why the model cannot rank documents: a sentence without its period.
    """

    unneeded = ("pooler.",)  # the pipeline pools the hidden states

    pipeline: Pipeline
    no_reranker: str

    def auto_class(self, directory: Path) -> Any:
        """Return the class of the encoder alone for models such as T5, as in sentence-transformers.

        Other models with a decoder run both.
        """
        config = transformers.AutoConfig.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
        if config.is_encoder_decoder and type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING:
            return transformers.AutoModelForTextEncoding
        return transformers.AutoModel

    def note_unused(self, names: list[str]) -> None:
        """Say nothing about heads, which an embedding does not need."""

    def load_more(self, directory: Path) -> None:
        self.pipeline = read_pipeline(directory)
        self.max_length = self.pipeline.max_length
        self.notes += self.pipeline.notes
        if self.pipeline.lower_case:
            add_lowercase(self.tokenizer.backend_tokenizer)
        self.no_reranker = no_cross_encoder({path.name: path for path in directory.iterdir()})


def add_lowercase(tokenizer: Tokenizer) -> None:
    """Make a tokenizer convert texts, but not its special tokens, to lower case."""
    rest = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *rest])
