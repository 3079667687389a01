"""Sample tokens with a llama.cpp sampler chain and an optional constraint."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Sequence
from typing import Any

import llama_cpp as lc
import numpy as np
from msgspec import UNSET, UnsetType

from ...contract.types import Sampling, TokenLogprob
from ..checks import check_finite
from ..constraints.matcher import Matcher
from ..logprobs import token_logprob
from ..sampling import SamplerSettings
from .candidates import Candidates, sample
from .chain import new_chain
from .vocabulary import Vocabulary


class Sampler:
    """The sampler chain of one request. It frees its native memory when it is deleted.

    Parameters
    ----------
    matcher : Matcher or None
        Masks the tokens that the request's constraint does not allow.
    prompt : sequence of int
        The tokens before the answer, which penalties and DRY look at as well.
    num_ctx : int
        Tokens of context for each request.
    end_tokens : collection of int
        Tokens that end the answer. They are not sampled before `Sampling.min_tokens`.

    Raises
    ------
    InvalidParameter
        If `logit_bias` has an unknown token, or parameters contradict each other.
    """

    def __init__(
        self,
        sampling: Sampling,
        vocab: Vocabulary,
        matcher: Matcher | None,
        prompt: Sequence[int],
        *,
        num_ctx: int,
        end_tokens: Collection[int],
    ) -> None:
        self._vocab = vocab
        settings = SamplerSettings.of(sampling, num_ctx)
        if sampling.logit_bias is not UNSET:
            vocab.check(list(sampling.logit_bias), "logit_bias")
        self._matcher = matcher
        self._min_tokens = sampling.min_tokens
        self._end_tokens = list(end_tokens)
        first = end_tokens if self._min_tokens else ()
        self._chain = new_chain(sampling, settings, vocab, first)
        self._candidates = Candidates.of(sampling, settings, vocab, len(first))
        weakref.finalize(self, lc.llama_sampler_free, self._chain)
        for token in prompt[len(prompt) - min(settings.history, len(prompt)) :]:
            if token >= 0:  # not an image
                lc.llama_sampler_accept(self._chain, token)
        self._top_logprobs = sampling.logprobs
        self._unmasked: Any = None

    def constrain(self, matcher: Matcher) -> None:
        """Constrain the tokens from the next one on."""
        self._matcher = matcher

    def sample(self, context: Any, index: int) -> int:
        """Sample a token from the logits at an index of the batch.

        Raises
        ------
        ModelProducesNaN
            If the logits are not finite.
        InvalidParameter
            If no token of the vocabulary can continue an answer that satisfies the constraint.
        """
        logits = self._logits(context, index)
        check_finite(logits)
        token = self._sample(context, index, logits)
        if self._min_tokens:
            self._min_tokens -= 1
            if not self._min_tokens:
                lc.llama_sampler_free(lc.llama_sampler_chain_remove(self._chain, 0))
        return token

    def _sample(self, context: Any, index: int, logits: Any) -> int:
        if self._matcher is None:
            return self._choose(context, index, logits)
        if self._top_logprobs is not UNSET:
            self._unmasked = logits.copy()
        if self._matcher.is_complete:  # also if `ignore_eos` or `min_tokens` excludes all tokens
            return self._matcher.end_token
        if self._min_tokens:  # so that the mask says if these tokens are the only possible ones
            logits[self._end_tokens] = -np.inf
        self._matcher.mask(logits)
        token = self._choose(context, index, logits)
        self._matcher.accept(token)
        return token

    def _choose(self, context: Any, index: int, logits: Any) -> int:
        if self._candidates is not None:
            tokens = self._candidates.find(logits)
            if len(tokens):
                return sample(self._chain, logits, tokens)
        return int(lc.llama_sampler_sample(self._chain, context, index))

    def logprob(self, context: Any, index: int, token: int) -> TokenLogprob | None:
        """Return the token's log-probability, or None if it was not requested."""
        if isinstance(self._top_logprobs, UnsetType):
            return None
        logits = self._logits(context, index) if self._unmasked is None else self._unmasked
        vocab = self._vocab
        piece = vocab.token_to_piece(token)
        return token_logprob(logits, token, self._top_logprobs, vocab.token_to_text, piece)

    def _logits(self, context: Any, index: int) -> Any:
        return logits_at(context, index, self._vocab.size)


def logits_at(context: Any, index: int, size: int) -> Any:
    """Return logits of the last batch as an array of shape (vocabulary,), without copying them."""
    return np.ctypeslib.as_array(lc.llama_get_logits_ith(context, index), (size,))
