"""llama.cpp's samplers in NumPy: which tokens may come next, and how likely they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..likely import most, most_likely
from ..sampling import MIROSTAT_TOKENS, SamplerSettings
from .dry import Breakers, dry_penalties

Logits = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """Tokens that may come next, the most likely first, with their logits.

    The logits are finite, but for those of the first token if no token is possible.
    """

    tokens: npt.NDArray[np.intp]
    logits: Array

    def keep(self, mask: npt.NDArray[np.bool_]) -> Candidates:
        """Return the candidates of a mask, or the first one if the mask has none."""
        if not mask.any():
            mask[0] = True
        return Candidates(self.tokens[mask], self.logits[mask])

    def divided(self, temperature: float) -> Candidates:
        """Return the candidates with their logits divided by the temperature."""
        # The largest logit becomes 0, so that the others cannot overflow to NaN.
        with np.errstate(over="ignore"):
            return Candidates(self.tokens, (self.logits - self.logits.max()) / temperature)

    @property
    def probabilities(self) -> Array:
        exponentials = np.exp(self.logits - self.logits.max())
        probabilities: Array = exponentials / exponentials.sum()
        return probabilities


class SamplerChain:
    """The samplers of one request, in llama.cpp's order."""

    def __init__(
        self, settings: SamplerSettings, breakers: Breakers, random: np.random.Generator
    ) -> None:
        self._settings = settings
        self._breakers = breakers
        self._random = random
        self._surprise = 2 * settings.mirostat_tau  # the limit of Mirostat, which it adapts

    def sample(self, logits: Logits, tokens: Sequence[int]) -> int:
        """Return the next token.

        Parameters
        ----------
        logits : ndarray
            Shape (vocabulary,). It is changed.
        tokens : sequence of int
            The prompt and the answer so far.
        """
        settings = self._settings
        if settings.greedy and not settings.may_drop_the_best:
            self._penalize(logits, tokens)
            return int(logits.argmax())
        left = self.distribution(logits, tokens)
        if settings.greedy:
            return int(left.tokens[0])
        probabilities = left.probabilities
        index = int(self._random.choice(len(probabilities), p=probabilities))
        if settings.mirostat:
            error = -math.log2(probabilities[index]) - settings.mirostat_tau
            self._surprise -= settings.mirostat_eta * error
        return int(left.tokens[index])

    def distribution(self, logits: Logits, tokens: Sequence[int]) -> Candidates:
        """Return the tokens that may come next, with logits that are divided by the temperature."""
        if self._settings.mirostat:
            return self._mirostat(logits)
        self._penalize(logits, tokens)
        return self._heated(self._truncated(logits))

    def _penalize(self, logits: Logits, tokens: Sequence[int]) -> None:
        settings = self._settings
        if settings.penalizes:
            _apply_penalties(logits, tokens[-settings.repeat_last_n :], settings)
        if settings.dry:
            recent = tokens[-settings.dry_penalty_last_n :]
            for token, penalty in dry_penalties(recent, settings, self._breakers).items():
                logits[token] -= penalty

    def _truncated(self, logits: Logits) -> Candidates:
        settings = self._settings
        if settings.top_n_sigma > 0:
            logits = _top_n_sigma(logits, settings.top_n_sigma)
        candidates = _most_likely(logits, settings.top_k)
        if settings.typical_p < 1.0:
            candidates = _typical(candidates, settings.typical_p)
        if settings.top_p < 1.0:
            candidates = _top_p(candidates, settings.top_p)
        if settings.min_p > 0:
            shares = candidates.logits - candidates.logits[0]
            candidates = candidates.keep(shares >= math.log(settings.min_p))
        if settings.xtc and self._random.random() <= settings.xtc_probability:
            candidates = _without_top_choices(candidates, settings.xtc_threshold)
        return candidates

    def _heated(self, candidates: Candidates) -> Candidates:
        settings = self._settings
        if settings.greedy:
            return candidates
        temperature = settings.temperature
        if settings.dynamic_temperature and len(candidates.tokens) > 1:
            share = _entropy(candidates.probabilities) / math.log(len(candidates.tokens))
            lowest, highest = settings.temperatures
            temperature = lowest + (highest - lowest) * share**settings.dynatemp_exponent
        return candidates.divided(temperature)

    def _mirostat(self, logits: Logits) -> Candidates:
        """Return the tokens within a limit of surprise (https://arxiv.org/abs/2007.14966)."""
        candidates = _most_likely(logits, 0).divided(self._settings.temperature)
        probabilities = candidates.probabilities
        if self._settings.mirostat == 2:
            with np.errstate(divide="ignore"):
                return candidates.keep(-np.log2(probabilities) <= self._surprise)
        count = _mirostat_count(probabilities, self._surprise, len(logits))
        return Candidates(candidates.tokens[:count], candidates.logits[:count])


