"""Sample tokens as llama.cpp's sampler chain does, with an optional JSON schema."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Sequence
from typing import Any

import llguidance
import llguidance.hf
import llguidance.numpy
import numpy as np
from msgspec import UNSET

from ...contract.types import Sampling
from ..checks import require_one
from ..sampling import SamplerSettings
from ..schema import schema_text, unsupported
from .chain import Logits, SamplerChain
from .dry import Breakers


class Sampler:
    """The sampler of one request.

    Parameters
    ----------
    matcher : SchemaMatcher or None
        Masks the tokens that the request's schema does not allow.
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
        matcher: SchemaMatcher | None,
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
            If no token of the vocabulary can continue an answer that keeps the schema.
        """
        logits = logits.copy()
        if self._matcher is not None:
            self._matcher.mask(logits)
            require_one(logits)
        for token, bias in self._logit_bias.items():
            logits[token] += bias
        logits[self._never] = -np.inf
        if self._min_tokens:
            self._min_tokens -= 1
            logits[self._end_tokens] = -np.inf
        token = self._chain.sample(logits, tokens)
        if self._matcher is not None:
            self._matcher.accept(token)
        return token


class SchemaCompiler:
    """Compile JSON schemas for a model with llguidance.

    The tokenizer is analyzed once, on first use.
    """

    def __init__(self, tokenizer: Any, vocab_size: int, eos_token_ids: list[int]) -> None:
        self._tokenizer = tokenizer
        self._size = max(vocab_size, len(tokenizer))  # a tokenizer may have more tokens
        self._lock = threading.Lock()
        self._eos_token_ids = eos_token_ids
        self._ll_tokenizer: Any = None

    def compile(self, schema: dict[str, Any]) -> SchemaMatcher:
        """Return a matcher for one request.

        Raises
        ------
        InvalidParameter
            If llguidance rejects the schema.
        """
        with self._lock:
            if self._ll_tokenizer is None:
                self._ll_tokenizer = llguidance.hf.from_tokenizer(
                    self._tokenizer, n_vocab=self._size, eos_token=self._eos_token_ids
                )
        grammar = llguidance.LLMatcher.grammar_from_json_schema(schema_text(schema))
        limits = llguidance.LLParserLimits(verbose_errors=False)
        matcher = llguidance.LLMatcher(self._ll_tokenizer, grammar, limits=limits)
        return SchemaMatcher(matcher, self._size)


class SchemaMatcher:
    """Track which tokens a JSON schema allows at the current position of an answer.

    All methods raise `InvalidParameter` if llguidance rejects the schema, or reaches a limit. The
    first mask may take seconds, so it is computed before the request joins a batch.
    """

    def __init__(self, matcher: Any, size: int) -> None:
        self._matcher = matcher
        self._bitmask = llguidance.numpy.allocate_token_bitmask(1, size)
        self._fill()

    def mask(self, logits: Logits) -> None:
        """Set the logits of tokens that the schema does not allow next to minus infinity."""
        self._fill()
        llguidance.numpy.apply_token_bitmask_inplace(logits.reshape(1, -1), self._bitmask)

    def accept(self, token: int) -> None:
        self._matcher.consume_token(token)
        self._check()

    def _fill(self) -> None:
        self._check()
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._bitmask)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            reason = str(self._matcher.get_error()).strip().splitlines()[0]
            raise unsupported(f"is not supported: {reason}")
