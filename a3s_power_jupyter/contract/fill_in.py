"""Names of special tokens for fill-in-the-middle, by which models that can do it are recognized."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple


class FillInNames(NamedTuple):
    """Names of the tokens before the first text, before the second text and before the answer.

    Without a token before the answer, the second text comes first, and the answer continues the
    first text.
    """

    prefix: str
    suffix: str
    middle: str | None

    def are_in(self, vocabulary: Container[str]) -> bool:
        """Return whether a vocabulary has all of them."""
        return all(name in vocabulary for name in self if name is not None)


#: The names of each family, as their model cards publish them. llama.cpp (llama-vocab.cpp) knows
#: all but the last.
FILL_IN_NAMES = (
    # Qwen-Coder, CodeGemma, Granite 4
    FillInNames("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    # StarCoder, StarCoder2, Granite Code
    FillInNames("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    # SantaCoder
    FillInNames("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    # DeepSeek-Coder
    FillInNames(
        "<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581hole\uff5c>", "<\uff5cfim\u2581end\uff5c>"
    ),
    # Code Llama
    FillInNames("\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>"),
    FillInNames("<PRE>", "<SUF>", "<MID>"),
    # GLM
    FillInNames("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
    # Falcon
    FillInNames("<|prefix|>", "<|suffix|>", "<|middle|>"),
    # Codestral (mistral-common, `encode_fim`)
    FillInNames("[PREFIX]", "[SUFFIX]", None),
)

#: All names.
FILL_IN_TOKENS = frozenset(name for names in FILL_IN_NAMES for name in names if name is not None)


def fills_in(vocabulary: Container[str]) -> bool:
    """Return whether a vocabulary has the tokens of a family."""
    return any(names.are_in(vocabulary) for names in FILL_IN_NAMES)
