"""Checks of texts, tokens and a model's numbers, shared by the engines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from msgspec import UNSET, UnsetType

from ..contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    ModelProducesNaN,
    PowerError,
)
from .cancellation import is_cancelled


def check_prompt(
    tokens: Sequence[int], *, num_ctx: int, trained_ctx: int, max_tokens: int | UnsetType = UNSET
) -> None:
    """Raise if a prompt is empty or leaves no room for an answer in the context.

    Parameters
    ----------
    max_tokens : int
        Maximum length of the answer. No room is needed for one of 0 tokens.

    Raises
    ------
    InvalidParameter
        If the prompt is empty.
    ContextLengthExceeded
        If the prompt fills the context of `num_ctx` tokens.
    """
    if not tokens:
        raise InvalidParameter("The prompt is empty. Give at least one token.", param="prompt")
    if len(tokens) + (max_tokens != 0) > num_ctx:
        raise prompt_too_long(
            num_ctx,
            f"the prompt has {len(tokens)} tokens",
            f"Shorten it, to leave room for the answer{_larger(num_ctx, trained_ctx)}.",
        )


def prompt_too_long(
    num_ctx: int, found: str, advice: str, *, param: str | None = None
) -> ContextLengthExceeded:
    """Return the error of a prompt that does not fit into the context.

    litellm and LangChain search messages for "This model's maximum context length is" and "prompt
    is too long", to try another model or a shorter prompt.

    Parameters
    ----------
    found : str
        What the prompt has: the beginning of a sentence in lower case.
    advice : str
        What to do: a sentence.
    """
    return ContextLengthExceeded(
        f"This model's maximum context length is {num_ctx} tokens. However, {found}, so the prompt "
        f"is too long. {advice}",
        param=param,
    )


def _larger(num_ctx: int, trained_ctx: int) -> str:
    """Advise a larger `num_ctx`, unless it is already the trained length (0 if unknown)."""
    if trained_ctx == 0:
        return ", or load the model with a larger num_ctx"
    if trained_ctx <= num_ctx:
        return ""
    return f", or load the model with a larger num_ctx (it was trained for {trained_ctx})"


@dataclass(frozen=True)
class TextLimit:
    """The longest text that a number of tokens can hold.

    Attributes
    ----------
    token_bytes : int or None
        Most bytes of text that one token covers. None if a token can cover text of any length, for
        example a word that is not in the vocabulary.
    ignores_space : bool
        Whether the tokenizer drops white space beside some special tokens.
    """

    token_bytes: int | None
    ignores_space: bool = False

    def check(self, text: str, num_ctx: int) -> None:
        """Refuse a text that cannot fit, because tokenizing it may take minutes.

        Raises
        ------
        ContextLengthExceeded
            If the text is longer than `num_ctx` of the longest tokens.
        """
        if self.token_bytes is None:
            return
        if self.ignores_space:
            text = "".join(text.split())
        limit = num_ctx * self.token_bytes
        size = len(text.encode("utf-8", "replace"))
        if size > limit:
            raise prompt_too_long(
                num_ctx,
                f"the text has {size:,} bytes, and so many tokens hold at most {limit:,}",
                "Shorten it, or load the model with a larger num_ctx.",
            )


#: Characters of a text that are tokenized at once to count its tokens, which takes about 0.04 s.
PIECE = 2**16

#: Tokens by which two pieces of a text may have more tokens than both together: far more than seen.
CUT_TOKENS = 64

#: Characters for each token of the context up to which a text is tokenized without such a count.
USUAL_TOKEN = 8


def check_pieces(text: str, num_ctx: int, count: Callable[[str], int]) -> None:
    """Refuse a long text as soon as its first pieces have too many tokens.

    Parameters
    ----------
    count : callable
        Returns the number of tokens of a text.

    Raises
    ------
    ContextLengthExceeded
        If the text has more than `num_ctx` tokens.
    PowerError
        If the request is cancelled meanwhile.
    """
    if len(text) <= max(PIECE, USUAL_TOKEN * num_ctx):
        return
    total = 0
    for start in range(0, len(text), PIECE):
        if is_cancelled():
            raise PowerError("The request was cancelled.")
        total += count(text[start : start + PIECE]) - CUT_TOKENS
        if total > num_ctx:
            raise prompt_too_long(
                num_ctx,
                f"the text has more than {total} tokens",
                "Shorten it, or load the model with a larger num_ctx.",
            )


def check_token_ids(tokens: Sequence[int], vocab_size: int, param: str) -> None:
    """Raise if a token id is outside the vocabulary.

    Parameters
    ----------
    param : str
        The field of the request that has the ids.

    Raises
    ------
    InvalidParameter
        If an id is negative or at least `vocab_size`.
    """
    if not tokens or 0 <= min(tokens) <= max(tokens) < vocab_size:
        return
    token = next(token for token in tokens if not 0 <= token < vocab_size)
    raise InvalidParameter(
        f"Token id {token} in {param!r} is not in the model's vocabulary of {vocab_size} tokens.",
        param=param,
    )


def check_finite(values: npt.NDArray[Any]) -> None:
    """Raise if logits or the values of a vector are NaN or infinite.

    Single logits may be minus infinity, which is a probability of zero. The values are read only
    once, since the maximum of values with a NaN is NaN.

    Raises
    ------
    ModelProducesNaN
        If a value is NaN or infinity, or all values are minus infinity.
    """
    if not math.isfinite(values.max()):
        raise ModelProducesNaN(
            "The model computed numbers that are not finite (NaN or infinity) for this request. "
            'Its files may be damaged: pull the model again with "force": true, or register '
            "another file. If it was quantized or loaded with a kv_cache_type, try another type."
        )
