"""The fields of llama.cpp's samplers, and of vLLM for the end of an answer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..contract.parameters import (
    DryBase,
    DryBreakers,
    DryMultiplier,
    DynatempExponent,
    DynatempRange,
    LastTokens,
    Mirostat,
    MirostatEta,
    MirostatTau,
    NaturalInt,
    Probability,
    RepeatPenalty,
    TopNSigma,
)

#: Number of alternatives for a token, as for OpenAI's ``top_logprobs``.
Alternatives = Annotated[int, Meta(ge=0, le=20)]

#: Biases by token id. There are at most as many as tokens in the largest vocabularies.
LogitBias = Annotated[
    dict[str, Annotated[float, Meta(ge=-100.0, le=100.0)]], Meta(max_length=2**18)
]


class SamplerFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of chat and plain completions that OpenAI's API does not have.

    Attributes
    ----------
    repetition_penalty : float
        The name in vLLM and transformers, where the penalty looks at all tokens.
    """

    top_k: NaturalInt | UnsetType = UNSET
    min_p: Probability | UnsetType = UNSET
    typical_p: Probability | UnsetType = UNSET
    top_n_sigma: TopNSigma | UnsetType = UNSET
    xtc_probability: Probability | UnsetType = UNSET
    xtc_threshold: Probability | UnsetType = UNSET
    dynatemp_range: DynatempRange | UnsetType = UNSET
    dynatemp_exponent: DynatempExponent | UnsetType = UNSET
    mirostat: Mirostat | UnsetType = UNSET
    mirostat_tau: MirostatTau | UnsetType = UNSET
    mirostat_eta: MirostatEta | UnsetType = UNSET
    repeat_penalty: RepeatPenalty | UnsetType = UNSET
    repetition_penalty: RepeatPenalty | UnsetType = UNSET
    repeat_last_n: LastTokens | UnsetType = UNSET
    dry_multiplier: DryMultiplier | UnsetType = UNSET
    dry_base: DryBase | UnsetType = UNSET
    dry_allowed_length: NaturalInt | UnsetType = UNSET
    dry_penalty_last_n: LastTokens | UnsetType = UNSET
    dry_sequence_breakers: DryBreakers | UnsetType = UNSET
    min_tokens: NaturalInt = 0
    ignore_eos: bool = False
    stop_token_ids: Annotated[list[NaturalInt], Meta(max_length=64)] = []

    def sampling(self) -> dict[str, Any]:
        """Return the fields as those of `Sampling`."""
        values = {name: getattr(self, name) for name in SamplerFields.__struct_fields__}
        penalty = values.pop("repetition_penalty")
        if penalty is not UNSET and self.repeat_penalty is UNSET:
            values["repeat_penalty"] = penalty
            values["repeat_last_n"] = -1 if self.repeat_last_n is UNSET else self.repeat_last_n
        values["stop_token_ids"] = tuple(self.stop_token_ids)
        if self.dry_sequence_breakers is not UNSET:
            values["dry_sequence_breakers"] = tuple(self.dry_sequence_breakers)
        return values
