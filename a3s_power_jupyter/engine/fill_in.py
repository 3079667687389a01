"""Build prompts for fill-in-the-middle: the model writes what is between two texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..contract.errors import UnsupportedRequestFields

#: Names of the special tokens before the first text, the second text and the answer, as llama.cpp
#: knows them (llama-vocab.cpp): Qwen, StarCoder and Granite, DeepSeek, Code Llama, GLM, Falcon.
NAMES = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581hole\uff5c>", "<\uff5cfim\u2581end\uff5c>"),
    ("\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>"),
    ("<PRE>", "<SUF>", "<MID>"),
    ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
    ("<|prefix|>", "<|suffix|>", "<|middle|>"),
)


@dataclass(frozen=True)
class FillInTokens:
    """The special tokens before the first text, before the second one, and before the answer."""

    prefix: int
    suffix: int
    middle: int

    def prompt(
        self, first: Sequence[int], before: Sequence[int], after: Sequence[int]
    ) -> list[int]:
        """Return a prompt for the text between `before` and `after`.

        Parameters
        ----------
        first : sequence of int
            Tokens at the beginning of each prompt.
        """
        return [*first, self.prefix, *before, self.suffix, *after, self.middle]


def require_fill_in(tokens: FillInTokens | None) -> FillInTokens:
    """Raise `UnsupportedRequestFields` if a model has no tokens for fill-in-the-middle."""
    if tokens is None:
        raise UnsupportedRequestFields(
            "The model cannot fill in text before a 'suffix': its vocabulary has no tokens for "
            "that. Use a model for code that has them, or omit 'suffix'.",
            param="suffix",
        )
    return tokens
