"""Build llama.cpp's sampler chains."""

from __future__ import annotations

import ctypes
import math
import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import llama_cpp as lc
from msgspec import UNSET

from ...contract.types import Sampling
from ..sampling import MIROSTAT_TOKENS, SamplerSettings
from .vocabulary import Vocabulary

#: Share of the best token's probability below which tokens are left out before samplers that would
#: divide by a probability of 0. In 32 bits, it is still larger than 0.
TINY_SHARE = 1e-30


def new_chain(
    sampling: Sampling, settings: SamplerSettings, vocab: Vocabulary, banned: Collection[int]
) -> Any:
    """Return a chain with the samplers of a request. The caller frees it.

    Parameters
    ----------
    banned : collection of int
        Tokens that are not sampled until the first sampler of the chain is removed.
    """
    params = lc.llama_sampler_chain_default_params()
    params.no_perf = True
    chain = lc.llama_sampler_chain_init(params)
    for sampler in _samplers(sampling, settings, vocab, banned):
        lc.llama_sampler_chain_add(chain, sampler)  # the chain owns it now
    return chain


def biases_of(sampling: Sampling, vocab: Vocabulary) -> Mapping[int, float]:
    """Return what is added to the logits of tokens: by the request, and for those of no answer."""
    never = (*vocab.suppressed, *(vocab.eog_tokens if sampling.ignore_eos else ()))
    biases = {} if sampling.logit_bias is UNSET else sampling.logit_bias
    return {**biases, **dict.fromkeys(never, -math.inf)}


def _samplers(
    sampling: Sampling, settings: SamplerSettings, vocab: Vocabulary, banned: Collection[int]
) -> Iterable[Any]:
    if banned:
        yield _bias(vocab, dict.fromkeys(banned, -math.inf))
    if biases := biases_of(sampling, vocab):
        yield _bias(vocab, biases)
    seed = _seed(sampling)
    if settings.penalizes:
        yield lc.llama_sampler_init_penalties(
            vocab.size,
            settings.repeat_last_n,
            settings.repeat_penalty,
            settings.frequency_penalty,
            settings.presence_penalty,
        )
    if settings.dry:
        yield _dry(settings, vocab)
    if settings.greedy and not settings.may_drop_the_best:
        yield lc.llama_sampler_init_greedy()
    elif settings.mirostat:
        yield from _mirostat(settings, vocab, seed)
    else:
        yield from _truncating(settings, seed)
        yield from _selecting(settings, seed)


def _truncating(settings: SamplerSettings, seed: int) -> Iterable[Any]:
    """Yield the samplers that leave out tokens."""
    if settings.top_n_sigma > 0:
        yield lc.llama_sampler_init_top_n_sigma(settings.top_n_sigma)
    yield lc.llama_sampler_init_top_k(settings.top_k)
    if settings.typical_p < 1.0:
        yield lc.llama_sampler_init_min_p(TINY_SHARE, 1)  # the entropy needs logarithms
        yield lc.llama_sampler_init_typical(settings.typical_p, 1)
    yield lc.llama_sampler_init_top_p(settings.top_p, 1)
    yield lc.llama_sampler_init_min_p(settings.min_p, 1)
    if settings.xtc:
        yield lc.llama_sampler_init_xtc(settings.xtc_probability, settings.xtc_threshold, 1, seed)


def _selecting(settings: SamplerSettings, seed: int) -> Iterable[Any]:
    """Yield the samplers that choose one of the remaining tokens."""
    if settings.greedy:
        yield lc.llama_sampler_init_greedy()
        return
    if settings.dynamic_temperature:
        lowest, highest = settings.temperatures
        middle, half = (lowest + highest) / 2, (highest - lowest) / 2
        yield lc.llama_sampler_init_temp_ext(middle, half, settings.dynatemp_exponent)
    else:
        yield lc.llama_sampler_init_temp(settings.temperature)
    yield lc.llama_sampler_init_dist(seed)


def _mirostat(settings: SamplerSettings, vocab: Vocabulary, seed: int) -> Iterable[Any]:
    tau, eta = settings.mirostat_tau, settings.mirostat_eta
    yield lc.llama_sampler_init_temp(settings.temperature)
    yield lc.llama_sampler_init_min_p(TINY_SHARE, 1)  # it divides probabilities
    if settings.mirostat == 1:
        yield lc.llama_sampler_init_mirostat(vocab.size, seed, tau, eta, MIROSTAT_TOKENS)
    else:
        yield lc.llama_sampler_init_mirostat_v2(seed, tau, eta)


def _bias(vocab: Vocabulary, biases: Mapping[int, float]) -> Any:
    entries = (lc.llama_logit_bias * len(biases))(
        *[lc.llama_logit_bias(token, bias) for token, bias in biases.items()]
    )
    return lc.llama_sampler_init_logit_bias(vocab.size, len(entries), entries)


def _dry(settings: SamplerSettings, vocab: Vocabulary) -> Any:
    """Return the DRY sampler, which looks for the sequence breakers in all tokens first."""
    breakers = [text.encode("utf-8", "replace") for text in settings.dry_sequence_breakers]
    return lc.llama_sampler_init_dry(
        vocab.pointer,
        settings.dry_multiplier,
        settings.dry_base,
        settings.dry_allowed_length,
        settings.dry_penalty_last_n,
        (ctypes.c_char_p * len(breakers))(*breakers),
        len(breakers),
    )


def _seed(sampling: Sampling) -> int:
    """Return a 32-bit seed other than LLAMA_DEFAULT_SEED (0xFFFFFFFF), which means random."""
    if sampling.seed is UNSET:
        return secrets.randbelow(0xFFFFFFFF)
    return sampling.seed % 0xFFFFFFFF
