"""Compute log probabilities of tokens from logits, of an answer or of a whole prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract.types import TokenLogprob

#: Log probability of a token that the model gives no probability, as in the OpenAI API.
IMPOSSIBLE = -9999.0

#: Returns the bytes of a token.
TokenBytes = Callable[[int], bytes]


def token_logprob(
    logits: npt.NDArray[Any],
    token: int,
    top_logprobs: int,
    token_to_text: TokenBytes,
    in_text: bytes | None = None,
) -> TokenLogprob:
    """Return the log probability of a token and of the most likely tokens.

    They are computed before temperature and penalties are applied. Tokens without any probability
    are left out of the most likely ones.

    Parameters
    ----------
    logits : ndarray
        Shape (vocabulary,).
    top_logprobs : int
        Number of most likely tokens to include.
    token_to_text : callable
        Returns the bytes of a token, also of a special one.
    in_text : bytes or None
        The token's part of the text; None for all its bytes.
    """
    peak = logits.max()
    total = peak + np.log(np.exp(logits - peak).sum(dtype=np.float64))
    count = min(top_logprobs, len(logits))
    best = np.argpartition(-logits, count - 1)[:count] if count else np.empty(0, int)
    best = best[np.argsort(-logits[best], kind="stable")]
    best = best[logits[best] > -np.inf]

    def logprob(token: int) -> float:
        return float(np.float64(logits[token]) - total)

    texts = [(int(other), token_to_text(int(other))) for other in best]
    top = [(_text(raw), list(raw), logprob(other)) for other, raw in texts]
    raw = token_to_text(token)
    part = raw if in_text is None else in_text
    return TokenLogprob(_text(raw), list(part), max(logprob(token), IMPOSSIBLE), top)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


@dataclass
class PromptScores:
    """The log probabilities of a prompt's tokens, computed in order.

    Attributes
    ----------
    tokens : sequence of int
        The prompt.
    top_logprobs : int
        Number of most likely tokens to include.
    token_to_text : callable
        Returns the bytes of a token, also of a special one.
    parts : list of bytes
        The part of each token in the echoed text.
    count : int
        Number of leading tokens that are done. The first one has no log probability.
    """

    tokens: Sequence[int]
    top_logprobs: int
    token_to_text: TokenBytes
    parts: list[bytes]
    count: int = 0

    @classmethod
    def of(
        cls, tokens: Sequence[int], text: str, top_logprobs: int, token_to_text: TokenBytes
    ) -> PromptScores:
        """Return the scores of a prompt with this text, which are still to be computed."""
        parts = parts_of(text.encode(), [token_to_text(token) for token in tokens])
        return cls(tokens, top_logprobs, token_to_text, parts)

    @property
    def done(self) -> bool:
        return self.count == len(self.tokens)

    @property
    def reusable(self) -> int:
        """Number of leading tokens of which the logits are no longer needed."""
        return len(self.tokens) if self.done else max(0, self.count - 1)

    def needed(self, start: int, end: int) -> range:
        """Return the tokens from `start` to `end` of which the logits are needed."""
        return range(max(start, self.reusable), min(end, len(self.tokens) - 1))

    def first(self) -> list[TokenLogprob]:
        """Return the first token, for which there is nothing to compute, unless it is done."""
        if self.count:
            return []
        self.count = 1
        raw = self.token_to_text(self.tokens[0])
        return [TokenLogprob(_text(raw), list(self.parts[0]), None, [])]

    def add(self, index: int, logits: npt.NDArray[Any]) -> TokenLogprob:
        """Return the token after `index`, with the logits after the token at `index`.

        The logits are finite.
        """
        if index + 1 != self.count:
            raise ValueError(f"the logits of token {self.count - 1} are missing")
        self.count += 1
        token, part = self.tokens[index + 1], self.parts[index + 1]
        return token_logprob(logits, token, self.top_logprobs, self.token_to_text, part)


def parts_of(text: bytes, pieces: Sequence[bytes]) -> list[bytes]:
    """Return the part of each token in a text.

    The tokens may begin with more than the text: with the begin-of-sequence token, or with the
    space that some tokenizers add.
    """
    extra = max(0, sum(map(len, pieces)) - len(text))
    return list(_without_start(pieces, extra))


def _without_start(pieces: Sequence[bytes], extra: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[extra:]
        extra = max(0, extra - len(piece))
