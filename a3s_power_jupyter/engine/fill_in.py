"""Build prompts for fill-in-the-middle: the model writes what is between two texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..contract.errors import UnsupportedRequestFields
from ..contract.fill_in import FILL_IN_NAMES

#: A character that no tokenizer joins with the next one (`encode_infilling` of Code Llama).
_MARK = "\u263a"


@dataclass(frozen=True)
class FillInTokens:
    """The special tokens before the first text, before the second one, and before the answer."""

    prefix: int
    suffix: int
    middle: int | None

    def prompt(
        self, first: Sequence[int], before: Sequence[int], after: Sequence[int]
    ) -> list[int]:
        """Return a prompt for the text between `before` and `after`.

        Parameters
        ----------
        first : sequence of int
            Tokens at the beginning of each prompt.
        """
        if self.middle is None:
            return [*first, self.suffix, *after, self.prefix, *before]
        return [*first, self.prefix, *before, self.suffix, *after, self.middle]


def find_fill_in(known: Mapping[str, int]) -> FillInTokens | None:
    """Return the tokens of the first family that a vocabulary has.

    Parameters
    ----------
    known : mapping
        Ids of tokens by their names.
    """
    for names in FILL_IN_NAMES:
        if names.are_in(known):
            middle = None if names.middle is None else known[names.middle]
            return FillInTokens(known[names.prefix], known[names.suffix], middle)
    return None


def require_fill_in(tokens: FillInTokens | None) -> FillInTokens:
    """Raise `UnsupportedRequestFields` if a model has no tokens for fill-in-the-middle."""
    if tokens is None:
        raise UnsupportedRequestFields(
            "The model cannot fill in text before a 'suffix': its vocabulary has no tokens for "
            "that. Use a model for code that has them, or omit 'suffix'.",
            param="suffix",
        )
    return tokens


def without_space(tokenize: Callable[[str], list[int]], text: str) -> list[int]:
    """Tokenize a text that follows another one, without the space that is put before a first one.

    Code Llama and Codestral are trained so with the text after the answer.
    """
    mark = tokenize(_MARK)
    tokens = tokenize(_MARK + text)
    return tokens[len(mark) :] if tokens[: len(mark)] == mark else tokenize(text)
