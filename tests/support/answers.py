"""Compare answers to the same prompt that were computed in different batches.

The kernels of a batch may round differently, so that another token becomes the most likely one
where two logits are almost equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from a3s_power_jupyter.contract.types import Delta, TokenLogprob


def tokens_of(items: Sequence[Any]) -> list[TokenLogprob]:
    """Return the tokens of an answer to a request with log probabilities."""
    deltas = [item for item in items if isinstance(item, Delta)]
    return [token for delta in deltas for token in delta.logprobs or ()]


def bytes_of(tokens: Sequence[TokenLogprob]) -> bytes:
    return b"".join(bytes(token.bytes) for token in tokens)


def is_same(expected: Sequence[TokenLogprob], text: bytes, rounding: float) -> bool:
    """Compare a text with the expected tokens.

    Parameters
    ----------
    rounding : float
        Difference of the log probabilities of two tokens below which either may be chosen.

    Returns
    -------
    bool
        False if the texts differ from a token on that could have been another one by rounding.

    Raises
    ------
    AssertionError
        If the texts differ for another reason.
    """
    at = 0
    starts: list[int] = []
    for index, token in enumerate(expected):
        piece = bytes(token.bytes)
        if not text.startswith(piece, at):
            # An earlier token may be the beginning of the other one.
            gap = min(map(_gap, [*expected[:index], token], [text[s:] for s in [*starts, at]]))
            assert gap < rounding, (
                f"token {index}: {piece!r} was expected, not {text[at : at + 20]!r} "
                f"(difference of the log probabilities: {gap}); text {text!r}, "
                f"expected {bytes_of(expected)!r}"
            )
            return False
        starts.append(at)
        at += len(piece)
    assert at == len(text), f"the text has {text[at:]!r} after its end"
    return True


def _gap(token: TokenLogprob, rest: bytes) -> float:
    """Return how much less likely than `token` the alternative is that begins `rest`."""
    others = [
        logprob
        for _, piece, logprob in token.top
        if piece and piece != token.bytes and rest.startswith(bytes(piece))
    ]
    return min((abs(token.logprob - logprob) for logprob in others), default=math.inf)


def largest_difference(one: Sequence[TokenLogprob], other: Sequence[TokenLogprob]) -> float:
    """Return the largest difference of log probabilities, up to the first token that differs."""
    largest = 0.0
    for a, b in zip(one, other, strict=False):
        if a.bytes != b.bytes:
            break
        largest = max(largest, abs(a.logprob - b.logprob))
    return largest
