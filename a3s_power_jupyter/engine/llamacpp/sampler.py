"""Sample tokens with a llama.cpp sampler chain and an optional JSON schema."""

from __future__ import annotations

import ctypes
import secrets
import weakref
from typing import Any

import llama_cpp as lc
import numpy as np
from msgspec import UNSET, UnsetType

from ...contract.types import Sampling, TokenLogprob
from ..checks import check_finite, require_one
from ..generation import (
    DEFAULT_MIN_P,
    DEFAULT_TEMPERATURE,
    DEFAULT_TOP_K,
    DEFAULT_TOP_P,
    PENALTY_LAST_N,
    or_default,
    token_logprob,
)
from ..schema import schema_of, unsupported
from .grammar import to_gbnf
from .vocabulary import Vocabulary


class Sampler:
    """The sampler chain of one request. It frees its native memory when it is deleted.

    Raises
    ------
    InvalidParameter
        If `logit_bias` has an unknown token, or the JSON schema is not supported.
    """

    def __init__(self, sampling: Sampling, vocab: Vocabulary) -> None:
        self._vocab = vocab
        self._grammar = None
        if sampling.constraint is not UNSET:
            self._grammar = self._owned(_grammar(schema_of(sampling.constraint), vocab))
        self._chain = self._owned(_empty_chain())
        _add_samplers(self._chain, sampling, vocab)
        self._single = (lc.llama_token_data * 1)()
        self._logprobs = sampling.logprobs

    def _owned(self, pointer: Any) -> Any:
        """Free a native sampler when this object is deleted."""
        weakref.finalize(self, lc.llama_sampler_free, pointer)
        return pointer

    def sample(self, context: Any, index: int) -> int:
        """Sample a token from the logits at an index of the batch.

        Raises
        ------
        ModelProducesNaN
            If the logits are not finite.
        InvalidParameter
            If no token of the vocabulary can continue an answer that keeps the schema.
        """
        logits = self._logits(context, index)
        check_finite(logits)
        if self._grammar is None:
            return int(lc.llama_sampler_sample(self._chain, context, index))
        # Checking one sampled token against the grammar is much faster than checking the whole
        # vocabulary, and the token is usually allowed.
        data = _Candidates(logits)
        lc.llama_sampler_apply(self._chain, ctypes.byref(data.array))
        token = data.selected
        if not self._grammar_allows(token):
            data = _Candidates(logits)
            lc.llama_sampler_apply(self._grammar, ctypes.byref(data.array))
            require_one(data.logits)  # llama.cpp aborts if it accepts a token that is not allowed
            lc.llama_sampler_apply(self._chain, ctypes.byref(data.array))
            token = data.selected
        lc.llama_sampler_accept(self._grammar, token)
        lc.llama_sampler_accept(self._chain, token)
        return token

    def _grammar_allows(self, token: int) -> bool:
        self._single[0] = lc.llama_token_data(token, 1.0, 0.0)
        array = lc.llama_token_data_array(self._single, 1, -1, False)
        lc.llama_sampler_apply(self._grammar, ctypes.byref(array))
        return bool(self._single[0].logit != -np.inf)

    def logprob(self, context: Any, index: int, token: int) -> TokenLogprob | None:
        """Return the token's log-probability, or None if it was not requested."""
        if isinstance(self._logprobs, UnsetType):
            return None
        logits = self._logits(context, index)
        return token_logprob(logits, token, self._logprobs, self._vocab.token_to_piece)

    def _logits(self, context: Any, index: int) -> Any:
        """Return the logits as an array of shape (vocabulary,), without copying them."""
        pointer = lc.llama_get_logits_ith(context, index)
        return np.ctypeslib.as_array(pointer, (self._vocab.size,))


class _Candidates:
    """All tokens with their logits, as a ``llama_token_data_array``."""

    def __init__(self, logits: Any) -> None:
        size = len(logits)
        table = np.zeros(size, dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        table["id"] = np.arange(size, dtype=np.int32)
        table["logit"] = logits
        self.logits = table["logit"]  # shares the memory that `array` points to, and keeps it
        pointer = table.ctypes.data_as(ctypes.POINTER(lc.llama_token_data))
        self.array = lc.llama_token_data_array(pointer, size, -1, False)

    @property
    def selected(self) -> int:
        return int(self.array.data[self.array.selected].id)


def _empty_chain() -> Any:
    params = lc.llama_sampler_chain_default_params()
    params.no_perf = True
    return lc.llama_sampler_chain_init(params)


#: Temperature below which the most likely token is taken. It would be with any that small, but
#: llama.cpp divides by the temperature in 32 bits, which overflows.
GREEDY_BELOW = 1e-6


def _add_samplers(chain: Any, sampling: Sampling, vocab: Vocabulary) -> None:
    """Add the samplers of a request to a chain, which owns them from then on."""

    def add(sampler: Any) -> None:
        lc.llama_sampler_chain_add(chain, sampler)

    if sampling.logit_bias is not UNSET and sampling.logit_bias:
        vocab.check(list(sampling.logit_bias))
        biases = (lc.llama_logit_bias * len(sampling.logit_bias))(
            *[lc.llama_logit_bias(token, bias) for token, bias in sampling.logit_bias.items()]
        )
        add(lc.llama_sampler_init_logit_bias(vocab.size, len(biases), biases))
    repeat = or_default(sampling.repeat_penalty, 1.0)
    frequency = or_default(sampling.frequency_penalty, 0.0)
    presence = or_default(sampling.presence_penalty, 0.0)
    if repeat != 1.0 or frequency or presence:
        add(
            lc.llama_sampler_init_penalties(vocab.size, PENALTY_LAST_N, repeat, frequency, presence)
        )
    temperature = or_default(sampling.temperature, DEFAULT_TEMPERATURE)
    if temperature < GREEDY_BELOW:
        add(lc.llama_sampler_init_greedy())
        return
    add(lc.llama_sampler_init_top_k(or_default(sampling.top_k, DEFAULT_TOP_K)))
    add(lc.llama_sampler_init_top_p(or_default(sampling.top_p, DEFAULT_TOP_P), 1))
    add(lc.llama_sampler_init_min_p(or_default(sampling.min_p, DEFAULT_MIN_P), 1))
    add(lc.llama_sampler_init_temp(temperature))
    add(lc.llama_sampler_init_dist(_seed(sampling)))


def _seed(sampling: Sampling) -> int:
    """Return a 32-bit seed other than LLAMA_DEFAULT_SEED (0xFFFFFFFF), which means random."""
    if sampling.seed is UNSET:
        return secrets.randbelow(0xFFFFFFFF)
    return sampling.seed % 0xFFFFFFFF


def _grammar(schema: dict[str, Any], vocab: Vocabulary) -> Any:
    sampler = lc.llama_sampler_init_grammar(vocab.pointer, to_gbnf(schema).encode(), b"root")
    if not sampler:
        raise unsupported("was rejected by llama.cpp")
    return sampler
