"""Sample tokens as llama.cpp's sampler chain does, with an optional constraint."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence

import numpy as np
from msgspec import UNSET

from ...contract.types import Sampling
from ..constraints.matcher import Matcher
from ..sampling import SamplerSettings
from .chain import Logits, SamplerChain
from .dry import Breakers


class Sampler:
    """The sampler of one request.

    Parameters
    ----------
    matcher : Matcher or None
        Masks the tokens that the request's constraint does not allow.
    breakers : Breakers
        The sequence breakers of DRY.
    end_tokens : collection of int
        Tokens that end the answer. They are not sampled before `Sampling.min_tokens`.
    never : collection of int
        Tokens that are never sampled.
    """

    def __init__(
        self,
        sampling: Sampling,
        settings: SamplerSettings,
        matcher: Matcher | None,
        *,
        breakers: Breakers,
        end_tokens: Collection[int],
        never: Collection[int],
    ) -> None:
        self._matcher = matcher
        seed = secrets.randbits(63) if sampling.seed is UNSET else sampling.seed % 2**63
        self._chain = SamplerChain(settings, breakers, np.random.default_rng(seed))
        self._logit_bias = {} if sampling.logit_bias is UNSET else sampling.logit_bias
        self._min_tokens = sampling.min_tokens
        self._end_tokens = list(end_tokens)
        self._never = list(never)

    def constrain(self, matcher: Matcher) -> None:
        """Constrain the tokens from the next one on."""
        self._matcher = matcher

    def sample(self, logits: Logits, tokens: Sequence[int]) -> int:
        """Return the next token.

        Parameters
        ----------
        logits : ndarray
            Shape (vocabulary,).
        tokens : sequence of int
            The prompt and the output so far.

        Raises
        ------
        InvalidParameter
            If no token of the vocabulary can continue an answer that satisfies the constraint.
        """
        logits = logits.copy()
        if self._matcher is not None and self._matcher.is_complete:
            return self._matcher.end_token  # also if `ignore_eos` or `min_tokens` excludes all
        for token, bias in self._logit_bias.items():
            logits[token] += bias
        logits[self._never] = -np.inf
        if self._min_tokens:
            self._min_tokens -= 1
            logits[self._end_tokens] = -np.inf
        if self._matcher is not None:
            self._matcher.mask(logits)
        token = self._chain.sample(logits, tokens)
        if self._matcher is not None:
            self._matcher.accept(token)
        return token
