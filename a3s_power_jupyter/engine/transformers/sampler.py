"""Sample tokens as llama.cpp's sampler chain does, with an optional JSON schema."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import llguidance
import llguidance.hf
import llguidance.numpy
import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from ...contract.types import Sampling
from ..checks import require_one
from ..generation import (
    DEFAULT_MIN_P,
    DEFAULT_TEMPERATURE,
    DEFAULT_TOP_K,
    DEFAULT_TOP_P,
    PENALTY_LAST_N,
    or_default,
)
from ..schema import schema_text, unsupported

Logits = npt.NDArray[np.float32]


class Sampler:
    """The sampler of one request.

    Parameters
    ----------
    matcher : SchemaMatcher or None
        Masks the tokens that the request's schema does not allow.
    """

    def __init__(self, sampling: Sampling, matcher: SchemaMatcher | None) -> None:
        self._sampling = sampling
        self._matcher = matcher
        seed = secrets.randbits(63) if sampling.seed is UNSET else sampling.seed % 2**63
        self._random = np.random.default_rng(seed)
        self._logit_bias = {} if sampling.logit_bias is UNSET else sampling.logit_bias
        self._temperature = or_default(sampling.temperature, DEFAULT_TEMPERATURE)

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
        self._apply_penalties(logits, tokens)
        token = int(logits.argmax()) if self._temperature <= 0 else self._draw(logits)
        if self._matcher is not None:
            self._matcher.accept(token)
        return token

    def _apply_penalties(self, logits: Logits, tokens: Sequence[int]) -> None:
        """Apply the penalties of llama.cpp's ``llama_sampler_penalties``."""
        repeat = or_default(self._sampling.repeat_penalty, 1.0)
        frequency = or_default(self._sampling.frequency_penalty, 0.0)
        presence = or_default(self._sampling.presence_penalty, 0.0)
        if repeat == 1.0 and not frequency and not presence:
            return
        for token, count in Counter(tokens[-PENALTY_LAST_N:]).items():
            value = logits[token]
            value = value * repeat if value <= 0 else value / repeat
            logits[token] = value - count * frequency - presence

    def _draw(self, logits: Logits) -> int:
        top_k = or_default(self._sampling.top_k, DEFAULT_TOP_K) or len(logits)
        count = min(top_k, len(logits))
        tokens = np.argpartition(-logits, count - 1)[:count]
        tokens = tokens[np.argsort(-logits[tokens], kind="stable")]
        candidates = logits[tokens].astype(np.float64)
        probabilities = _softmax(candidates)
        # top_p keeps the smallest set with that total probability; min_p is relative to the best.
        preceding = np.cumsum(probabilities) - probabilities
        keep = preceding < or_default(self._sampling.top_p, DEFAULT_TOP_P)
        min_p = or_default(self._sampling.min_p, DEFAULT_MIN_P)
        keep &= probabilities >= min_p * probabilities[0]
        keep[0] = True
        tokens, candidates = tokens[keep], candidates[keep]
        return int(self._random.choice(tokens, p=_softmax(candidates, self._temperature)))


def _softmax(values: npt.NDArray[np.float64], temperature: float = 1.0) -> npt.NDArray[np.float64]:
    # Dividing the differences, not the values, cannot overflow to NaN.
    with np.errstate(over="ignore"):
        exponentials = np.exp((values - values.max()) / temperature)
    probabilities: npt.NDArray[np.float64] = exponentials / exponentials.sum()
    return probabilities


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
