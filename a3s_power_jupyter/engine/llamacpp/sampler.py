"""Sample tokens with a llama.cpp sampler chain and an optional JSON schema."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Collection, Sequence
from typing import Any

import llama_cpp as lc
import numpy as np
from msgspec import UNSET, UnsetType

from ...contract.types import Sampling, TokenLogprob
from ..checks import check_finite, require_one
from ..generation import token_logprob
from ..sampling import SamplerSettings
from ..schema import schema_of, unsupported
from .chain import new_chain
from .grammar import to_gbnf
from .vocabulary import Vocabulary


class Sampler:
    """The sampler chain of one request. It frees its native memory when it is deleted.

    Parameters
    ----------
    prompt : sequence of int
        The tokens before the answer, which penalties and DRY look at as well.
    num_ctx : int
        Tokens of context for each request.
    end_tokens : collection of int
        Tokens that end the answer. They are not sampled before `Sampling.min_tokens`.

    Raises
    ------
    InvalidParameter
        If `logit_bias` has an unknown token, the JSON schema is not supported, or parameters
        contradict each other.
    """

    def __init__(
        self,
        sampling: Sampling,
        vocab: Vocabulary,
        prompt: Sequence[int],
        *,
        num_ctx: int,
        end_tokens: Collection[int],
    ) -> None:
        self._vocab = vocab
        settings = SamplerSettings.of(sampling, num_ctx)
        if sampling.logit_bias is not UNSET:
            vocab.check(list(sampling.logit_bias))
        self._grammar = None
        if sampling.constraint is not UNSET:
            self._grammar = self._owned(_grammar(schema_of(sampling.constraint), vocab))
        self._min_tokens = sampling.min_tokens
        first = end_tokens if self._min_tokens else ()
        self._chain = self._owned(new_chain(sampling, settings, vocab, first))
        for token in prompt[len(prompt) - min(settings.history, len(prompt)) :]:
            if token >= 0:  # not an image
                lc.llama_sampler_accept(self._chain, token)
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
        token = self._sample(context, index, logits)
        if self._min_tokens:
            self._min_tokens -= 1
            if not self._min_tokens:
                lc.llama_sampler_free(lc.llama_sampler_chain_remove(self._chain, 0))
        return token

    def _sample(self, context: Any, index: int, logits: Any) -> int:
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


def _grammar(schema: dict[str, Any], vocab: Vocabulary) -> Any:
    sampler = lc.llama_sampler_init_grammar(vocab.pointer, to_gbnf(schema).encode(), b"root")
    if not sampler:
        raise unsupported("was rejected by llama.cpp")
    return sampler
