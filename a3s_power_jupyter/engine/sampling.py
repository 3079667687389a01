"""What the engines share about drawing tokens: the defaults, and how likely a token was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract.types import TokenLogprob

# What llama.cpp's own tools use when nobody says otherwise (common/common.h, sampling params).
DEFAULT_TEMPERATURE = 0.8
DEFAULT_TOP_K = 40
DEFAULT_TOP_P = 0.95
DEFAULT_MIN_P = 0.05

#: Tokens that the repetition penalties look back on.
PENALTY_LAST_N = 64


def token_logprob(
    logits: npt.NDArray[Any], token: int, alternatives: int, piece: Callable[[int], bytes]
) -> TokenLogprob:
    """The model's own log-probability of `token`, before temperature and penalties, and those of
    the likeliest tokens; `logits` has the shape (vocabulary,), `piece` gives a token's bytes."""
    numbers = logits.astype(np.float64)
    peak = numbers.max()
    logprobs = numbers - (peak + np.log(np.exp(numbers - peak).sum()))
    count = min(alternatives, len(logprobs))
    best = np.argpartition(-logprobs, count - 1)[:count] if count else np.empty(0, int)
    best = best[np.argsort(-logprobs[best], kind="stable")]

    def written(token: int) -> tuple[str, list[int]]:
        raw = piece(token)
        return raw.decode("utf-8", errors="replace"), list(raw)

    top = [(*written(int(t)), float(logprobs[t])) for t in best]
    text, raw = written(token)
    return TokenLogprob(text, raw, float(logprobs[token]), top)
