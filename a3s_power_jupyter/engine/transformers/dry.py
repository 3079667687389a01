"""DRY: make tokens less likely that would continue a repetition of earlier tokens.

The method is that of llama.cpp's ``llama_sampler_dry``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..sampling import SamplerSettings

#: First token of a sequence breaker -> the possible tokens after it; empty for a single token.
Breakers = dict[int, list[tuple[int, ...]]]

#: Longest sequence breaker in bytes, and in tokens after the first one, as in llama.cpp.
MAX_BYTES, MAX_TOKENS = 40, 20

#: Logarithm of the largest 32-bit number, which limits penalties.
LARGEST = 88.7228391


def find_breakers(
    texts: Sequence[str],
    pieces: Sequence[bytes],
    tokenize: Callable[[str], list[int]],
) -> Breakers:
    """Return the tokens that contain a sequence breaker, or begin one that other tokens complete.

    Parameters
    ----------
    texts : sequence of str
        The sequence breakers.
    pieces : sequence of bytes
        Text of each token of the vocabulary.
    """
    found: Breakers = {}
    for text in texts:
        breaker = text.encode()[:MAX_BYTES]
        tails = {
            length: tuple(tokenize(breaker[length:].decode("utf-8", "ignore"))[:MAX_TOKENS])
            for length in range(1, len(breaker))
        }
        for token, piece in enumerate(pieces):
            if breaker in piece:
                found.setdefault(token, []).append(())
                continue
            for length, tail in tails.items():
                known = found.get(token, ())
                if piece.endswith(breaker[:length]) and tail not in known:
                    found.setdefault(token, []).append(tail)
    return found


class BreakerCache:
    """The sequence breakers of a model's requests, most of which have the same ones.

    Parameters
    ----------
    size : int
        Number of tokens.
    """

    def __init__(
        self,
        size: int,
        token_to_piece: Callable[[int], bytes],
        tokenize: Callable[[str], list[int]],
    ) -> None:
        self._size = size
        self._token_to_piece = token_to_piece
        self._tokenize = tokenize
        self._last: tuple[tuple[str, ...], Breakers] = ((), {})

    def find(self, texts: tuple[str, ...]) -> Breakers:
        """Return what `find_breakers` returns; it takes up to a second for new texts."""
        known, breakers = self._last
        if known != texts:
            pieces = [self._token_to_piece(token) for token in range(self._size)]
            breakers = find_breakers(texts, pieces, self._tokenize)
            self._last = (texts, breakers)
        return breakers


def dry_penalties(
    recent: Sequence[int], settings: SamplerSettings, breakers: Breakers
) -> dict[int, float]:
    """Return what to subtract from the logits of tokens.

    Parameters
    ----------
    recent : sequence of int
        The last tokens of the prompt and the answer.
    """
    allowed = settings.dry_allowed_length
    limit = _since_breaker(recent, breakers)
    if len(recent) <= allowed or limit < allowed:
        return {}
    tokens = np.asarray(recent)
    lengths = _repeated(tokens, limit)
    longest: dict[int, int] = {}
    for end in np.flatnonzero(lengths[:-1] >= allowed):
        token = int(tokens[end + 1])
        longest[token] = max(longest.get(token, 0), int(lengths[end]))
    base = settings.dry_base
    most = int(LARGEST / math.log(base)) if base > 1.000001 else 0
    return {
        token: settings.dry_multiplier * base ** (min(n - allowed, most) if most else n - allowed)
        for token, n in longest.items()
        if () not in breakers.get(token, ())
    }


def _since_breaker(recent: Sequence[int], breakers: Breakers) -> int:
    """Return the number of tokens after the last sequence breaker."""
    for after in range(len(recent)):
        at = len(recent) - 1 - after
        matches = [
            len(tail)
            for tail in breakers.get(recent[at], ())
            if len(tail) <= after and tuple(recent[at + 1 : at + 1 + len(tail)]) == tail
        ]
        if matches:
            return after - max(matches)
    return len(recent)


def _repeated(tokens: np.typing.NDArray[np.intp], limit: int) -> np.typing.NDArray[np.intp]:
    """Return how many tokens before each index, and at it, are the last tokens of all."""
    n = len(tokens)
    lengths = np.zeros(n, np.intp)
    ends = np.arange(n - 1)  # the last token itself does not count
    for back in range(limit):
        ends = ends[(ends >= back)]
        ends = ends[tokens[ends - back] == tokens[n - 1 - back]]
        if not len(ends):
            break
        lengths[ends] += 1
    return lengths
