"""Drawing the next token, in the order and with the defaults of llama.cpp's sampler chain."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from ...contract.types import Sampling
from ..sampling import (
    DEFAULT_MIN_P,
    DEFAULT_TEMPERATURE,
    DEFAULT_TOP_K,
    DEFAULT_TOP_P,
    PENALTY_LAST_N,
)
from .schema import Matcher

Floats = npt.NDArray[np.float32]


class Sampler:
    """Draws the tokens of one request.

    Parameters
    ----------
    matcher
        Says which tokens the request's schema allows; None allows all.
    """

    def __init__(self, sampling: Sampling, matcher: Matcher | None) -> None:
        self._sampling = sampling
        self._matcher = matcher
        seed = secrets.randbits(63) if sampling.seed is UNSET else sampling.seed % 2**63
        self._random = np.random.default_rng(seed)
        self._bias = {} if sampling.logit_bias is UNSET else sampling.logit_bias
        self._temperature = _or(sampling.temperature, DEFAULT_TEMPERATURE)

    def sample(self, logits: Floats, past: Sequence[int]) -> int:
        """The next token after `past`; `logits` has the shape (vocabulary,)."""
        logits = logits.copy()
        if self._matcher is not None:
            self._matcher.mask(logits)
        for token, bias in self._bias.items():
            logits[token] += bias
        self._penalise(logits, past)
        token = int(logits.argmax()) if self._temperature <= 0 else self._draw(logits)
        if self._matcher is not None:
            self._matcher.accept(token)
        return token

    def _penalise(self, logits: Floats, past: Sequence[int]) -> None:
        """llama.cpp's `llama_sampler_penalties`: what occurred is divided (or, below 0,
        multiplied) by the repeat penalty, less the other two."""
        sampling = self._sampling
        repeat = _or(sampling.repeat_penalty, 1.0)
        frequency = _or(sampling.frequency_penalty, 0.0)
        presence = _or(sampling.presence_penalty, 0.0)
        if repeat == 1.0 and not frequency and not presence:
            return
        for token, count in Counter(past[-PENALTY_LAST_N:]).items():
            value = logits[token]
            value = value * repeat if value <= 0 else value / repeat
            logits[token] = value - count * frequency - presence

    def _draw(self, logits: Floats) -> int:
        top_k = _or(self._sampling.top_k, DEFAULT_TOP_K) or len(logits)
        count = min(top_k, len(logits))
        tokens = np.argpartition(-logits, count - 1)[:count]
        tokens = tokens[np.argsort(-logits[tokens], kind="stable")]
        chosen = logits[tokens].astype(np.float64)
        shares = _softmax(chosen)
        # The smallest set that holds top_p of it, then what has min_p of the best one's share.
        before = np.cumsum(shares) - shares
        keep = before < _or(self._sampling.top_p, DEFAULT_TOP_P)
        keep &= shares >= _or(self._sampling.min_p, DEFAULT_MIN_P) * shares[0]
        keep[0] = True
        tokens, chosen = tokens[keep], chosen[keep]
        return int(self._random.choice(tokens, p=_softmax(chosen / self._temperature)))


def _softmax(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shares = np.exp(values - values.max())
    normalised: npt.NDArray[np.float64] = shares / shares.sum()
    return normalised


def _or(value: Any, default: Any) -> Any:
    return default if value is UNSET else value
