"""Drawing the next token: a llama.cpp sampler chain for one request."""

from __future__ import annotations

import ctypes
import json
import secrets
from typing import Any

import llama_cpp as lc
import numpy as np
from llama_cpp.llama_grammar import PRIMITIVE_RULES, json_schema_to_gbnf
from msgspec import UNSET, UnsetType

from ...contract.errors import InvalidParameter
from ...contract.types import Sampling, TokenLogprob
from ..sampling import (
    DEFAULT_MIN_P,
    DEFAULT_TEMPERATURE,
    DEFAULT_TOP_K,
    DEFAULT_TOP_P,
    PENALTY_LAST_N,
    token_logprob,
)
from .model import Vocabulary

#: The converter's rule for a character of a string lets control characters through, which JSON
#: forbids (RFC 8259, section 7): greedy models then put raw newlines into strings.
_CHARACTER = PRIMITIVE_RULES["char"].content
_STRICT_CHARACTER = _CHARACTER.replace(r'[^"\\]', r'[^"\\\x7F\x00-\x1F]')


class Sampler:
    """Owns the native chain; `close` frees it."""

    def __init__(self, sampling: Sampling, vocab: Vocabulary) -> None:
        self._vocab = vocab
        self._grammar = _grammar(sampling, vocab)
        self._chain = _chain(sampling, vocab)
        self._one = (lc.llama_token_data * 1)()
        self._logprobs = sampling.logprobs

    def close(self) -> None:
        lc.llama_sampler_free(self._chain)
        if self._grammar is not None:
            lc.llama_sampler_free(self._grammar)

    def sample(self, context: Any, index: int) -> int:
        """The next token, drawn from the logits of batch position `index`."""
        if self._grammar is None:
            return int(lc.llama_sampler_sample(self._chain, context, index))
        # The grammar checks one token far faster than all of the vocabulary, and mostly agrees.
        data = _candidates(context, index, self._vocab.size)
        lc.llama_sampler_apply(self._chain, ctypes.byref(data.array))
        token = data.selected()
        if not self._grammar_takes(token):
            data = _candidates(context, index, self._vocab.size)
            lc.llama_sampler_apply(self._grammar, ctypes.byref(data.array))
            lc.llama_sampler_apply(self._chain, ctypes.byref(data.array))
            token = data.selected()
        lc.llama_sampler_accept(self._grammar, token)
        lc.llama_sampler_accept(self._chain, token)
        return token

    def _grammar_takes(self, token: int) -> bool:
        self._one[0] = lc.llama_token_data(token, 1.0, 0.0)
        array = lc.llama_token_data_array(self._one, 1, -1, False)
        lc.llama_sampler_apply(self._grammar, ctypes.byref(array))
        return bool(self._one[0].logit != -np.inf)

    def logprob(self, context: Any, index: int, token: int) -> TokenLogprob | None:
        """The model's own log-probabilities (before temperature and penalties), if asked for."""
        if isinstance(self._logprobs, UnsetType):
            return None
        logits = np.ctypeslib.as_array(lc.llama_get_logits_ith(context, index), (self._vocab.size,))
        return token_logprob(logits, token, self._logprobs, self._vocab.piece)


class _candidates:  # noqa: N801 - a small buffer, used like a function
    """All tokens with their logits, as the samplers take them."""

    def __init__(self, context: Any, index: int, size: int) -> None:
        logits = np.ctypeslib.as_array(lc.llama_get_logits_ith(context, index), (size,))
        table = np.zeros(size, dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        table["id"] = np.arange(size, dtype=np.int32)
        table["logit"] = logits
        self._table = table  # keeps the memory that `array` points to
        pointer = table.ctypes.data_as(ctypes.POINTER(lc.llama_token_data))
        self.array = lc.llama_token_data_array(pointer, size, -1, False)

    def selected(self) -> int:
        return int(self.array.data[self.array.selected].id)


def _chain(sampling: Sampling, vocab: Vocabulary) -> Any:
    params = lc.llama_sampler_chain_default_params()
    params.no_perf = True
    chain = lc.llama_sampler_chain_init(params)
    for part in _parts(sampling, vocab):
        lc.llama_sampler_chain_add(chain, part)
    return chain


def _parts(sampling: Sampling, vocab: Vocabulary) -> list[Any]:
    parts = []
    if sampling.logit_bias is not UNSET and sampling.logit_bias:
        vocab.check(list(sampling.logit_bias))
        biases = (lc.llama_logit_bias * len(sampling.logit_bias))(
            *[lc.llama_logit_bias(token, bias) for token, bias in sampling.logit_bias.items()]
        )
        parts.append(lc.llama_sampler_init_logit_bias(vocab.size, len(biases), biases))
    repeat = _or(sampling.repeat_penalty, 1.0)
    frequency = _or(sampling.frequency_penalty, 0.0)
    presence = _or(sampling.presence_penalty, 0.0)
    if repeat != 1.0 or frequency or presence:
        parts.append(
            lc.llama_sampler_init_penalties(vocab.size, PENALTY_LAST_N, repeat, frequency, presence)
        )
    temperature = _or(sampling.temperature, DEFAULT_TEMPERATURE)
    if temperature <= 0:
        return [*parts, lc.llama_sampler_init_greedy()]
    parts += [
        lc.llama_sampler_init_top_k(_or(sampling.top_k, DEFAULT_TOP_K)),
        lc.llama_sampler_init_top_p(_or(sampling.top_p, DEFAULT_TOP_P), 1),
        lc.llama_sampler_init_min_p(_or(sampling.min_p, DEFAULT_MIN_P), 1),
        lc.llama_sampler_init_temp(temperature),
        lc.llama_sampler_init_dist(_seed(sampling)),
    ]
    return parts


def _seed(sampling: Sampling) -> int:
    """llama.cpp's seeds have 32 bits; 0xFFFFFFFF means "random" to it, so it is not drawn."""
    if sampling.seed is UNSET:
        return secrets.randbelow(0xFFFFFFFF)
    return sampling.seed % 0xFFFFFFFF


def _or(value: float | int | UnsetType, default: Any) -> Any:
    return default if value is UNSET else value


def _grammar(sampling: Sampling, vocab: Vocabulary) -> Any:
    if sampling.json_schema is UNSET:
        return None
    try:
        grammar = json_schema_to_gbnf(json.dumps(sampling.json_schema))
        grammar = grammar.replace(_CHARACTER, _STRICT_CHARACTER)
    except Exception as error:  # the converter raises whatever the schema makes it stumble on
        raise InvalidParameter(
            f"This JSON schema cannot be turned into a grammar: {type(error).__name__}: {error}",
            param="response_format",
        ) from None
    sampler = lc.llama_sampler_init_grammar(vocab.pointer, grammar.encode(), b"root")
    if not sampler:
        raise InvalidParameter(
            "llama.cpp does not take the grammar of this JSON schema; use a simpler one.",
            param="response_format",
        )
    return sampler