def _apply_penalties(logits: Logits, recent: Sequence[int], settings: SamplerSettings) -> None:
    for token, count in Counter(recent).items():
        value = logits[token]
        repeat = settings.repeat_penalty
        value = value * repeat if value <= 0 else value / repeat
        logits[token] = value - count * settings.frequency_penalty - settings.presence_penalty


def _most_likely(logits: Logits, count: int) -> Candidates:
    """Return the most likely tokens, without impossible ones; all of them for a count of 0."""
    if 0 < count <= most(len(logits)) and len(likely := most_likely(logits, count)):
        tokens = likely
    else:
        tokens = np.arange(len(logits))
    tokens = tokens[np.argsort(-logits[tokens], kind="stable")]
    if count > 0:
        tokens = tokens[:count]
    found = Candidates(tokens, logits[tokens].astype(np.float64))
    return found.keep(found.logits > -np.inf)


def _top_n_sigma(logits: Logits, n: float) -> Logits:
    """Leave out logits that are more than n standard deviations below the largest."""
    possible = logits[logits > -np.inf]
    limit = possible.max() - n * possible.std(dtype=np.float64)
    return np.where(logits < limit, np.float32(-np.inf), logits)


def _top_p(candidates: Candidates, top_p: float) -> Candidates:
    """Keep the smallest set with a total probability of at least `top_p`."""
    probabilities = candidates.probabilities
    return candidates.keep(np.cumsum(probabilities) - probabilities < top_p)


def _typical(candidates: Candidates, typical_p: float) -> Candidates:
    """Keep the tokens that are about as surprising as expected (https://arxiv.org/abs/2202.00666)."""
    probabilities = candidates.probabilities
    candidates = candidates.keep(probabilities > 0)
    probabilities = probabilities[probabilities > 0]
    distance = np.abs(-np.log(probabilities) - _entropy(probabilities))
    order = np.argsort(distance, kind="stable")
    total = np.cumsum(probabilities[order])
    kept = order[: int((total <= typical_p).sum()) + 1]
    mask = np.zeros(len(probabilities), bool)
    mask[kept] = True
    return candidates.keep(mask)


def _without_top_choices(candidates: Candidates, threshold: float) -> Candidates:
    """Leave out the tokens above the threshold, but for the least likely of them (XTC)."""
    above = int((candidates.probabilities >= threshold).sum())
    first = max(0, above - 1)
    return Candidates(candidates.tokens[first:], candidates.logits[first:])


def _entropy(probabilities: Array) -> float:
    possible = probabilities[probabilities > 0]
    return float(-(possible * np.log(possible)).sum())


def _mirostat_count(probabilities: Array, surprise: float, vocab_size: int) -> int:
    """Return the number of tokens that Mirostat 1 keeps, for a limit of surprise in bits."""
    best = probabilities[probabilities > 0][:MIROSTAT_TOKENS]
    if len(best) < 2:
        return 1
    ranks = np.arange(1, len(best))
    steps = np.log((ranks + 1) / ranks)
    falls = np.log(best[:-1] / best[1:])
    exponent = float((steps * falls).sum() / (steps * steps).sum())
    excess = exponent - 1
    if exponent <= 0 or excess == 0:
        return len(probabilities)
    log_count = (
        math.log(abs(excess)) + surprise * math.log(2) - math.log(abs(1 - vocab_size ** (-excess)))
    ) / exponent
    return max(1, int(math.exp(min(log_count, math.log(len(probabilities))))))
