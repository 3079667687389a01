"""Describe the tokenizer of a transformers model to llguidance."""

from __future__ import annotations

from typing import Any

import llguidance.hf

from ..constraints.compiler import TokenizerNotSupported
from .model import LoadedModel


def new_tokenizer(model: LoadedModel) -> Any:
    """Return the ``LLTokenizer`` of a model.

    Raises
    ------
    TokenizerNotSupported
        If llguidance cannot use the tokenizer.
    """
    size = max(model.vocab_size, len(model.tokenizer))  # a tokenizer may have more tokens
    if not model.eos_token_ids:
        raise TokenizerNotSupported("it has no token that ends an answer.")
    try:
        return llguidance.hf.from_tokenizer(
            model.tokenizer, n_vocab=size, eos_token=model.eos_token_ids
        )
    except Exception as error:  # llguidance raises any exception
        raise TokenizerNotSupported(f"llguidance cannot use its tokenizer: {error}.") from None
